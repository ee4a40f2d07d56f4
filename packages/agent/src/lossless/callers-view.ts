/**
 * What callers are told of the instances of this process: the agent observes their services as a caller would, by the registry's pushes or
 * its polls. How long the registry takes to tell of a change is so measured, not guessed.
 */
import type { InstanceListener, ServiceKey, Unsubscribe } from '@lane/core/model';
import type { AppRegistration } from '@lane/nacos-registry';

/** Observes a service; undefined: there is nobody to ask, as for a service of another namespace than the agent's. */
export type Observe = (key: ServiceKey, listener: InstanceListener) => Unsubscribe | undefined;

/** How an instance is told of: to be called, as leaving, or not at all. */
type Told = 'listed' | 'leaving' | 'gone';

interface Watched {
  told: Told | undefined;
  readonly leave: Unsubscribe | undefined;
}

export class CallersView {
  readonly #watched: Watched[] = [];
  #isMeasured = true;
  #wake: () => void = () => {};

  constructor(registrations: Iterable<AppRegistration>, observe: Observe) {
    for (const { key, address } of registrations) {
      const watched: { told: Told | undefined; leave: Unsubscribe | undefined } = { told: undefined, leave: undefined };
      watched.leave = observe(key, (instances) => {
        const found = instances?.find(({ ip, port }) => `${ip}:${port}` === address);
        watched.told = found === undefined ? 'gone' : found.enabled ? 'listed' : 'leaving';
        this.#wake();
      });
      this.#isMeasured &&= watched.leave !== undefined;
      this.#watched.push(watched);
    }
  }

  /** Whether every instance can be observed. */
  get isMeasured(): boolean {
    return this.#isMeasured;
  }

  /** Whether a caller has been told something of each. */
  get isTold(): boolean {
    return this.#watched.every(({ told }) => told !== undefined);
  }

  /** Whether a caller would call none of them. */
  get isLeaving(): boolean {
    return this.#watched.every(({ told }) => told === 'leaving' || told === 'gone');
  }

  /** Whether none is in the registry any more. */
  get isGone(): boolean {
    return this.#watched.every(({ told }) => told === 'gone');
  }

  /** Resolves at the next word of the registry, or after so many milliseconds. Keeps the process alive. */
  next(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, ms));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  close(): void {
    for (const { leave } of this.#watched) leave?.();
  }
}
