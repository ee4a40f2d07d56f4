/** The usual cure for callbacks that a pool or queue calls from an arbitrary context: bind them to the lane of their caller. */
import { bindLane } from '@lane/core/model';
import { wrap, type Undo } from './wrap.js';

/**
 * Wraps a method so that functions among its arguments, or its first `count`, run in the lane of the call. Undefined
 * if there is no such method. Binds even before any lane has been entered: the first lane might call what base has handed in.
 */
export function bindArguments(target: object, method: PropertyKey, count = Infinity): Undo | undefined {
  return wrap(target, method, (original) => {
    return function bound(this: unknown, ...args: unknown[]): unknown {
      for (let i = 0; i < args.length && i < count; i++) if (typeof args[i] === 'function') args[i] = bindLane(args[i] as () => unknown);
      return Reflect.apply(original, this, args);
    };
  });
}
