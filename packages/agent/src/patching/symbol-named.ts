const found = new Map<string, symbol>();

/** The property that a library keeps under a private symbol with that description. The symbol last found is tried first. */
export function symbolNamed(object: object, description: string): unknown {
  const known = found.get(description);
  if (known !== undefined && Object.hasOwn(object, known)) return (object as Record<symbol, unknown>)[known];
  for (const symbol of Object.getOwnPropertySymbols(object)) {
    if (symbol.description !== description) continue;
    found.set(description, symbol);
    return (object as Record<symbol, unknown>)[symbol];
  }
  return undefined;
}
