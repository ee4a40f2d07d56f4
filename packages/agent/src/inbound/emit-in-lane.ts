/** Emitters whose events come from a socket, in nobody's lane, and belong to a request. */
import type { EventEmitter } from 'node:events';
import { currentContext, enterContext, type LaneContext } from '@lane/core/model';
import { wrap } from '../patching/wrap.js';

const LANE = Symbol('lane.context');

type Emit = (this: unknown, ...args: unknown[]) => boolean;

/** From now on the emitter emits in that lane, if its class or one above is made to by {@link emitInLane}. */
export function keepLane(emitter: object, context: LaneContext): void {
  (emitter as { [LANE]?: LaneContext })[LANE] = context;
}

/** Makes emitters of this prototype emit in the lane they were given. A prototype that does already is left alone. */
export function emitInLane(prototype: object): void {
  wrap(prototype, 'emit', (inherited: Emit) => {
    return function emit(this: unknown, ...args: unknown[]): boolean {
      const kept = (this as { [LANE]?: LaneContext })[LANE];
      // Most events have no listener, and then there is nothing to run in the lane.
      if (kept === undefined || kept === currentContext() || (this as EventEmitter).listenerCount(args[0] as string) === 0)
        return Reflect.apply(inherited, this, args);
      return enterContext(kept, inherited, this, args);
    };
  });
}
