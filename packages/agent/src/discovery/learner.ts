/** Learns services at their first call, from any registry, and keeps observing them. */
import { AwakeTimer, serviceIdOf, type Registry, type ServiceKey, type ServiceTables, type SnapshotStore, type Unsubscribe } from '@lane/core/model';
import type { AgentLog } from '../boot/log.js';
import { safely } from '../patching/safely.js';

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
/** How long before a missing service is looked up again. */
const ABSENT_MS = 10_000;

interface Learnt {
  /** undefined: the answer has arrived, or the wait is over. */
  pending: Promise<void> | undefined;
  /** Since when the registry reports no such service; `performance.now()`. */
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

  /** Starts learning a service. Settles when it is known or can't be; never rejects. undefined: there is nothing to wait for. */
  learn(key: ServiceKey): Promise<void> | undefined {
    const id = serviceIdOf(key);
    const known = this.#services.get(id);
    if (known?.pending !== undefined) return known.pending;
    const isAgain = known !== undefined;
    if (isAgain && (known.absentSince === undefined || performance.now() - known.absentSince < ABSENT_MS)) return undefined;
    const pending = this.#observe(key, id);
    // Looked up again in parallel: the call need not wait for a service that was missing a moment ago.
    return isAgain ? undefined : pending;
  }

  #observe(key: ServiceKey, id: string): Promise<void> | undefined {
    let isSettled = false;
    let settle = (): void => void (isSettled = true);
    const learnt: Learnt = { pending: undefined, absentSince: undefined };
    const leave = this.#registry.observe(key, (instances) => {
      if (instances !== undefined) {
        learnt.absentSince = undefined;
        // A list of very many instances is taken over several turns of the event loop: a first call waits for that, too.
        this.#tables.push(key, instances, 'registry', (table) => {
          if (table !== undefined) this.#registry.snapshots?.save(key, table.instances);
          settle();
        });
        return;
      }
      if (this.#tables.get(key) === undefined && this.#tables.whenTaken(key) === undefined) {
        learnt.absentSince = performance.now();
        // It may call back before it returns.
        queueMicrotask(() => leave?.());
      }
      settle();
    });
    if (leave === undefined) return undefined;
    this.#services.set(id, learnt);
    if (isSettled) return undefined;
    const giveUp = safely('learner', () => {
      // What has come is taken, whatever it holds up.
      this.#tables.finish(key);
      if (learnt.pending !== undefined) this.#giveUp(key);
    });
    learnt.pending = new Promise((resolve) => {
      // Holds the process: a call of the app's waits that has no socket yet.
      const impatient = new AwakeTimer(LEARN_TIMEOUT_MS, () => {
        giveUp();
        if (learnt.pending !== undefined) settle();
      });
      settle = () => {
        impatient.clear();
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
      `service ${key.name} (${key.group}) is called by name, but ${kind} did not answer within ${LEARN_TIMEOUT_MS} ms: until it does, such calls go where they would without the agent`,
    );
  }
}
