/** Values that can be awaited as they arrive. */
import { EventEmitter, once } from 'node:events';

/** Collects the values passed to a listener, so that a test can wait for one instead of sleeping. */
export class Received<Value> {
  readonly all: Value[] = [];
  /** How many of them `next` has passed. */
  #past = 0;
  readonly #came = new EventEmitter().setMaxListeners(100);

  readonly push = (value: Value): void => {
    this.all.push(value);
    this.#came.emit('value');
  };

  /** The latest value; undefined before the first. */
  get last(): Value | undefined {
    return this.all.at(-1);
  }

  /** Resolves with the latest value once it matches. A test that waits in vain fails by its own timeout. */
  async until(isWanted: (value: Value) => boolean): Promise<Value> {
    for (;;) {
      if (this.all.length > 0 && isWanted(this.last as Value)) return this.last as Value;
      await once(this.#came, 'value');
    }
  }

  /**
   * Resolves with the next value for which `matches` is true, skipping those before it: each call continues where the last one ended.
   * After `timeoutMs` it fails and reports what did arrive. One call at a time.
   */
  async next(matches: (value: Value) => boolean, timeoutMs = 30_000): Promise<Value> {
    const signal = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const found = this.all.findIndex((value, i) => i >= this.#past && matches(value));
      if (found !== -1) {
        this.#past = found + 1;
        return this.all[found] as Value;
      }
      await once(this.#came, 'value', { signal }).catch(() => {
        throw new Error(`not told within ${timeoutMs} ms; told of: ${JSON.stringify(this.all.slice(this.#past))}`);
      });
    }
  }
}
