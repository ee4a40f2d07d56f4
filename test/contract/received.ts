/** Collects what a listener is told, so that a test can wait for the one thing it is about. */
export class Received<Value> {
  readonly #values: Value[] = [];
  readonly #waiting = new Set<() => void>();

  readonly push = (value: Value): void => {
    this.#values.push(value);
    for (const check of this.#waiting) check();
  };

  /** The first value, past or to come, for which `matches` is true. After `timeoutMs` it fails and tells what did arrive. */
  until(matches: (value: Value) => boolean, timeoutMs = 30_000): Promise<Value> {
    return new Promise((done, fail) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(check);
      };
      const check = (): void => {
        const found = this.#values.findIndex(matches);
        if (found === -1) return;
        end();
        done(this.#values[found] as Value);
      };
      const timer = setTimeout(() => {
        end();
        fail(new Error(`not told within ${timeoutMs} ms; told of: ${JSON.stringify(this.#values)}`));
      }, timeoutMs);
      this.#waiting.add(check);
      check();
    });
  }

  /** Forgets what has arrived so far. */
  clear(): void {
    this.#values.length = 0;
  }
}
