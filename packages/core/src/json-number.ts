/**
 * A number out of somebody's JSON, written as one or as a text; NaN for all else. `Number` itself throws at an object that has a `toString` and a
 * `valueOf` of its own which are no functions, as any peer can write one.
 */
export function jsonNumber(value: unknown): number {
  return typeof value === 'number' || typeof value === 'string' ? Number(value) : NaN;
}
