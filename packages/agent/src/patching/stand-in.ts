type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Calls the replaced function. */
export type Calls = (given: Method, self: unknown, args: unknown[]) => unknown;

/**
 * A replacement for a function that was passed in: with its length, kind and properties, because libraries look at those, but called through
 * `calls`. Returns an existing replacement `by` the same party.
 *
 * For single functions, which are many and come with each call: it costs a fiftieth of `wrap`, which replaces members of objects.
 */
export function standIn(given: Method, calls: Calls, by: symbol): Method {
  if (by in given) return given;
  return new Proxy(given, { apply: calls, has: (target, key) => key === by || Reflect.has(target, key) });
}
