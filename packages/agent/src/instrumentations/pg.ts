/**
 * pg and its pool. Callbacks run when an answer comes from the socket or a pool's queue drains, in somebody else's lane, so they are bound to the
 * lane of the call. Promises need nothing. A `Query` object calls its callback and emits its events the same way.
 */
import { bindLane } from '@lane/core/model';
import { bindArguments } from '../patching/bind-arguments.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

interface Query {
  callback?: unknown;
  emit?: unknown;
}

export function patch({ exports, file }: LoadedFile): void {
  const { prototype } = exports as { prototype: object };
  bindArguments(prototype, 'connect');
  if (file === 'pg-pool/index.js') {
    bindArguments(prototype, 'query');
    return;
  }
  wrap(prototype, 'query', (original) => {
    return function query(this: unknown, ...args: unknown[]): unknown {
      for (let i = 0; i < args.length; i++) if (typeof args[i] === 'function') args[i] = bindLane(args[i] as () => unknown);
      const given = args[0] as Query | null | undefined;
      if (typeof given === 'object' && given !== null) {
        if (typeof given.callback === 'function') given.callback = bindLane(given.callback as () => unknown);
        if (typeof given.emit === 'function') given.emit = bindLane(given.emit as () => unknown);
      }
      return Reflect.apply(original, this, args);
    };
  });
}
