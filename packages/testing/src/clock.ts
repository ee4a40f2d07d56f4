import type { Clock } from '@lane/core/model';

/** A clock that stands still until it is advanced. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #alarms = new Set<{ readonly atMs: number; readonly work: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, work: () => void): () => void {
    const alarm = { atMs: this.#nowMs + ms, work };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** Advances the clock by this many milliseconds and a moment, running due timers on the way. */
  pass(ms: number): void {
    const endMs = this.#nowMs + ms + 1;
    for (;;) {
      const due = [...this.#alarms].filter(({ atMs }) => atMs <= endMs).toSorted((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#alarms.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.work();
    }
    this.#nowMs = endMs;
  }
}
