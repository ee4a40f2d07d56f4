/** Learns services at their first call, from whichever registry there is, and keeps observing them. */
import { serviceIdOf, type Registry, type ServiceKey, type ServiceTables, type SnapshotStore, type Unsubscribe } from '@lane/core/model';
import type { AgentLog } from '../boot/log.js';

/** A registry as the agent uses it. */
export interface ObservedRegistry extends Pick<Registry, 'names' | 'state' | 'defaultGroup' | 'holdMs' | 'watchTrouble'> {
  /** As {@link Registry.observe}; undefined: there is nobody to ask. */
  observe(...args: Parameters<Registry['observe']>): Unsubscribe | undefined;
  /** As {@link Registry.list}; undefined: there is nobody to ask, or nobody yet. */
  readonly list?: Registry['list'] | undefined;
  /** What is remembered of an earlier run. */
  readonly snapshots?: SnapshotStore | undefined;
}

/** How long a call waits for the registry, in milliseconds. */
export const LEARN_TIMEOUT_MS = 3_000;
/** What was not there is not asked for again sooner. */
const ABSENT_MS = 10_000;

interface Learnt {
  /** undefined: the answer is there, or has been waited for long enough. */
  pending: Promise<void> | undefined;
  /** Since when the registry says that there is no such service; `performance.now()`. */
  absentSince: number | undefined;
}

/** Learns services. */
export class Learner {
  readonly #registry: ObservedRegistry;
  readonly #tables: ServiceTables;
  readonly #log: AgentLog;
  readonly #services = new Map<string, Learnt>();

  constructor(registry: ObservedRegistry, tables: ServiceTables, log: AgentLog) {
    this.#registry = registry;
    this.#tables = tables;
    this.#log = log;
  }

  /** Begins to learn a service. Settles when it is known or can't be, never rejects; undefined: there is nothing to wait for. */
  learn(key: ServiceKey): Promise<void> | undefined {
    const id = serviceIdOf(key);
    const known = this.#services.get(id);
    if (known?.pending !== undefined) return known.pending;
    const isAgain = known !== undefined;
    if (isAgain && (known.absentSince === undefined || performance.now() - known.absentSince < ABSENT_MS)) return undefined;
    const pending = this.#observe(key, id);
    // Looked for again besides: the call need not wait for what was not there a moment ago.
    return isAgain ? undefined : pending;
  }

  #observe(key: ServiceKey, id: string): Promise<void> | undefined {
    let settle = (): void => {};
    let isAnswered = false;
    const learnt: Learnt = { pending: undefined, absentSince: undefined };
    const leave = this.#registry.observe(key, (instances) => {
      isAnswered = true;
      if (instances !== undefined) {
        learnt.absentSince = undefined;
        const inUse = this.#tables.update(key, instances).instances;
        this.#registry.snapshots?.save(key, inUse);
      } else if (this.#tables.get(key) === undefined) {
        learnt.absentSince = performance.now();
        // It may call back before it returns.
        queueMicrotask(() => leave?.());
      }
      settle();
    });
    if (leave === undefined) return undefined;
    this.#services.set(id, learnt);
    if (isAnswered) return undefined;
    learnt.pending = new Promise((resolve) => {
      // Holds the process: a call of the app's waits that has no socket yet.
      const impatient = setTimeout(() => {
        this.#giveUp(key);
        settle();
      }, LEARN_TIMEOUT_MS);
      settle = () => {
        clearTimeout(impatient);
        learnt.pending = undefined;
        resolve();
      };
    });
    return learnt.pending;
  }

  #giveUp(key: ServiceKey): void {
    const remembered = this.#registry.snapshots?.load(key);
    if (remembered !== undefined) {
      this.#tables.update(key, remembered, 'snapshot');
      return;
    }
    const { kind = 'the registry' } = this.#registry.state ?? {};
    this.#log.once(
      `unknown ${serviceIdOf(key)}`,
      'warn',
      `service ${key.name} (${key.group}) is called by name, but ${kind} did not tell of it in ${LEARN_TIMEOUT_MS} ms: such calls go the way they would without the agent until it does`,
    );
  }
}
