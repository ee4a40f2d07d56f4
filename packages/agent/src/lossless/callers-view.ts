/**
 * What callers are told about this process's instances: the agent observes their services as a caller would, through the registry's pushes or
 * polls. So it measures how long news of a change takes, instead of guessing.
 */
import type { InstanceListener, ServiceKey, Unsubscribe } from '@lane/core/model';
import type { AppRegistration } from '@lane/nacos-registry';

/** Observes a service; undefined: nobody can be asked, such as about a service of another namespace. */
export type Observe = (key: ServiceKey, listener: InstanceListener) => Unsubscribe | undefined;

/** How callers see an instance: callable, leaving, or absent. */
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

  /** Whether callers have been told about each. */
  get isTold(): boolean {
    return this.#watched.every(({ told }) => told !== undefined);
  }

  /** Whether a caller would call none of them. */
  get isLeaving(): boolean {
    return this.#watched.every(({ told }) => told === 'leaving' || told === 'gone');
  }

  /** Whether all have left the registry. */
  get isGone(): boolean {
    return this.#watched.every(({ told }) => told === 'gone');
  }

  /** Resolves at the registry's next answer, or after that many milliseconds. Keeps the process alive. */
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
