/**
 * Takes this instance out of service without losing a request: it announces that it leaves, deregisters, keeps serving until
 * peers have heard and no requests arrive, and waits for requests in flight. A second request reports the same drain.
 *
 * It announces this first because peers keep using a last instance of a lane that just disappears: the registry may have forgotten it.
 *
 * Whether peers have heard is decided by a given time, or by measurement. Nacos clients hear by a push within a second, or at their next poll,
 * every 10 seconds: hence the default of the former. To measure, the agent observes the service itself: once it is told that the
 * instance is gone, twice the time that this took must pass without a request, two seconds at least, ten at most. Time in which this
 * process was blocked does not count: requests may have arrived meanwhile that it has not read.
 */
import type { DrainReport, DrainState } from '@lane/core/agent';
import { messageOf } from '@lane/core/model';
import type { AppRegistration } from '@lane/nacos-registry';
import { CallersView, type Observe } from '../../lossless/callers-view.js';
import type { Observers } from '../observers.js';

/** How long it may take, in seconds. */
export interface DrainLimits {
  /** The least time that peers get to hear of it; `measured`: until the registry has told the agent itself. */
  readonly settleSeconds: number | 'measured';
  /** It ends after this time, whatever is in flight. */
  readonly deadlineSeconds: number;
}

/** The poll interval of Nacos clients: nobody hears later. */
const DEFAULT_SETTLE_SECONDS = 10;
/** Within a Kubernetes pod's usual 30 seconds. */
export const DEFAULT_DRAIN_LIMITS: DrainLimits = { settleSeconds: DEFAULT_SETTLE_SECONDS, deadlineSeconds: 25 };

/** After this long without a request, peers have heard. */
const QUIET_MS = 1_000;
const LOOK_MS = 100;
/** How long a push takes to tell peers that an instance leaves. */
const ANNOUNCED_MS = 2_000;
/** How long the registry takes to report its current state. */
const TOLD_MS = 1_000;
const MAX_QUIET_MS = DEFAULT_SETTLE_SECONDS * 1_000;
/** Least measured wait: a push takes milliseconds, but a caller that gets it may be blocked. */
const MIN_HEARD_QUIET_MS = 2_000;
/** How often an instance re-registered by a beat is deregistered again, at most. */
const TAKEN_OUT_AGAIN_MS = 500;

/** The instances to drain. */
export interface DrainParts {
  /** What the app has registered, by service and address. */
  readonly registrations: ReadonlyMap<string, AppRegistration>;
  /** Gets what has been deregistered, by service and address. */
  readonly withdrawn: Set<string>;
  readonly observers: Observers;
  /** Observes as a caller would. */
  readonly observe: Observe;
}

/** The drain of a process; there is at most one. */
export class Drain {
  readonly #parts: DrainParts;
  readonly #limits: DrainLimits;
  readonly #startedAt = performance.now();
  #deadline: number;
  readonly #problems: string[] = [];
  readonly #ended: Promise<void>;
  #state: DrainState = 'withdrawing';

  constructor(parts: DrainParts, limits: DrainLimits) {
    this.#parts = parts;
    this.#limits = limits;
    this.#deadline = this.#startedAt + limits.deadlineSeconds * 1000;
    if (parts.observers.traffic !== undefined) parts.observers.traffic.isDraining = true;
    this.#ended = this.#run().catch((error: unknown) => {
      // A defect of ours: whoever waits for the end must not wait for the deadline, nor the process end of it.
      this.#problems.push(`the drain failed: ${messageOf(error)}`);
      this.#state = 'deadline';
    });
  }

  /** Resolves when it ends; never rejects. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Ends it soon, whatever is in flight. */
  abandon(): void {
    this.#deadline = Math.min(this.#deadline, performance.now());
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
    const { settleSeconds } = this.#limits;
    if (settleSeconds !== 'measured') return this.#settleIn(settleSeconds);
    const view = new CallersView(this.#parts.registrations.values(), (key, listener) => this.#parts.observe(key, listener));
    try {
      await (view.isMeasured ? this.#settleAsHeard(view) : this.#settleIn(DEFAULT_SETTLE_SECONDS));
    } finally {
      view.close();
    }
  }

  /** Peers have heard after that many seconds. */
  async #settleIn(seconds: number): Promise<void> {
    const settled = this.#startedAt + seconds * 1000;
    await this.#all((registration) => this.#announce(registration));
    await pause(Math.min(ANNOUNCED_MS, (settled - performance.now()) / 2));
    await this.#all((registration) => this.#withdraw(registration));
    this.#state = 'settling';
    // A beat in flight can re-register an instance: the SDK does not wait for it.
    let isTakenOutAgain = false;
    for (;;) {
      const now = performance.now();
      if (!isTakenOutAgain && now >= settled) {
        isTakenOutAgain = true;
        await this.#all((registration) => registration.withdraw().catch(() => {}));
        continue;
      }
      if (this.#hasEnded(now, now >= settled ? Math.min(QUIET_MS, seconds * 1000) : Infinity)) return;
      await pause(Math.min(LOOK_MS, this.#deadline - now));
    }
  }

  /** Peers have heard a measured time after the agent itself; if the agent hears nothing, after the default time. */
  async #settleAsHeard(view: CallersView): Promise<void> {
    // Earlier reports say nothing about its leaving.
    await until(view, () => view.isTold, this.#atMost(TOLD_MS));
    if (!view.isTold) return this.#settleIn(DEFAULT_SETTLE_SECONDS);
    const announcedAt = performance.now();
    await within(
      this.#all((registration) => this.#announce(registration)),
      this.#atMost(ANNOUNCED_MS),
    );
    await until(view, () => view.isLeaving, this.#atMost(announcedAt + ANNOUNCED_MS - performance.now()));
    const withdrawnAt = performance.now();
    await this.#all((registration) => this.#withdraw(registration));
    this.#state = 'settling';
    const isHeard = this.#parts.withdrawn.size > 0;
    let takenOutAt = performance.now();
    let quietMs: number | undefined;
    const quiet = new Quiet(takenOutAt);
    for (;;) {
      const now = performance.now();
      quiet.look(now, this.#parts.observers.traffic?.lastRequestAt ?? 0);
      if (view.isGone && quietMs === undefined) {
        quiet.begin();
        quietMs = Math.min(Math.max(2 * (now - withdrawnAt), MIN_HEARD_QUIET_MS), MAX_QUIET_MS);
      }
      if (quietMs !== undefined && !view.isGone && now - takenOutAt >= TAKEN_OUT_AGAIN_MS) {
        // A beat in flight has re-registered it.
        takenOutAt = now;
        quietMs = undefined;
        await this.#all((registration) => registration.withdraw().catch(() => {}));
        continue;
      }
      // If nothing could be deregistered, peers never hear.
      const isSettled = !isHeard || (quietMs !== undefined && view.isGone && quiet.ms >= quietMs);
      if (!isSettled && now >= this.#deadline)
        this.#problems.push(
          view.isGone
            ? `requests still arrive at the deadline of ${this.#limits.deadlineSeconds} s: a caller reaches this instance without the registry`
            : 'the registry did not report in time that the instance is gone',
        );
      if (this.#hasEnded(now, isSettled ? 0 : Infinity)) return;
      await view.next(Math.min(LOOK_MS, this.#deadline - now));
    }
  }

  #atMost(ms: number): number {
    return Math.min(ms, this.#deadline - performance.now());
  }

  #all(act: (registration: AppRegistration) => Promise<void>): Promise<unknown> {
    return within(Promise.all(Array.from(this.#parts.registrations.values(), act)), this.#atMost(Infinity));
  }

  /** Whether nothing is in flight and no request has arrived for that long (Infinity: more is awaited), or time is up. */
  #hasEnded(now: number, quietMs: number): boolean {
    const { inFlight = 0, lastRequestAt = 0 } = this.#parts.observers.traffic ?? {};
    if (inFlight === 0 && now - lastRequestAt >= quietMs) {
      this.#state = 'drained';
      return true;
    }
    if (now < this.#deadline) return false;
    const { deadlineSeconds, settleSeconds } = this.#limits;
    const option = settleSeconds === 'measured' ? 'LANE_LOSSLESS' : 'deadlineSeconds';
    if (inFlight > 0)
      this.#problems.push(
        `${inFlight} requests are in flight at the deadline of ${deadlineSeconds} s: raise ${option} and the pod's terminationGracePeriodSeconds`,
      );
    this.#state = 'deadline';
    return true;
  }

  async #announce({ announceLeave }: AppRegistration): Promise<void> {
    try {
      await announceLeave();
    } catch {
      // The same problem prevents deregistration, which is reported.
    }
  }

  async #withdraw({ service, address, withdraw }: AppRegistration): Promise<void> {
    try {
      await withdraw();
      this.#parts.withdrawn.add(`${service} ${address}`);
    } catch (error) {
      this.#problems.push(
        `${service} at ${address} could not be taken out of the registry (${error instanceof Error ? error.message : String(error)}): peers keep calling it until the registry drops it`,
      );
    }
  }
}

/** How long no request has arrived, counting only time in which this process could have noticed. */
class Quiet {
  ms = 0;
  #lookedAt: number;
  #lastRequestAt = 0;

  constructor(now: number) {
    this.#lookedAt = now;
  }

  /** Restarts the count. */
  begin(): void {
    this.ms = 0;
  }

  look(now: number, lastRequestAt: number): void {
    // A longer gap between looks means that the process was blocked.
    this.ms = lastRequestAt === this.#lastRequestAt ? this.ms + Math.min(now - this.#lookedAt, LOOK_MS) : 0;
    this.#lookedAt = now;
    this.#lastRequestAt = lastRequestAt;
  }
}

/** Waits until the registry reports it, at most that many milliseconds. */
async function until(view: CallersView, isSo: () => boolean, ms: number): Promise<void> {
  const end = performance.now() + ms;
  for (let now = performance.now(); !isSo() && now < end; now = performance.now()) await view.next(end - now);
}

/** Waits for work at most that many milliseconds, and leaves no timer behind. */
function within(work: Promise<unknown>, ms: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.max(0, ms));
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Keeps the process alive while somebody waits for the drain. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
