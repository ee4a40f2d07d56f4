const WINDOW_MS = 100;
const MAX_QUESTIONS = 5;

/**
 * Turns hints into requests. The first is sent at once; then each key at most once in 100 ms, never twice at a time, and all keys
 * together at most 50 times a second, so forged hints cause no more than that. No hint is lost; excess ones wait.
 * Its timer keeps no process alive.
 */
export class HintPacer<K> {
  readonly #ask: (key: K) => Promise<unknown>;
  readonly #all: () => Iterable<K>;
  /** Waiting hints, each once. */
  readonly #waiting = new Set<K>();
  readonly #asking = new Set<K>();
  readonly #askedNow = new Set<K>();
  #wantsAll = false;
  #timer: NodeJS.Timeout | undefined;

  /** `ask` must not reject; `all` returns the keys for a hint without one. */
  constructor(ask: (key: K) => Promise<unknown>, all: () => Iterable<K>) {
    this.#ask = ask;
    this.#all = all;
  }

  /** Asks for a key, now or soon. */
  hint(key: K): void {
    this.#waiting.add(key);
    if (!this.#isFull(key)) this.#askFor(key);
    this.#timer ??= this.#nextWindow();
  }

  /** Asks for all keys, soon. */
  hintAll(): void {
    this.#wantsAll = true;
    if (this.#timer === undefined) this.#turn();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
    this.#wantsAll = false;
  }

  #isFull(key: K): boolean {
    return this.#askedNow.size >= MAX_QUESTIONS || this.#askedNow.has(key) || this.#asking.has(key);
  }

  #askFor(key: K): void {
    this.#waiting.delete(key);
    this.#askedNow.add(key);
    this.#asking.add(key);
    void this.#ask(key).then(() => this.#asking.delete(key));
  }

  #turn(): void {
    this.#timer = undefined;
    this.#askedNow.clear();
    if (this.#wantsAll) for (const key of this.#all()) this.#waiting.add(key);
    this.#wantsAll = false;
    for (const key of this.#waiting) if (!this.#isFull(key)) this.#askFor(key);
    if (this.#waiting.size > 0 || this.#askedNow.size > 0) this.#timer = this.#nextWindow();
  }

  #nextWindow(): NodeJS.Timeout {
    return setTimeout(() => this.#turn(), WINDOW_MS).unref();
  }
}
