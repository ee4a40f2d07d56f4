/** The property that a library keeps under a symbol of that description, which it does not give out. */
export function symbolNamed(object: object, description: string): unknown {
  for (const symbol of Object.getOwnPropertySymbols(object)) {
    if (symbol.description === description) return (object as Record<symbol, unknown>)[symbol];
  }
  return undefined;
}
