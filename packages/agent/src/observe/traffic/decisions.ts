import type { DecisionReport, TrafficRoute } from '@lane/core/agent';
import type { Tag } from '@lane/core/model';

/** How many are kept; the oldest go first. */
const MAX_KEPT = 500;
/** How many are kept per second. Unusual ones have their own share; otherwise they would drown under load. */
const ORDINARY_PER_SECOND = 10;
const NOTABLE_PER_SECOND = 20;

type Kept = Omit<DecisionReport, 'at' | 'caller' | 'tag'> & { readonly atMs: number; readonly tag: Tag | undefined };

/** The latest decisions; under load a sample, so that a dropped decision costs one comparison. */
export class Decisions {
  readonly #kept: Kept[] = [];
  #next = 0;
  #ordinary = ORDINARY_PER_SECOND;
  #notable = NOTABLE_PER_SECOND;
  #isRefilling = false;

  /** Notes where a call went. On the request path, change with care. */
  note(peer: string, tag: Tag | undefined, outcome: TrafficRoute, ip: string | undefined, port: number): void {
    if (outcome === 'base' || outcome === 'lane') {
      if (this.#ordinary === 0) return;
      this.#ordinary--;
    } else {
      if (this.#notable === 0) return;
      this.#notable--;
    }
    if (!this.#isRefilling) this.#refillSoon();
    const instance = ip === undefined ? null : `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
    this.#kept[this.#next] = { atMs: Date.now(), peer, tag, outcome, instance };
    this.#next = (this.#next + 1) % MAX_KEPT;
  }

  #refillSoon(): void {
    this.#isRefilling = true;
    setTimeout(() => {
      this.#isRefilling = false;
      this.#ordinary = ORDINARY_PER_SECOND;
      this.#notable = NOTABLE_PER_SECOND;
    }, 1000).unref();
  }

  /** Newest first. */
  latest(limit: number, caller: string): DecisionReport[] {
    const found: DecisionReport[] = [];
    for (let i = 1; i <= this.#kept.length && found.length < limit; i++) {
      const { atMs, tag = null, ...rest } = this.#kept[(this.#next - i + MAX_KEPT) % MAX_KEPT] as Kept;
      found.push({ at: new Date(atMs).toISOString(), ...rest, tag, caller });
    }
    return found;
  }
}
