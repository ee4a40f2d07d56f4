/** bluebird settles promises from its own queue, in the lane of whoever filled it first, so handlers are bound as they are passed. */
import { bindArguments } from '../patching/bind-arguments.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

const WITH_CALLBACK = ['map', 'filter', 'each', 'mapSeries', 'reduce'];

export function patch({ exports }: Pick<LoadedFile, 'exports'>): void {
  const { prototype } = exports as { prototype: object };
  // A copy with its own class, like that of request-promise.
  wrap(exports as object, 'getNewLibraryCopy', (original) => {
    return function getNewLibraryCopy(this: unknown, ...args: unknown[]): unknown {
      const copy = Reflect.apply(original, this, args);
      patch({ exports: copy });
      return copy;
    };
  });
  // Its other arguments are for bluebird's internal use.
  bindArguments(prototype, '_then', 2);
  for (const method of WITH_CALLBACK) {
    bindArguments(prototype, method);
    bindArguments(exports as object, method);
  }
}
