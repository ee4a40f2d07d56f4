/** Emitters of a request whose events come from a socket, outside any lane. */
import type { EventEmitter } from 'node:events';
import { currentContext, enterContext, type LaneContext } from '@lane/core/model';
import { wrap } from '../patching/wrap.js';

const LANE = Symbol('lane.context');

type Emit = (this: unknown, ...args: unknown[]) => boolean;

/** From now on the emitter emits in that lane, if {@link emitInLane} has patched its class or one above. */
export function keepLane(emitter: object, context: LaneContext): void {
  (emitter as { [LANE]?: LaneContext })[LANE] = context;
}

/** Makes emitters of this prototype emit in the lane they were given. Does nothing if they already do. */
export function emitInLane(prototype: object): void {
  const isOwn = Object.hasOwn(prototype, 'emit');
  wrap(
    prototype,
    'emit',
    (original: Emit) => {
      function emitInKept(this: unknown, ...args: unknown[]): boolean {
        return enterContext((this as { [LANE]?: LaneContext })[LANE] as LaneContext, original, this, args);
      }
      // On the request path, some twenty times a request: `arguments` that are only passed on are never made an object, and what would be called by
      // one function more is looked up here.
      return function emit(this: Emitter, event: string): boolean {
        const kept = this[LANE];
        // Most events have no listener, so nothing runs in the lane. Check that first: reading the current lane costs more.
        if (kept === undefined || !hasListener(this, event) || kept === currentContext())
          return Reflect.apply(isOwn ? original : (Reflect.getPrototypeOf(prototype) as { emit: Emit }).emit, this, arguments);
        return Reflect.apply(emitInKept, this, arguments);
      };
    },
    undefined,
    true,
  );
}

type Emitter = EventEmitter & { [LANE]?: LaneContext; readonly _events?: Readonly<Record<string, unknown>> };

/** Like `listenerCount`, at a third of its cost, for emitters built like Node's. */
function hasListener(emitter: Emitter, event: string): boolean {
  const { _events: listeners } = emitter;
  return listeners === undefined ? emitter.listenerCount(event) > 0 : listeners[event] !== undefined;
}
