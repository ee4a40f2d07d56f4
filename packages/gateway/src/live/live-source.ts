/** What an export is made from, as it changes: lane groups and instances, the last ones known where the registry has forgotten them. */
import { messageOf, type Instance, type Log, type Registry, type ServiceKey, type Unsubscribe } from '@lane/core/model';
import type { LaneGroupsDocument } from '@lane/core/rules';
import type { GatewayRoute } from '../decide/routes.js';
import type { ExportSource } from '../export/plan.js';
import { InstanceMemory } from './instance-memory.js';

/** Options of {@link LiveSource}. */
export interface LiveSourceOptions {
  readonly registry: Pick<Registry, 'observe'>;
  /** The routes under these lane groups. Throws where they leave it open which service is meant; then the last ones stay. */
  readonly routesOf: (document: LaneGroupsDocument | undefined) => readonly GatewayRoute[];
  /** All else that an export is made from. */
  readonly rest: Omit<ExportSource, 'document' | 'routes' | 'instancesOf'>;
  /** Addresses that are given, and not observed. */
  readonly given?: ReadonlyMap<string, readonly Instance[]>;
  /** Told once everything is known, then after each change, when nothing more has changed for a moment. */
  readonly onSource: (source: ExportSource) => void;
  readonly log: Log;
}

/** Changes come together, as when all instances of a service are started. */
const SETTLE_MS = 100;
/** While they never stop coming, what there is is told all the same. */
const MAX_SETTLE_MS = 500;

interface Observed {
  readonly memory: InstanceMemory;
  readonly stop: Unsubscribe;
  instances: readonly Instance[] | undefined;
  again: NodeJS.Timeout | undefined;
  isToldOf: boolean;
}

/** Observes the registry for the services that routes lead to. */
export class LiveSource {
  readonly #options: LiveSourceOptions;
  readonly #observed = new Map<string, Observed>();
  #document: LaneGroupsDocument | undefined;
  #routes: readonly GatewayRoute[] | undefined;
  #settling: NodeJS.Timeout | undefined;
  #changedAtMs = 0;
  #isClosed = false;

  constructor(options: LiveSourceOptions) {
    this.#options = options;
  }

  /** Takes the lane groups in force; undefined: there are none (any more). */
  setDocument(document: LaneGroupsDocument | undefined): void {
    const { log, routesOf, given } = this.#options;
    if (document === undefined && this.#document !== undefined) {
      log.warn('the lane groups are gone, and the last ones stay in force: to have none, publish lane groups without a group');
      return;
    }
    try {
      this.#routes = routesOf(document);
    } catch (error) {
      log.warn(`${messageOf(error)}${this.#routes === undefined ? '' : '; what was in force before stays so'}`);
      return;
    }
    this.#document = document;
    const wanted = new Map(this.#routes.map(({ service, group = 'DEFAULT_GROUP' }) => [idOf(service, group), { name: service, group }]));
    for (const [id, observed] of this.#observed) {
      if (wanted.has(id)) continue;
      this.#stop(observed);
      this.#observed.delete(id);
    }
    for (const [id, key] of wanted) if (!this.#observed.has(id) && given?.has(key.name) !== true) this.#observe(id, key);
    this.#changed();
  }

  #observe(id: string, key: ServiceKey): void {
    // A registry may tell before `observe` returns.
    const observed: { -readonly [Name in keyof Observed]: Observed[Name] } = {
      memory: new InstanceMemory(),
      stop: () => {},
      instances: undefined,
      again: undefined,
      isToldOf: false,
    };
    this.#observed.set(id, observed);
    observed.stop = this.#options.registry.observe(key, (instances) => {
      this.#take(key, observed, instances ?? []);
    });
  }

  /** Takes a list of instances, or looks once more at the last one. */
  #take(key: ServiceKey, observed: Observed, list?: readonly Instance[]): void {
    if (this.#isClosed) return;
    clearTimeout(observed.again);
    const now = Date.now();
    const { instances, kept, againInMs } = list === undefined ? observed.memory.look(now) : observed.memory.take(list, now);
    if (kept > 0 && !observed.isToldOf)
      this.#options.log.warn(
        `the registry lists ${instances.length - kept} of the ${instances.length} instances of ${key.name}: the others stay ${againInMs === undefined ? 'until it lists some' : 'for 30 s'}, in case it has forgotten them`,
      );
    observed.isToldOf = kept > 0;
    if (againInMs !== undefined) observed.again = setTimeout(() => this.#take(key, observed), againInMs);
    observed.instances = instances;
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
      instancesOf: (service, group) => given?.get(service) ?? observed.get(idOf(service, group)),
    });
  }

  #stop({ stop, again }: Observed): void {
    stop();
    clearTimeout(again);
  }

  /** Stops observing. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#settling);
    for (const observed of this.#observed.values()) this.#stop(observed);
  }
}

function idOf(service: string, group: string): string {
  return JSON.stringify([group, service]);
}
