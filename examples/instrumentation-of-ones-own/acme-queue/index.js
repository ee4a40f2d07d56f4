'use strict';

/** Calls back in order, all from one immediate, which belongs to the first caller. */
class Queue {
  #waiting = [];

  push(value, done) {
    this.#waiting.push(() => done(value));
    if (this.#waiting.length > 1) return;
    setImmediate(() => {
      for (const call of this.#waiting.splice(0)) call();
    });
  }
}
module.exports = { Queue };
