/** Dispatches that wait for a service to be learnt, by their dispatcher, which may be ended meanwhile. */
import type { Dispatcher } from './types.js';

/** A waiting dispatch. */
export interface WaitingDispatch {
  /** Continues now, because the dispatcher has been destroyed: it reports that itself, unless the app passed an error. */
  abandon(error: Error | undefined): void;
  /** Settles when it has continued. Never rejects. */
  readonly until: Promise<void>;
}

/** Keeps them. */
export interface WaitingDispatches {
  add(dispatcher: Dispatcher, waiting: WaitingDispatch): void;
  remove(dispatcher: Dispatcher, waiting: WaitingDispatch): void;
  /** Settles when those waiting now have continued; undefined: none waits. */
  settled(dispatcher: Dispatcher): Promise<unknown> | undefined;
  /** The dispatcher has been destroyed. */
  abandon(dispatcher: Dispatcher, error: Error | undefined): void;
}

/** Makes a {@link WaitingDispatches}. */
export function createWaitingDispatches(): WaitingDispatches {
  const all = new WeakMap<Dispatcher, Set<WaitingDispatch>>();
  return {
    add(dispatcher, waiting) {
      let own = all.get(dispatcher);
      if (own === undefined) all.set(dispatcher, (own = new Set()));
      own.add(waiting);
    },
    remove(dispatcher, waiting) {
      const own = all.get(dispatcher);
      if (own?.delete(waiting) === true && own.size === 0) all.delete(dispatcher);
    },
    settled(dispatcher) {
      const own = all.get(dispatcher);
      return own === undefined ? undefined : Promise.all([...own].map(({ until }) => until));
    },
    abandon(dispatcher, error) {
      const own = all.get(dispatcher);
      all.delete(dispatcher);
      for (const waiting of own ?? []) waiting.abandon(error);
    },
  };
}
