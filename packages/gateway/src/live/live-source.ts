/** The changing input of an export: lane groups and instances, including those that a registry may have forgotten. */
import { connect } from 'node:net';
import {
  isUsable,
  messageOf,
  SYSTEM_CLOCK,
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
import { BulkDoubt, type Held } from './bulk-doubt.js';

/** Options of {@link LiveSource}. */
export interface LiveSourceOptions {
  readonly registry: Pick<Registry, 'observe' | 'watchTrouble' | 'holdMs'>;
  /** How long instances that the registry drops in bulk stay, in milliseconds; 0: not at all. Default: the registry's. */
  readonly registryHoldMs?: number | undefined;
  /** The routes under these lane groups. Throws if they leave the service ambiguous; then the last ones stay. */
  readonly routesOf: (document: LaneGroupsDocument | undefined) => readonly GatewayRoute[];
  /** The rest of an export's input. */
  readonly rest: Omit<ExportSource, 'document' | 'routes' | 'instancesOf'>;
  /** Given addresses, which are not observed. */
  readonly given?: ReadonlyMap<string, readonly Instance[]>;
  /** Called once everything is known, then after each change, when nothing more has changed for a moment. */
  readonly onSource: (source: ExportSource) => void;
  readonly log: Log;
  /** Default: the process's clock. */
  readonly clock?: Clock;
  /** Whether nobody accepts connections there any longer. Default: tries a connection. */
  readonly refuses?: (instance: Instance) => Promise<boolean>;
}

/** Changes arrive in groups, such as when all instances of a service start. */
const SETTLE_MS = 100;
/** How often kept instances are checked. */
const PROBE_MS = 1_000;
/** The longest delay while changes keep arriving. */
const MAX_SETTLE_MS = 500;

interface Observed {
  readonly key: ServiceKey;
  readonly doubt: BulkDoubt;
  stop: Unsubscribe;
  cancel: () => void;
  isDoubted: boolean;
  /** undefined: the registry has not answered yet. */
  instances: readonly Instance[] | undefined;
}

/** Observes the registry for the services that routes lead to. */
export class LiveSource {
  readonly #options: LiveSourceOptions;
  readonly #clock: Clock;
  readonly #observed = new Map<string, Observed>();
  readonly #unwatch: Unsubscribe;
  #document: LaneGroupsDocument | undefined;
  #routes: readonly GatewayRoute[] | undefined;
  #settling: NodeJS.Timeout | undefined;
  #changedAtMs = 0;
  #isClosed = false;

  constructor(options: LiveSourceOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    const trouble = (): void => {
      for (const { doubt } of this.#observed.values()) doubt.trouble(this.#clock.nowMs());
    };
    this.#unwatch = options.registry.watchTrouble?.(trouble) ?? (() => {});
  }

  /** Takes the lane groups in force; undefined: none. */
  setDocument(document: LaneGroupsDocument | undefined): void {
    const { log, routesOf, given } = this.#options;
    try {
      this.#routes = routesOf(document);
    } catch (error) {
      log.warn(`${messageOf(error)}${this.#routes === undefined ? '' : '; what was in force before stays in force'}`);
      return;
    }
    this.#document = document;
    const wanted = new Map(this.#routes.map(({ service, group = 'DEFAULT_GROUP' }) => [idOf({ name: service, group }), { name: service, group }]));
    for (const [id, { stop, cancel }] of this.#observed) {
      if (wanted.has(id)) continue;
      stop();
      cancel();
      this.#observed.delete(id);
    }
    for (const [id, key] of wanted) if (!this.#observed.has(id) && given?.has(key.name) !== true) this.#observe(id, key);
    this.#changed();
  }

  #observe(id: string, key: ServiceKey): void {
    const { registry, registryHoldMs } = this.#options;
    const doubt = new BulkDoubt(registryHoldMs ?? registry.holdMs ?? 0);
    const observed: Observed = { key, doubt, stop: () => {}, cancel: () => {}, isDoubted: false, instances: undefined };
    this.#observed.set(id, observed);
    observed.stop = registry.observe(key, (instances = []) => {
      this.#take(observed, doubt.take(instances.filter(isUsable), this.#clock.nowMs()));
    });
  }

  #take(observed: Observed, { instances, kept, againInMs }: Held): void {
    if (this.#isClosed) return;
    const { key } = observed;
    observed.cancel();
    if (kept.length > 0 && !observed.isDoubted)
      this.#options.log.warn(
        `the registry dropped ${kept.length} of ${instances.length} instances of ${key.name} at once. It may have lost them: they stay ` +
          (againInMs === undefined
            ? 'until it lists one again, because requests have nowhere else to go'
            : `until it has omitted them for ${againInMs / 1_000} s`),
      );
    observed.isDoubted = kept.length > 0;
    // If the registry knows no instance, there is nothing better.
    if (againInMs !== undefined) observed.cancel = this.#clock.after(Math.min(againInMs, PROBE_MS), () => void this.#probe(observed, kept));
    observed.instances = instances;
    this.#changed();
  }

  /** Drops those whose connection is refused, and updates the state. */
  async #probe(observed: Observed, kept: readonly Instance[]): Promise<void> {
    const { refuses = refusesConnections } = this.#options;
    let isCancelled = false;
    observed.cancel = () => (isCancelled = true);
    const gone = await Promise.all(kept.map(refuses));
    if (isCancelled) return;
    for (const [i, instance] of kept.entries()) if (gone[i] === true) observed.doubt.refused(instance);
    this.#take(observed, observed.doubt.look(this.#clock.nowMs()));
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
    for (const { stop, cancel } of this.#observed.values()) {
      stop();
      cancel();
    }
  }
}

/** An unanswered connection means nothing: only our route may be closed. */
function refusesConnections({ ip, port }: Instance): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: ip, port, timeout: PROBE_MS });
    const end = (isRefused: boolean) => () => {
      socket.destroy();
      resolve(isRefused);
    };
    socket.on('connect', end(false)).on('timeout', end(false));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED')());
  });
}

function idOf({ group, name }: ServiceKey): string {
  return JSON.stringify([group, name]);
}
