import { safely } from './safely.js';
import { wrap, type Undo } from './wrap.js';

type Method = (this: never, ...args: never[]) => unknown;

/**
 * Wraps a method at once, with the wrapper that `make` returns at the first call, so that nothing is loaded before. If `make` fails, which
 * counts for `hook`, the original stays.
 */
export function wrapWhenCalled<F extends Method>(hook: string, target: object, method: string, make: (original: F) => F): Undo | undefined {
  const making = safely(hook, make);
  return wrap(target, method, (original: F, become) => {
    return function called(this: never): unknown {
      const made = making(original) ?? original;
      become(made);
      return Reflect.apply(made, this, arguments as unknown as never[]);
    };
  });
}
