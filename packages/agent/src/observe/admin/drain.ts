/**
 * Takes this instance out of service without losing a request: it says that it leaves, is taken out of the registry, goes on serving until
 * peers have heard of it and nothing comes any more, and waits for what is in flight. Asked again, the same drain is told of.
 *
 * It says so first because a last instance of its lane that is simply gone may have been forgotten, and stays in use with its peers.
 *
 * Clients of Nacos hear of it by a push within a second, or at their next look, which is every 10 seconds: hence the default.
 */
import type { DrainReport, DrainState } from '@lane/core/agent';
import type { AppRegistration } from '@lane/nacos-registry';
import type { Observers } from '../observers.js';

/** How long it may take, in seconds. */
export interface DrainLimits {
  /** Peers are given so long at least to hear of it. */
  readonly settleSeconds: number;
  /** It ends then, whatever is in flight. */
  readonly deadlineSeconds: number;
}

/** Within a Kubernetes pod's usual 30 seconds. */
export const DEFAULT_DRAIN_LIMITS: DrainLimits = { settleSeconds: 10, deadlineSeconds: 25 };

/** No request in so long: peers have heard. */
const QUIET_MS = 1_000;
const LOOK_MS = 100;
/** Peers that are pushed to know in this time that an instance leaves. */
const ANNOUNCED_MS = 2_000;

/** What is drained. */
export interface DrainParts {
  /** What the app has registered, by service and address. */
  readonly registrations: ReadonlyMap<string, AppRegistration>;
  /** Gets what has been taken out of the registry, by service and address. */
  readonly withdrawn: Set<string>;
  readonly observers: Observers;
}

/** The drain of a process; there is one at most. */
export class Drain {
  readonly #parts: DrainParts;
  readonly #limits: DrainLimits;
  readonly #startedAt = performance.now();
  readonly #problems: string[] = [];
  readonly #ended: Promise<void>;
  #state: DrainState = 'withdrawing';

  constructor(parts: DrainParts, limits: DrainLimits) {
    this.#parts = parts;
    this.#limits = limits;
    if (parts.observers.traffic !== undefined) parts.observers.traffic.isDraining = true;
    this.#ended = this.#run();
  }

  /** Resolves with its end; never rejects. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  get report(): DrainReport {
    return {
      state: this.#state,
      elapsedSeconds: Math.round((performance.now() - this.#startedAt) / 10) / 100,
      withdrawn: this.#parts.withdrawn.size,
      inFlight: this.#parts.observers.traffic?.inFlight ?? 0,
      problems: this.#problems,
    };
  }

  async #run(): Promise<void> {
    const { registrations } = this.#parts;
    const deadline = this.#startedAt + this.#limits.deadlineSeconds * 1000;
    const settled = this.#startedAt + this.#limits.settleSeconds * 1000;
    const all = (act: (registration: AppRegistration) => Promise<void>): Promise<unknown> =>
      Promise.race([Promise.all([...registrations.values()].map(act)), pause(deadline - performance.now())]);
    await all((registration) => this.#announce(registration));
    await pause(Math.min(ANNOUNCED_MS, (settled - performance.now()) / 2));
    await all((registration) => this.#withdraw(registration));
    this.#state = 'settling';
    // A beat under way registers an instance anew that it overtakes: the SDK waits for none.
    let isTakenOutAgain = false;
    for (;;) {
      const now = performance.now();
      const { inFlight = 0, lastRequestAt = 0 } = this.#parts.observers.traffic ?? {};
      if (!isTakenOutAgain && now >= settled) {
        isTakenOutAgain = true;
        await all((registration) => registration.withdraw().catch(() => {}));
        continue;
      }
      if (now >= settled && inFlight === 0 && now - lastRequestAt >= Math.min(QUIET_MS, this.#limits.settleSeconds * 1000)) {
        this.#state = 'drained';
        return;
      }
      if (now >= deadline) {
        this.#problems.push(
          `${inFlight} requests are in flight at the deadline of ${this.#limits.deadlineSeconds} s: give it longer, by deadlineSeconds and the pod's terminationGracePeriodSeconds`,
        );
        this.#state = 'deadline';
        return;
      }
      await pause(Math.min(LOOK_MS, deadline - now));
    }
  }

  async #announce({ announceLeave }: AppRegistration): Promise<void> {
    try {
      await announceLeave();
    } catch {
      // What keeps it from that keeps it from being taken out, too, which is told.
    }
  }

  async #withdraw({ service, address, withdraw }: AppRegistration): Promise<void> {
    try {
      await withdraw();
      this.#parts.withdrawn.add(`${service} ${address}`);
    } catch (error) {
      this.#problems.push(
        `${service} at ${address} could not be taken out of the registry (${error instanceof Error ? error.message : String(error)}): peers go on calling it until the registry misses it`,
      );
    }
  }
}

/** Keeps the process alive, for as long as somebody waits for it to end well. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
