/** Collects what a listener is told, so that a test can wait for one thing after the other. */
export class Received<Value> {
  readonly #values: Value[] = [];
  #check = (): void => {};

  readonly push = (value: Value): void => {
    this.#values.push(value);
    this.#check();
  };

  /**
   * Waits for the next value for which `matches` is true and drops those before it: each call goes on where the last one ended.
   * After `timeoutMs` it fails and tells what did arrive. One call at a time.
   */
  next(matches: (value: Value) => boolean, timeoutMs = 30_000): Promise<Value> {
    return new Promise((done, fail) => {
      const timer = setTimeout(() => {
        this.#check = () => {};
        fail(new Error(`not told within ${timeoutMs} ms; told of: ${JSON.stringify(this.#values)}`));
      }, timeoutMs);
      this.#check = () => {
        const found = this.#values.findIndex(matches);
        if (found === -1) return;
        clearTimeout(timer);
        this.#check = () => {};
        done(this.#values.splice(0, found + 1)[found] as Value);
      };
      this.#check();
    });
  }
}
