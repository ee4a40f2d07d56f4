import type { AgentLog } from '../boot/log.js';

/** A hook that fails this often in a row disables itself. */
export const MAX_FAILURES_IN_A_ROW = 100;

let log: AgentLog | undefined;
/** Total failures by name of the hook. */
const failed = new Map<string, number>();
const off = new Set<string>();

/** How often hooks of this instrumentation have failed. */
export function failuresOf(instrumentation: string): number {
  let count = 0;
  for (const [hook, failures] of failed) if (isOf(instrumentation, hook)) count += failures;
  return count;
}

/** Whether a hook of this instrumentation could not be installed, or has disabled itself. */
export function isOff(instrumentation: string): boolean {
  for (const hook of off) if (isOf(instrumentation, hook)) return true;
  return false;
}

const INSTALLATION = 'installation of ';

function isOf(instrumentation: string, hook: string): boolean {
  const of = hook.startsWith(INSTALLATION) ? hook.slice(INSTALLATION.length) : hook;
  return of === instrumentation || of.startsWith(`${instrumentation} `);
}

/** Where failures are logged; set once at start. */
export function reportFailuresTo(agentLog: AgentLog): void {
  log = agentLog;
}

/**
 * Wraps a hook of ours so that a bug in it never reaches the host: what it throws is logged once per cause, and the
 * caller gets undefined, as if the hook did nothing. After {@link MAX_FAILURES_IN_A_ROW} failures it is not called again.
 *
 * The only catch-all of the agent. (A diagnostics_channel subscriber that throws kills the process; so would a patched method.)
 */
export function safely<T, A extends unknown[], R>(name: string, hook: (this: T, ...args: A) => R): (this: T, ...args: A) => R | undefined {
  let failures = 0;
  // On the request path, several times per request: `arguments` that are only passed on never become an object.
  return function guarded(this: T): R | undefined {
    if (failures >= MAX_FAILURES_IN_A_ROW) return undefined;
    try {
      const result = Reflect.apply(hook, this, arguments as unknown as A);
      failures = 0;
      return result;
    } catch (error) {
      failures++;
      reportFailure(name, error, failures);
      return undefined;
    }
  };
}

function reportFailure(name: string, error: unknown, failures: number): void {
  failed.set(name, (failed.get(name) ?? 0) + 1);
  if (failures >= MAX_FAILURES_IN_A_ROW || name.startsWith(INSTALLATION)) off.add(name);
  const message = error instanceof Error ? error.message : String(error);
  log?.once(`safely ${name} ${message}`, 'error', `a bug in the agent's ${name} hook; the call continued without it`, {
    error: error instanceof Error ? (error.stack ?? message) : message,
  });
  if (failures >= MAX_FAILURES_IN_A_ROW) {
    log?.once(`safely ${name} off`, 'error', `the agent's ${name} hook failed ${failures} times in a row and is off until the next start`);
  }
}
