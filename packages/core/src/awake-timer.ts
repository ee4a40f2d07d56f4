/** Timeouts that do not blame others for what this process did not hear. */

/** A timer counts in this many steps. */
const STEPS = 10;

/**
 * A timer for how long others may take to answer. Counts only time in which the process could have heard the answer: an app that loads its modules, or
 * computes, blocks the event loop for seconds, and Node runs timers that are due before it reads what has arrived meanwhile. A block counts as one step,
 * a tenth of the time, however long it is.
 *
 * Keeps the process alive like any timer; see {@link unref}.
 */
export class AwakeTimer {
  readonly #stepMs: number;
  readonly #work: () => void;
  #left = STEPS;
  #isHeld = true;
  #timer: NodeJS.Timeout | undefined;

  /** Calls `work` once, after `ms` milliseconds that the process was awake, unless it is cleared before. */
  constructor(ms: number, work: () => void) {
    this.#stepMs = ms / STEPS;
    this.#work = work;
    this.#step();
  }

  /** From now on the process may end before. */
  unref(): this {
    this.#isHeld = false;
    this.#timer?.unref();
    return this;
  }

  /** From now on the process stays alive until then. */
  ref(): this {
    this.#isHeld = true;
    this.#timer?.ref();
    return this;
  }

  /** Calls it off. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #step(): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (--this.#left > 0) this.#step();
      else this.#work();
    }, this.#stepMs);
    if (!this.#isHeld) this.#timer.unref();
  }
}
