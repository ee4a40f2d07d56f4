/** Addresses that refused a connection: for how long they are better left alone. */

/** For so long after its first refusal, in milliseconds; for twice as long after each further one, up to {@link MAX_AVOIDED_MS}. */
export const FIRST_AVOIDED_MS = 5_000;
/** Never for longer, in milliseconds: an instance that is back is found by a call that tries it. */
export const MAX_AVOIDED_MS = 60_000;
/** What has not been avoided for so long has been forgotten, in milliseconds: it is gone from the registry, or would have been tried. */
const FORGOTTEN_AFTER_MS = 120_000;
/** More addresses at once are not kept: the oldest goes. */
const MAX_ADDRESSES = 1_000;

/** Where an instance listens. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

interface Refusal {
  avoidedMs: number;
  until: number;
}

/** Addresses, by what connecting to them told. Times are milliseconds of one monotonic clock. */
export class Refusals {
  readonly #refusals = new Map<string, Refusal>();
  #nextSweep = 0;

  get isEmpty(): boolean {
    return this.#refusals.size === 0;
  }

  /** Takes note of a refusal. One that comes while the address is avoided says nothing new: such calls were under way. */
  refused(address: Address, now: number): void {
    const key = keyOf(address);
    const known = this.#refusals.get(key);
    if (known === undefined) {
      if (this.#refusals.size >= MAX_ADDRESSES) this.#forgetOldest();
      this.#refusals.set(key, { avoidedMs: FIRST_AVOIDED_MS, until: now + FIRST_AVOIDED_MS });
    } else if (now >= known.until) {
      known.avoidedMs = Math.min(known.avoidedMs * 2, MAX_AVOIDED_MS);
      known.until = now + known.avoidedMs;
    }
  }

  /** Takes note that a connection came about. */
  answered(address: Address): void {
    if (this.#refusals.size > 0) this.#refusals.delete(keyOf(address));
  }

  /** Whether the address is better left alone now. */
  avoids(address: Address, now: number): boolean {
    if (now >= this.#nextSweep) this.#sweep(now);
    const known = this.#refusals.get(keyOf(address));
    return known !== undefined && now < known.until;
  }

  /** Whether a refusal is the last that is known of the address. */
  isRefused(address: Address): boolean {
    return this.#refusals.has(keyOf(address));
  }

  #sweep(now: number): void {
    this.#nextSweep = now + FIRST_AVOIDED_MS;
    for (const [key, { until }] of this.#refusals) if (now - until >= FORGOTTEN_AFTER_MS) this.#refusals.delete(key);
  }

  #forgetOldest(): void {
    for (const key of this.#refusals.keys()) {
      this.#refusals.delete(key);
      return;
    }
  }
}

function keyOf({ ip, port }: Address): string {
  return `${ip} ${port}`;
}
