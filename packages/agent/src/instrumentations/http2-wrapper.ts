/**
 * http2-wrapper, which got speaks HTTP/2 by: a request waits for its session with others, and is made when that is there, in the lane of
 * whoever asked for it first. What is called then is bound to the lane of its caller.
 */
import { bindLane } from '@lane/core/model';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

type Listener = Readonly<Record<'resolve' | 'reject', (...args: unknown[]) => unknown>>;

export function patch({ exports }: LoadedFile): void {
  wrap((exports as { Agent: { prototype: object } }).Agent.prototype, 'getSession', (original) => {
    return function getSession(this: unknown, ...args: unknown[]): unknown {
      const listeners = args[2] as readonly Listener[] | undefined;
      if (Array.isArray(listeners))
        args[2] = listeners.map((listener: Listener) => ({ ...listener, resolve: bindLane(listener.resolve), reject: bindLane(listener.reject) }));
      return Reflect.apply(original, this, args);
    };
  });
}
