/** workerpool has promises of its own, which call back as the worker's message comes: handlers are bound as they are given. */
import { bindLane } from '@lane/core/model';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

type Method = (this: unknown, ...args: unknown[]) => unknown;

export function patch({ exports }: LoadedFile): void {
  wrap((exports as { prototype: object }).prototype, 'exec', givingBound);
}

/** Its `catch` and `finally` go by `then`, which gives another promise. */
function givingBound(original: Method): Method {
  return function given(this: unknown, ...args: unknown[]): unknown {
    const promise = Reflect.apply(original, this, args) as object;
    wrap(promise, 'then', (then: Method) => {
      const giving = givingBound(then);
      return function bound(this: unknown, ...handlers: unknown[]): unknown {
        return Reflect.apply(
          giving,
          this,
          handlers.map((handler) => (typeof handler === 'function' ? bindLane(handler as Method) : handler)),
        );
      };
    });
    return promise;
  };
}
