/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // An AggregateError of a failed connection (several addresses tried) has an empty message.
  return error.message !== '' ? error.message : (codeOf(error) ?? error.name);
}

/** The code of any thrown value, such as `ECONNREFUSED`. */
export function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
