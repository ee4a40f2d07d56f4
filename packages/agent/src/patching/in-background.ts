import { backgroundLane, enterContext, hasEnteredLane, laneContext } from '@lane/core/model';
import { wrap, type Undo } from './wrap.js';

/**
 * Makes a method that starts recurring work run in the lane of the background: work that a request happens to start, and that
 * outlives it, does not belong to it.
 */
export function startInBackground(target: object, method: PropertyKey): Undo | undefined {
  return wrap(target, method, (original) => {
    return function started(this: unknown, ...args: unknown[]): unknown {
      return inBackground(original, this, args);
    };
  });
}

/** Calls a function in the lane of the background. */
export function inBackground<A extends unknown[], R>(original: (...args: A) => R, self: unknown, args: A): R {
  if (!hasEnteredLane()) return Reflect.apply(original, self, args);
  return enterContext(laneContext(backgroundLane()), original, self, args);
}
