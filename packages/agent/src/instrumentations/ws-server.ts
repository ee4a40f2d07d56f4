/** Servers of ws: what arrives over a connection is heard in the lane of the handshake that opened it. */
import { currentContext } from '@lane/core/model';
import { emitInLane, keepLane } from '../inbound/emit-in-lane.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

type Opened = (this: unknown, socket: object, ...rest: unknown[]) => unknown;

export function patch({ exports }: LoadedFile): void {
  wrap((exports as { prototype: object }).prototype, 'completeUpgrade', (original) => {
    return function completeUpgrade(this: unknown, ...args: unknown[]): unknown {
      const context = currentContext();
      const at = args.length - 1;
      const opened = args[at] as Opened;
      if (context !== undefined && typeof opened === 'function') {
        args[at] = function keepingLane(this: unknown, ...given: [object, ...unknown[]]): unknown {
          keepLane(given[0], context);
          emitInLane(Object.getPrototypeOf(given[0]) as object);
          return Reflect.apply(opened, this, given);
        };
      }
      return Reflect.apply(original, this, args);
    };
  });
}
