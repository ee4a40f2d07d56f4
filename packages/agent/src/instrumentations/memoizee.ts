/** memoizee with `async`: callers who wait for somebody else's fetch are called back with it. Without `async` a function is a key. */
import { bindArguments } from '../patching/bind-arguments.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

type Memoize = (this: unknown, memoized: unknown, options?: { readonly async?: unknown }) => object;

export function patch({ holder }: LoadedFile): void {
  wrap(holder, 'exports', (original: Memoize) => {
    return function memoize(this: unknown, ...args: Parameters<Memoize>): unknown {
      const result = { memoized: Reflect.apply(original, this, args) };
      if (args[1]?.async) bindArguments(result, 'memoized');
      return result.memoized;
    };
  });
}
