import { backgroundLane, enterContext, hasEnteredLane, laneContext } from '@lane/core/model';
import { wrap, type Undo } from './wrap.js';

/**
 * Makes a method that starts recurring work run in the lane of the background: what a request happens to start, and what goes on
 * after it, does not belong to it.
 */
export function startInBackground(target: object, method: PropertyKey): Undo | undefined {
  return wrap(target, method, (original) => {
    return function started(this: unknown, ...args: unknown[]): unknown {
      if (!hasEnteredLane()) return Reflect.apply(original, this, args);
      return enterContext(laneContext(backgroundLane()), original, this, args);
    };
  });
}
