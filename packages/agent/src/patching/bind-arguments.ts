/** The usual cure for callbacks that a pool or queue calls from wherever it likes: bind them to the lane of who handed them in. */
import { bindLane } from '@lane/core/model';
import { wrap, type Undo } from './wrap.js';

/**
 * Wraps a method so that functions among its arguments, or its first `count`, are called in the lane of the call. Undefined
 * where there is no such method. Also before any lane has been entered: what base hands in then may be called by the first lane that comes.
 */
export function bindArguments(target: object, method: PropertyKey, count = Infinity): Undo | undefined {
  return wrap(target, method, (original) => {
    return function bound(this: unknown, ...args: unknown[]): unknown {
      for (let i = 0; i < args.length && i < count; i++) if (typeof args[i] === 'function') args[i] = bindLane(args[i] as () => unknown);
      return Reflect.apply(original, this, args);
    };
  });
}
