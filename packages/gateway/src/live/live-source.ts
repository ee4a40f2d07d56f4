/**
 * What an export is made from, as it changes: lane groups and instances. A registry that forgets is not believed (core's instance memory),
 * and of a service without any instance the last ones stay: whoever asks would get nothing instead of what is there most probably.
 */
import {
  DoubtLog,
  isUsable,
  messageOf,
  ServiceTables,
  type Clock,
  type Instance,
  type Log,
  type Registry,
  type ServiceKey,
  type Unsubscribe,
} from '@lane/core/model';
import type { LaneGroupsDocument } from '@lane/core/rules';
import type { GatewayRoute } from '../decide/routes.js';
import type { ExportSource } from '../export/plan.js';

/** Options of {@link LiveSource}. */
export interface LiveSourceOptions {
  readonly registry: Pick<Registry, 'observe' | 'watchTrouble' | 'holdMs'>;
  /** So long instances that the registry takes away in bulk stay, in milliseconds; 0: not at all. Default: as the registry has it. */
  readonly registryHoldMs?: number | undefined;
  /** The routes under these lane groups. Throws where they leave it open which service is meant; then the last ones stay. */
  readonly routesOf: (document: LaneGroupsDocument | undefined) => readonly GatewayRoute[];
  /** All else that an export is made from. */
  readonly rest: Omit<ExportSource, 'document' | 'routes' | 'instancesOf'>;
  /** Addresses that are given, and not observed. */
  readonly given?: ReadonlyMap<string, readonly Instance[]>;
  /** Told once everything is known, then after each change, when nothing more has changed for a moment. */
  readonly onSource: (source: ExportSource) => void;
  readonly log: Log;
  /** Default: the time of the process. */
  readonly clock?: Clock;
}

/** Changes come together, as when all instances of a service are started. */
const SETTLE_MS = 100;
/** While they never stop coming, what there is is told all the same. */
const MAX_SETTLE_MS = 500;

interface Observed {
  readonly key: ServiceKey;
  stop: Unsubscribe;
  /** undefined: the registry has not told yet. */
  instances: readonly Instance[] | undefined;
}

/** Observes the registry for the services that routes lead to. */
export class LiveSource {
  readonly #options: LiveSourceOptions;
  readonly #tables: ServiceTables;
  readonly #observed = new Map<string, Observed>();
  readonly #unwatch: Unsubscribe;
  #document: LaneGroupsDocument | undefined;
  #routes: readonly GatewayRoute[] | undefined;
  #settling: NodeJS.Timeout | undefined;
  #changedAtMs = 0;
  #isClosed = false;

  constructor(options: LiveSourceOptions) {
    const { registry, registryHoldMs, rest, log, clock } = options;
    this.#options = options;
    const holdMs = (): number => registryHoldMs ?? registry.holdMs ?? 0;
    const time = clock === undefined ? {} : { clock };
    const doubts = new DoubtLog(log, holdMs, clock);
    this.#tables = new ServiceTables({
      formats: rest.formats,
      holdMs,
      onDoubt: (key, doubted, of) => doubts.note({ key, doubted, of }),
      ...time,
    });
    this.#tables.onChange(({ key, instances }) => this.#take(key, instances));
    this.#unwatch = registry.watchTrouble?.((isReachable) => this.#tables.trouble(isReachable)) ?? (() => {});
  }

  /** Takes the lane groups in force; undefined: there are none. */
  setDocument(document: LaneGroupsDocument | undefined): void {
    const { log, routesOf, given } = this.#options;
    try {
      this.#routes = routesOf(document);
    } catch (error) {
      log.warn(`${messageOf(error)}${this.#routes === undefined ? '' : '; what was in force before stays so'}`);
      return;
    }
    this.#document = document;
    const wanted = new Map(this.#routes.map(({ service, group = 'DEFAULT_GROUP' }) => [idOf({ name: service, group }), { name: service, group }]));
    for (const [id, { stop }] of this.#observed) {
      if (wanted.has(id)) continue;
      stop();
      this.#observed.delete(id);
    }
    for (const [id, key] of wanted) if (!this.#observed.has(id) && given?.has(key.name) !== true) this.#observe(id, key);
    this.#changed();
  }

  #observe(id: string, key: ServiceKey): void {
    const observed: Observed = { key, stop: () => {}, instances: undefined };
    this.#observed.set(id, observed);
    observed.stop = this.#options.registry.observe(key, (instances = []) => {
      if (this.#isClosed) return;
      const { instances: used } = this.#tables.update(key, instances);
      // The first list may be what an earlier observation has left.
      if (observed.instances === undefined) this.#take(key, used);
    });
  }

  #take(key: ServiceKey, instances: readonly Instance[]): void {
    const observed = this.#observed.get(idOf(key));
    if (observed === undefined) return;
    const before = observed.instances ?? [];
    const isKept = before.length > 0 && !instances.some(isUsable);
    if (isKept)
      this.#options.log.warn(
        `no instance of ${key.name} is there any more: the last ${before.length} stay where they are until there is one, for requests would have nowhere else to go`,
      );
    observed.instances = isKept ? before : instances;
    this.#changed();
  }

  #changed(): void {
    if (this.#isClosed || this.#routes === undefined) return;
    for (const { instances } of this.#observed.values()) if (instances === undefined) return;
    const now = Date.now();
    if (this.#settling === undefined) this.#changedAtMs = now;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#tell(), Math.min(SETTLE_MS, this.#changedAtMs + MAX_SETTLE_MS - now));
  }

  #tell(): void {
    this.#settling = undefined;
    const { rest, given, onSource } = this.#options;
    const observed = new Map([...this.#observed].map(([id, { instances }]) => [id, instances]));
    onSource({
      ...rest,
      document: this.#document,
      routes: this.#routes ?? [],
      instancesOf: (service, group) => given?.get(service) ?? observed.get(idOf({ name: service, group })),
    });
  }

  /** Stops observing. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#settling);
    this.#unwatch();
    for (const { stop } of this.#observed.values()) stop();
  }
}

function idOf({ group, name }: ServiceKey): string {
  return JSON.stringify([group, name]);
}
