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
    function emitInKept(this: unknown, ...args: unknown[]): boolean {
      return enterContext((this as { [LANE]?: LaneContext })[LANE] as LaneContext, inherited, this, args);
    }
    // On the request path, some twenty times a request: `arguments` that are only passed on are never made an object.
    return function emit(this: unknown, event: unknown): boolean {
      const kept = (this as { [LANE]?: LaneContext })[LANE];
      // Most events have no listener, and then there is nothing to run in the lane. That is asked first, as the lane at hand costs more.
      const isDirect = kept === undefined || (this as EventEmitter).listenerCount(event as string) === 0 || kept === currentContext();
      return Reflect.apply(isDirect ? inherited : emitInKept, this, arguments);
    };
  });
}
