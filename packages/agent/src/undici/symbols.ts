/** The property that undici keeps under the symbol of that description: each copy of undici has symbols of its own. */
export function symbolNamed(object: object, description: string): unknown {
  for (const symbol of Object.getOwnPropertySymbols(object)) {
    if (symbol.description === description) return (object as Record<symbol, unknown>)[symbol];
  }
  return undefined;
}
