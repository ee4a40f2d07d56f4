import type { Clock } from '../service-tables.js';

/** Time that passes when told. @lane/testing, which has such a clock, is made of this package. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #alarms: Array<{ readonly atMs: number; readonly work: () => void }> = [];

  nowMs(): number {
    return this.#nowMs;
  }
  epochMs(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs;
  }
  after(ms: number, work: () => void): () => void {
    const alarm = { atMs: this.#nowMs + ms, work };
    this.#alarms.push(alarm);
    return () => void (this.#alarms = this.#alarms.filter((one) => one !== alarm));
  }
  pass(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#alarms.filter(({ atMs }) => atMs <= endMs).toSorted((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#alarms = this.#alarms.filter((one) => one !== due);
      this.#nowMs = due.atMs;
      due.work();
    }
    this.#nowMs = endMs;
  }
  get isIdle(): boolean {
    return this.#alarms.length === 0;
  }
}
