/** How long and how often eventually() tries; the defaults suit a slow and busy machine of two cores. */
export interface EventuallyOptions {
  timeoutMs?: number;
  intervalMs?: number;
}

/**
 * Calls `attempt` until it neither throws nor rejects, and returns its value. After `timeoutMs` (60 s) it fails with the last error,
 * so assertions inside `attempt` report what was still wrong at the end.
 */
export async function eventually<Value>(
  attempt: () => Value | Promise<Value>,
  { timeoutMs = 60_000, intervalMs = 50 }: EventuallyOptions = {},
): Promise<Value> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() >= deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
