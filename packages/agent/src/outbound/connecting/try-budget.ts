/**
 * How many connects beyond the first of each call are allowed, so that calls to a dead service do not double: a share of the
 * calls of the last ten seconds, plus a constant. Numbers and window are those of Finagle's RetryBudget
 * (https://twitter.github.io/finagle/guide/Clients.html#retries): 20 %, and 10 a second, over 10 s.
 */

/** Length of the window, in slots of a second. */
const SLOTS = 10;
const SLOT_MS = 1_000;
/** Extra tries for each call. */
export const EXTRA_SHARE = 0.2;
/** Extra tries that are always allowed within a window. */
export const ALWAYS_ALLOWED = 100;

/** The budget of one service. Times are milliseconds of one monotonic clock, and don't go back. */
export class TryBudget {
  readonly #calls = new Uint32Array(SLOTS);
  readonly #extra = new Uint32Array(SLOTS);
  #callCount = 0;
  #extraCount = 0;
  #second = 0;

  /** Counts a call. */
  call(now: number): void {
    const slot = this.#slotAt(now);
    this.#calls[slot] = (this.#calls[slot] as number) + 1;
    this.#callCount++;
  }

  /** Takes one extra try; false: there is none left. */
  take(now: number): boolean {
    const slot = this.#slotAt(now);
    if (this.#extraCount + 1 > ALWAYS_ALLOWED + this.#callCount * EXTRA_SHARE) return false;
    this.#extra[slot] = (this.#extra[slot] as number) + 1;
    this.#extraCount++;
    return true;
  }

  /** The slot of now. Those that have left the window are emptied. */
  #slotAt(now: number): number {
    const second = Math.floor(now / SLOT_MS);
    if (second > this.#second) {
      const passed = Math.min(second - this.#second, SLOTS);
      for (let i = 1; i <= passed; i++) this.#empty((this.#second + i) % SLOTS);
      this.#second = second;
    }
    return this.#second % SLOTS;
  }

  #empty(slot: number): void {
    this.#callCount -= this.#calls[slot] as number;
    this.#extraCount -= this.#extra[slot] as number;
    this.#calls[slot] = 0;
    this.#extra[slot] = 0;
  }
}
