/** What an export is made from, as it changes: lane groups and instances, those that a registry may have forgotten among them. */
import { connect } from 'node:net';
import {
  DoubtLog,
  isUsable,
  messageOf,
  ServiceTables,
  SYSTEM_CLOCK,
  type Clock,
  type Instance,
  type Log,
  type Registry,
  type ServiceKey,
  type Unsubscribe,
} from '@lane/core/model';
import { compileLaneGroups, type LaneGroupsDocument } from '@lane/core/rules';
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
  /** Whether nobody takes connections there any more. Default: by a connection. */
  readonly refuses?: (instance: Instance) => Promise<boolean>;
}

/** Changes come together, as when all instances of a service are started. */
const SETTLE_MS = 100;
/** How often instances that are kept against the registry's word are looked at. */
const PROBE_MS = 1_000;
/** While they never stop coming, what there is is told all the same. */
const MAX_SETTLE_MS = 500;

/**
 * Observes the registry for the services that routes lead to. What it takes away is believed by the same rules as in agents and the gateway;
 * whether instances that it would take away are still there is told by probes here, as no request passes.
 */
export class LiveSource {
  readonly #options: LiveSourceOptions;
  readonly #clock: Clock;
  readonly #tables: ServiceTables;
  readonly #observed = new Map<string, { readonly key: ServiceKey; readonly stop: Unsubscribe }>();
  /** Services of which the registry would take instances away. */
  readonly #doubted = new Map<string, ServiceKey>();
  readonly #unwatch: Unsubscribe;
  #document: LaneGroupsDocument | undefined;
  #routes: readonly GatewayRoute[] | undefined;
  #settling: NodeJS.Timeout | undefined;
  #changedAtMs = 0;
  #isProbing = false;
  #isClosed = false;

  constructor(options: LiveSourceOptions) {
    const { registry, registryHoldMs, rest, log } = options;
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    const holdMs = (): number => registryHoldMs ?? registry.holdMs ?? 0;
    const doubtLog = new DoubtLog(log, holdMs, this.#clock);
    this.#tables = new ServiceTables({
      formats: rest.formats,
      holdMs,
      clock: this.#clock,
      onDoubt: (doubts) => {
        doubtLog.note(doubts);
        if (doubts.doubted === 0) this.#doubted.delete(idOf(doubts.key));
        else this.#doubted.set(idOf(doubts.key), doubts.key);
        if (!this.#isProbing) this.#probeSoon(0);
      },
    });
    this.#tables.onChange(() => this.#changed());
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
    this.#tables.setRules(document === undefined ? undefined : compileLaneGroups(document));
    const wanted = new Map(this.#routes.map(({ service, group = 'DEFAULT_GROUP' }) => [idOf({ name: service, group }), { name: service, group }]));
    for (const [id, { stop }] of this.#observed) {
      if (wanted.has(id)) continue;
      stop();
      this.#observed.delete(id);
      this.#doubted.delete(id);
    }
    for (const [id, key] of wanted) if (!this.#observed.has(id) && given?.has(key.name) !== true) this.#observe(id, key);
    this.#changed();
  }

  #observe(id: string, key: ServiceKey): void {
    const stop = this.#options.registry.observe(key, (instances = []) => {
      this.#tables.update(key, instances);
    });
    this.#observed.set(id, { key, stop });
  }

  #probeSoon(ms: number): void {
    this.#isProbing = !this.#isClosed && this.#doubted.size > 0;
    if (this.#isProbing) this.#clock.after(ms, () => void this.#probe());
  }

  /** Lets those go of which a connection tells that they are gone. */
  async #probe(): Promise<void> {
    const { refuses = refusesConnections } = this.#options;
    const kept = this.#tables
      .memories()
      .filter(({ key }) => this.#doubted.has(idOf(key)))
      .flatMap(({ key, instances }) => instances.map(({ instance, doubt }) => ({ key, instance, doubt })));
    await Promise.all(
      kept.map(async ({ key, instance, doubt }) => {
        if (instance !== undefined && doubt !== undefined && (await refuses(instance))) this.#tables.refused(key, instance.ip, instance.port);
      }),
    );
    this.#probeSoon(PROBE_MS);
  }

  #changed(): void {
    if (this.#isClosed || this.#routes === undefined) return;
    for (const { key } of this.#observed.values()) if (this.#tables.get(key) === undefined) return;
    const now = Date.now();
    if (this.#settling === undefined) this.#changedAtMs = now;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#tell(), Math.min(SETTLE_MS, this.#changedAtMs + MAX_SETTLE_MS - now));
  }

  #tell(): void {
    this.#settling = undefined;
    const { rest, given, onSource } = this.#options;
    // As it is now: what is exported is looked at later.
    const tables = new Map([...this.#observed].map(([id, { key }]) => [id, this.#tables.get(key)?.instances.filter(isUsable)]));
    onSource({
      ...rest,
      document: this.#document,
      routes: this.#routes ?? [],
      instancesOf: (service, group) => given?.get(service) ?? tables.get(idOf({ name: service, group })),
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
