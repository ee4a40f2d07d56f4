/** workerpool has its own promises, which call back as the worker's message arrives, so handlers are bound as they are passed. */
import { bindLane } from '@lane/core/model';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

type Method = (this: unknown, ...args: unknown[]) => unknown;

export function patch({ exports }: LoadedFile): void {
  wrap((exports as { prototype: object }).prototype, 'exec', givingBound);
}

/** Its `catch` and `finally` use `then`, which returns another promise. */
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
