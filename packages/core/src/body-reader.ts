import { ByteCollector } from './byte-collector.js';

/** A source of a body: the shape of node:http's IncomingMessage. */
export interface BodySource extends AsyncIterable<Uint8Array> {
  destroy(): unknown;
}

/** Limits in bytes. */
export interface BodyLimits {
  readonly ofOne: number;
  /** For all bodies being read, together. */
  readonly ofAll: number;
}

/**
 * Reads whole bodies of a server's requests, in bounded memory. If they are too much together, the request that has taken longest is dropped:
 * honest clients send at once, and must not wait for those who send slowly.
 */
export class BodyReader {
  /** Bytes held, by request; longest-running first. */
  readonly #held = new Map<BodySource, number>();
  #total = 0;

  constructor(private readonly limits: BodyLimits) {}

  /** The body as UTF-8; undefined if it is too long. Rejects if the request breaks off, or is dropped. */
  async read(source: BodySource): Promise<string | undefined> {
    const body = new ByteCollector();
    this.#held.set(source, 0);
    try {
      for await (const chunk of source) {
        if (body.length + chunk.length > this.limits.ofOne) return undefined;
        if (!this.#held.has(source)) break;
        body.add(chunk);
        this.#held.set(source, body.length);
        this.#total += chunk.length;
        this.#makeRoom();
      }
      if (!this.#held.has(source)) throw new Error('it took longest of all whose bodies were more than may be read at a time');
      return body.text();
    } finally {
      this.#release(source);
    }
  }

  #makeRoom(): void {
    for (const source of this.#held.keys()) {
      if (this.#total <= this.limits.ofAll) return;
      this.#release(source);
      source.destroy();
    }
  }

  #release(source: BodySource): void {
    this.#total -= this.#held.get(source) ?? 0;
    this.#held.delete(source);
  }
}
