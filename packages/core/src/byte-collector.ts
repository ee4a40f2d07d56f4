/**
 * Bytes that come in pieces, however small: held in one piece, which takes at most twice their number. Whoever sends decides how small they are, and
 * a list of pieces of one byte, or a text that is put together from them, takes a hundred times as much.
 */
export class ByteCollector {
  #held = new Uint8Array(0);
  #length = 0;

  /** How many have come. */
  get length(): number {
    return this.#length;
  }

  /** All that have come. What is added later is not in it. */
  get bytes(): Uint8Array {
    return this.#held.subarray(0, this.#length);
  }

  /** Forgets the first `count`; parts of {@link bytes} that somebody has stay as they are. */
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

  /** All that have come, as UTF-8; with `keepsMark` a byte order mark stays. */
  text({ keepsMark = false } = {}): string {
    return new TextDecoder('utf-8', { ignoreBOM: keepsMark }).decode(this.#held.subarray(0, this.#length));
  }
}
