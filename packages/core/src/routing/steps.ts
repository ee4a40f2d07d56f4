/** Work on very many instances that can be done in one go, or a step at a time with other work in between. */

/** Such work. At each `yield` it can be left for a moment. */
export type Steps<T> = Generator<void, T, void>;

/** Counts work, and says when a step of it is done. */
export class Pace {
  readonly #every: number;
  #left: number;

  /** `every`: so many pieces of work, of some 0.1 µs each, are a step. */
  constructor(every: number) {
    this.#every = every;
    this.#left = every;
  }

  /** Counts pieces of work. True: a step is done. */
  isDue(pieces = 1): boolean {
    this.#left -= pieces;
    if (this.#left > 0) return false;
    this.#left = this.#every;
    return true;
  }
}

/** Of work that nothing has to come in between. */
export const NO_PAUSE = new Pace(2 ** 30);

/** Does all of it now. */
export function inOneGo<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
