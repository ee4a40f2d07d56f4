/** What an export is made from, as it changes: lane groups and instances, those that a registry may have forgotten among them. */
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
  /** Whether nobody takes connections there any more. Default: by a connection. */
  readonly refuses?: (instance: Instance) => Promise<boolean>;
}

/** Changes come together, as when all instances of a service are started. */
const SETTLE_MS = 100;
/** How often instances that are kept against the registry's word are looked at. */
const PROBE_MS = 1_000;
/** While they never stop coming, what there is is told all the same. */
const MAX_SETTLE_MS = 500;

interface Observed {
  readonly key: ServiceKey;
  readonly doubt: BulkDoubt;
  stop: Unsubscribe;
  cancel: () => void;
  isDoubted: boolean;
  /** undefined: the registry has not told yet. */
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
        `the registry takes away ${kept.length} of ${instances.length} instances of ${key.name} at once. It may have forgotten them: they stay ` +
          (againInMs === undefined
            ? 'until it knows one, as requests would have nowhere else to go'
            : `until it has said so for ${againInMs / 1_000} s`),
      );
    observed.isDoubted = kept.length > 0;
    // Where the registry knows nobody there is nothing better to be had.
    if (againInMs !== undefined) observed.cancel = this.#clock.after(Math.min(againInMs, PROBE_MS), () => void this.#probe(observed, kept));
    observed.instances = instances;
    this.#changed();
  }

  /** Lets those go of which a connection tells that they are gone, and looks at what holds then. */
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

/** A connection that is not answered says nothing: the way there may be closed to us alone. */
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
