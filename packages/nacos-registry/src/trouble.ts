import { messageOf, type Log, type Unsubscribe } from '@lane/core/model';

/** Called at each sign that a registry may not know all instances: false as it stops answering, true as it answers again. */
export type TroubleListener = (isReachable: boolean) => void;

/** Listeners for trouble with a server. */
export class Trouble {
  readonly #listeners = new Set<TroubleListener>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  watch(listener: TroubleListener): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(isReachable: boolean): void {
    for (const listener of this.#listeners) {
      try {
        listener(isReachable);
      } catch (error) {
        this.#log.error('a listener for outages failed', { error: messageOf(error) });
      }
    }
  }
}
