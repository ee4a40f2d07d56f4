/**
 * Takes this instance out of service without losing a request: it says that it leaves, is taken out of the registry, goes on serving until
 * peers have heard of it and nothing comes any more, and waits for what is in flight. Asked again, the same drain is told of.
 *
 * It says so first because a last instance of its lane that is simply gone may have been forgotten, and stays in use with its peers.
 *
 * Peers have heard after a time that is given, or by measure. Clients of Nacos hear of it by a push within a second, or at their next look,
 * which is every 10 seconds: hence the default of the former. By measure the agent observes the service itself: from when it is told that the
 * instance is gone, twice the time that this took has to pass without a request, two seconds at least, and ten at most. Time in which this
 * process itself was held up does not count: requests may have come meanwhile that it has not read.
 */
import type { DrainReport, DrainState } from '@lane/core/agent';
import type { AppRegistration } from '@lane/nacos-registry';
import { CallersView, type Observe } from '../../lossless/callers-view.js';
import type { Observers } from '../observers.js';

/** How long it may take, in seconds. */
export interface DrainLimits {
  /** Peers are given so long at least to hear of it; `measured`: until the registry has told the agent itself. */
  readonly settleSeconds: number | 'measured';
  /** It ends then, whatever is in flight. */
  readonly deadlineSeconds: number;
}

/** As often as clients of Nacos look by themselves: nobody hears later. */
const DEFAULT_SETTLE_SECONDS = 10;
/** Within a Kubernetes pod's usual 30 seconds. */
export const DEFAULT_DRAIN_LIMITS: DrainLimits = { settleSeconds: DEFAULT_SETTLE_SECONDS, deadlineSeconds: 25 };

/** No request in so long: peers have heard. */
const QUIET_MS = 1_000;
const LOOK_MS = 100;
/** Peers that are pushed to know in this time that an instance leaves. */
const ANNOUNCED_MS = 2_000;
/** In this time the registry tells what it has now. */
const TOLD_MS = 1_000;
const MAX_QUIET_MS = DEFAULT_SETTLE_SECONDS * 1_000;
/** So long at least, by measure: a push takes milliseconds, but a caller may be held up that has it. */
const MIN_HEARD_QUIET_MS = 2_000;
/** A beat that registers an instance anew is answered no more often. */
const TAKEN_OUT_AGAIN_MS = 500;

/** What is drained. */
export interface DrainParts {
  /** What the app has registered, by service and address. */
  readonly registrations: ReadonlyMap<string, AppRegistration>;
  /** Gets what has been taken out of the registry, by service and address. */
  readonly withdrawn: Set<string>;
  readonly observers: Observers;
  /** As a caller would. */
  readonly observe: Observe;
}

/** The drain of a process; there is one at most. */
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
    this.#ended = this.#run();
  }

  /** Resolves with its end; never rejects. */
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

  /** Peers have heard after so many seconds. */
  async #settleIn(seconds: number): Promise<void> {
    const settled = this.#startedAt + seconds * 1000;
    await this.#all((registration) => this.#announce(registration));
    await pause(Math.min(ANNOUNCED_MS, (settled - performance.now()) / 2));
    await this.#all((registration) => this.#withdraw(registration));
    this.#state = 'settling';
    // A beat under way registers an instance anew that it overtakes: the SDK waits for none.
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

  /** Peers have heard as soon after the agent itself as they can have; where it is told nothing, as after the default time. */
  async #settleAsHeard(view: CallersView): Promise<void> {
    // What has been told before the instance leaves is no word about that.
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
        // A beat under way has registered it anew.
        takenOutAt = now;
        quietMs = undefined;
        await this.#all((registration) => registration.withdraw().catch(() => {}));
        continue;
      }
      // Where nothing could be taken out peers won't hear, however long.
      const isSettled = !isHeard || (quietMs !== undefined && view.isGone && quiet.ms >= quietMs);
      if (!isSettled && now >= this.#deadline)
        this.#problems.push(
          view.isGone
            ? `requests still come at the deadline of ${this.#limits.deadlineSeconds} s: somebody calls this instance past the registry`
            : 'the registry has not told in time that the instance is gone',
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

  /** Whether nothing is in flight and nothing has come for so long (Infinity: more is waited for); or it is time. */
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
        `${inFlight} requests are in flight at the deadline of ${deadlineSeconds} s: give it longer, by ${option} and the pod's terminationGracePeriodSeconds`,
      );
    this.#state = 'deadline';
    return true;
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

/** How long nothing has come, while this process could have heard of it. */
class Quiet {
  ms = 0;
  #lookedAt: number;
  #lastRequestAt = 0;

  constructor(now: number) {
    this.#lookedAt = now;
  }

  /** Begins anew. */
  begin(): void {
    this.ms = 0;
  }

  look(now: number, lastRequestAt: number): void {
    // Looks are at most so far apart, or the process was held up.
    this.ms = lastRequestAt === this.#lastRequestAt ? this.ms + Math.min(now - this.#lookedAt, LOOK_MS) : 0;
    this.#lookedAt = now;
    this.#lastRequestAt = lastRequestAt;
  }
}

/** Waits for a word of the registry that makes it so, at most so many milliseconds. */
async function until(view: CallersView, isSo: () => boolean, ms: number): Promise<void> {
  const end = performance.now() + ms;
  for (let now = performance.now(); !isSo() && now < end; now = performance.now()) await view.next(end - now);
}

/** Waits for work at most so many milliseconds, and leaves no timer behind. */
function within(work: Promise<unknown>, ms: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.max(0, ms));
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Keeps the process alive, for as long as somebody waits for it to end well. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
