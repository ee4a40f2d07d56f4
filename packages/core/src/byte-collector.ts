/**
 * Collects bytes that arrive in pieces of any size, in one buffer of at most twice their number. The sender decides how small the pieces are, and
 * a list of one-byte pieces, or a string concatenated from them, takes a hundred times as much.
 */
export class ByteCollector {
  #held = new Uint8Array(0);
  #length = 0;

  /** How many have arrived. */
  get length(): number {
    return this.#length;
  }

  /** All so far. Later ones are not in it. */
  get bytes(): Uint8Array {
    return this.#held.subarray(0, this.#length);
  }

  /** Drops the first `count`; slices of {@link bytes} that somebody holds stay valid. */
  drop(count: number): void {
    if (count === 0) return;
    this.#held = this.#held.slice(count, this.#length);
    this.#length = this.#held.length;
  }

  add(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#length));
      grown.set(this.#held.subarray(0, this.#length));
      this.#held = grown;
    }
    this.#held.set(chunk, this.#length);
    this.#length = length;
  }

  /** All so far, as UTF-8; with `keepsMark` a byte order mark stays. */
  text({ keepsMark = false } = {}): string {
    return new TextDecoder('utf-8', { ignoreBOM: keepsMark }).decode(this.#held.subarray(0, this.#length));
  }
}
