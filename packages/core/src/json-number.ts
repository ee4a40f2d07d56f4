/**
 * A number from somebody's JSON, as a number or a string; NaN for everything else. `Number` itself throws for an object with its own `toString` and
 * `valueOf` that are not functions, which any peer can send.
 */
export function jsonNumber(value: unknown): number {
  return typeof value === 'number' || typeof value === 'string' ? Number(value) : NaN;
}
