/** Limits what the embedded Nacos holds: clients must not fill the memory of its process. */
import { NacosApiError } from './api-error.js';

/** What an entry takes besides its text, in characters; a conservative estimate. */
const PER_ENTRY = 500;

/** A budget of characters for entries by key. */
export class Room {
  readonly #sizes = new Map<string, number>();
  readonly #limit: number;
  readonly #what: string;
  #taken = 0;

  /** @param what name of the entries in the refusal */
  constructor(limit: number, what: string) {
    this.#limit = limit;
    this.#what = what;
  }

  /** Reserves room for an entry, replacing its earlier reservation. Throws a {@link NacosApiError} with 507, and changes nothing, if there is not enough. */
  take(key: string, characters: number): void {
    const size = PER_ENTRY + key.length + characters;
    const after = this.#taken + size - (this.#sizes.get(key) ?? 0);
    if (after > this.#limit)
      throw new NacosApiError(507, `the embedded Nacos has no room for more ${this.#what}: delete some, restart it, or use a real Nacos`);
    this.#sizes.set(key, size);
    this.#taken = after;
  }

  /** Frees an entry's room, if it has any. */
  give(key: string): void {
    this.#taken -= this.#sizes.get(key) ?? 0;
    this.#sizes.delete(key);
  }
}
