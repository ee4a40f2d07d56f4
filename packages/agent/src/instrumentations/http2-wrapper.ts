/**
 * http2-wrapper, through which got speaks HTTP/2: requests wait for their session together, and are made once it exists, in the lane of
 * the first one. The functions called then are bound to the lane of their caller.
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
