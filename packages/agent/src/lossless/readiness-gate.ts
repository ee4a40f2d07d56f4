/**
 * Lossless start: a registration of the app's goes out once the app can serve at the address that it registers. (Sermant and MSE call it
 * delayed registration; theirs waits for a time, ours for the app.)
 *
 * An app may listen only after it has registered. So what the app is answered does not wait for long: if it can't serve within two seconds,
 * the app is told that it has registered, and the agent registers it in its stead, again and again until that has succeeded.
 */
import { messageOf } from '@lane/core/model';
import type { PendingRegistration, RegistrationGate } from '@lane/nacos-registry';
import type { AgentLog } from '../boot/log.js';
import { whyNotServing } from './can-serve.js';

/** So long the app's own call waits at most. */
const PATIENCE_MS = 2_000;
const FIRST_LOOK_MS = 20;
const MAX_LOOK_MS = 1_000;
/** When to say that a registration is held, and why. */
const SAID_AFTER_MS = 10_000;
/**
 * An address that nobody can connect to from here may be one that is mapped to this process elsewhere: after so long it is registered all the
 * same, unless a path is to be asked.
 */
const GIVEN_UP_MS = 30_000;
const RETRY_MS = 3_000;

/** Options of {@link ReadinessGate}. */
export interface ReadinessGateOptions {
  /** Asked besides the port. */
  readonly path: string | undefined;
  readonly log: AgentLog;
}

export class ReadinessGate implements RegistrationGate {
  readonly #options: ReadinessGateOptions;
  /** By service and address: aborted where the app takes it back. */
  readonly #held = new Map<string, Set<AbortController>>();
  #isClosed = false;

  constructor(options: ReadinessGateOptions) {
    this.#options = options;
  }

  pass(id: string, registration: PendingRegistration, go: () => unknown): unknown {
    // It is stopping: an instance that appears now is gone in a moment.
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

  /** The process stops: nothing is registered any more. */
  close(): void {
    this.#isClosed = true;
    for (const id of Array.from(this.#held.keys())) this.cancel(id);
  }

  /** The app's answer. */
  async #answer(ready: Promise<void>, held: AbortSignal, registration: PendingRegistration, go: () => unknown): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    // Keeps the process alive: a call of the app's waits, as it would for the registry.
    const isInTime = await Promise.race([
      ready.then(() => true),
      new Promise<false>((resolve) => {
        timer = setTimeout(() => resolve(false), PATIENCE_MS);
      }),
    ]);
    clearTimeout(timer);
    if (held.aborted) return undefined;
    if (isInTime) return go();
    this.#options.log.info('the app is told that it has registered; it is registered once it can serve', { service: registration.service });
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
          `${service} could not be registered when it was ready, which is tried again every ${RETRY_MS / 1000} s: ${messageOf(error)}`,
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
          `${service} is registered though ${reason}: LANE_LOSSLESS waits for ${GIVEN_UP_MS / 1000} s. Where the address leads to this process from elsewhere only, set LANE_READY_PATH or LANE_LOSSLESS=off`,
        );
        return;
      }
      if (waitedMs >= SAID_AFTER_MS)
        log.once(
          `held ${service}`,
          'warn',
          `${service} is not registered yet: ${reason}. It is held back until it can serve (LANE_LOSSLESS, LANE_READY_PATH)`,
        );
      await pause(held, lookMs);
    }
  }
}

/** Ends early where the registration is cancelled. Keeps no process alive. */
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
