/**
 * Lossless start: the app's registration goes out once the app can serve at the registered address. (Sermant and MSE call this
 * delayed registration; theirs waits for a fixed time, ours for the app.)
 *
 * An app may listen only after it has registered. So the app's call does not wait for long: if the app can't serve within two seconds,
 * the call succeeds, and the agent registers in its place, retrying until it works.
 */
import { messageOf } from '@lane/core/model';
import type { PendingRegistration, RegistrationGate } from '@lane/nacos-registry';
import type { AgentLog } from '../boot/log.js';
import { whyNotServing } from './can-serve.js';

/** The longest that the app's own call waits. */
const PATIENCE_MS = 2_000;
const FIRST_LOOK_MS = 20;
const MAX_LOOK_MS = 1_000;
/** When to log that a registration is held, and why. */
const SAID_AFTER_MS = 10_000;
/**
 * An address that can't be reached from here may be mapped to this process elsewhere: it is registered anyway after this
 * time, unless there is a path to check.
 */
const GIVEN_UP_MS = 30_000;
const RETRY_MS = 3_000;

/** Options of {@link ReadinessGate}. */
export interface ReadinessGateOptions {
  /** Checked in addition to the port. */
  readonly path: string | undefined;
  readonly log: AgentLog;
}

export class ReadinessGate implements RegistrationGate {
  readonly #options: ReadinessGateOptions;
  /** By service and address: aborted if the app deregisters it. */
  readonly #held = new Map<string, Set<AbortController>>();
  #isClosed = false;

  constructor(options: ReadinessGateOptions) {
    this.#options = options;
  }

  pass(id: string, registration: PendingRegistration, go: () => unknown): unknown {
    // The process is stopping: a new instance would be gone in a moment.
    if (this.#isClosed) return Promise.resolve();
    const held = new AbortController();
    const ofId = this.#held.get(id) ?? new Set();
    this.#held.set(id, ofId.add(held));
    const ready = this.#whenReady(held.signal, registration).finally(() => {
      ofId.delete(held);
      if (ofId.size === 0 && this.#held.get(id) === ofId) this.#held.delete(id);
    });
    return this.#answer(ready, held.signal, registration, go);
  }

  cancel(id: string): boolean {
    const ofId = this.#held.get(id);
    if (ofId === undefined) return false;
    this.#held.delete(id);
    for (const held of ofId) held.abort();
    return true;
  }

  /** The process stops: no further registrations. */
  close(): void {
    this.#isClosed = true;
    for (const id of Array.from(this.#held.keys())) this.cancel(id);
  }

  /** The answer to the app. */
  async #answer(ready: Promise<void>, held: AbortSignal, registration: PendingRegistration, go: () => unknown): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    // Keeps the process alive: the app's call waits, as it would for the registry.
    const isInTime = await Promise.race([
      ready.then(() => true),
      new Promise<false>((resolve) => {
        timer = setTimeout(() => resolve(false), PATIENCE_MS);
      }),
    ]);
    clearTimeout(timer);
    if (held.aborted) return undefined;
    if (isInTime) return go();
    this.#options.log.info('delaying the registration until the app can serve; the app was told that it succeeded', {
      service: registration.service,
    });
    void ready.then(() => this.#registerInItsStead(held, registration, go));
    return undefined;
  }

  async #registerInItsStead(held: AbortSignal, { service }: PendingRegistration, go: () => unknown): Promise<void> {
    while (!held.aborted && !this.#isClosed) {
      try {
        await go();
        return;
      } catch (error) {
        this.#options.log.once(
          `registration of ${service}`,
          'warn',
          `${service} is ready but could not be registered; trying again every ${RETRY_MS / 1000} s: ${messageOf(error)}`,
        );
        await pause(held, RETRY_MS);
      }
    }
  }

  async #whenReady(held: AbortSignal, { service, ip, port }: PendingRegistration): Promise<void> {
    const { path, log } = this.#options;
    const loopback = ip.includes(':') ? '::1' : '127.0.0.1';
    const hosts = ip === loopback ? [ip] : [ip, loopback];
    const since = performance.now();
    for (let lookMs = FIRST_LOOK_MS; !held.aborted; lookMs = Math.min(lookMs * 2, MAX_LOOK_MS)) {
      const reason = await whyNotServing(hosts, port, path);
      if (reason === undefined || held.aborted) return;
      const waitedMs = performance.now() - since;
      if (waitedMs >= GIVEN_UP_MS && path === undefined) {
        log.warn(
          `${service} is registered although ${reason}: LANE_LOSSLESS waits no longer than ${GIVEN_UP_MS / 1000} s. If only other hosts can reach that address, set LANE_READY_PATH or LANE_LOSSLESS=off`,
        );
        return;
      }
      if (waitedMs >= SAID_AFTER_MS)
        log.once(
          `held ${service}`,
          'warn',
          `${service} is not registered yet: ${reason}. LANE_LOSSLESS registers it once it can serve (see LANE_READY_PATH)`,
        );
      await pause(held, lookMs);
    }
  }
}

/** Ends early if the registration is cancelled. Does not keep the process alive. */
function pause(held: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      held.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    timer.unref();
    held.addEventListener('abort', end);
  });
}
