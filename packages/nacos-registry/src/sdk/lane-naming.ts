import {
  route,
  serviceIdOf,
  SILENT_LOG,
  type Decision,
  type Instance,
  type TableIndex,
  type Log,
  type Place,
  type ServiceKey,
  type ServiceTables,
  type Tag,
  type TagCodec,
  type SnapshotStore,
  warmupMetadata,
} from '@lane/core/model';
import { DEFAULT_CLUSTER, LEAVING_METADATA_KEY, signatureOf, toInstances, type NacosInstance } from '../nacos-instance.js';

/** The Nacos that an app's own client talks to. */
export interface ConnectionInfo {
  readonly server: string;
  readonly namespace: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly transport: 'http' | 'grpc';
}

/** An instance that the app has registered, until it is deregistered. */
export interface AppRegistration {
  readonly service: string;
  readonly key: ServiceKey;
  /** `ip:port`. */
  readonly address: string;
  /** Marks it as leaving, through the app's own client: peers under Lane stop calling it. Rejects if that fails. */
  readonly announceLeave: () => Promise<void>;
  /** Deregisters it, through the app's own client. Rejects if that fails. */
  readonly withdraw: () => Promise<void>;
}

/** Operations of an app's own client on its registration. */
export interface RegisteredBy {
  /** Registers the instance again, with this metadata. */
  register(metadata: Readonly<Record<string, string>>): unknown;
  deregister(): unknown;
}

/** Metadata that instances announce besides their tag. */
export interface RegistrationAnnouncement {
  /** Registration waits for it; undefined: nothing to wait for. Never rejects. */
  readonly pending: Promise<void> | undefined;
  metadataFor(ip: string): Readonly<Record<string, string>>;
}

/** A pending registration of the app. */
export interface PendingRegistration {
  readonly service: string;
  readonly ip: string;
  readonly port: number;
}

/** Holds the app's registrations back until it can serve. */
export interface RegistrationGate {
  /**
   * Registers through `go`, now or later; returns the app's answer. Never throws or rejects by itself. `id` is the service and address, for
   * cancelling.
   */
  pass(id: string, registration: PendingRegistration, go: () => unknown): unknown;
  /** The app deregisters: a held registration never goes out. Returns whether one was held. */
  cancel(id: string): boolean;
}

/** Our work within a call of the app: the SDK's package, and the kind of work. */
export type SdkHook = `${'nacos' | 'nacos-sdk-rust-binding-node'} ${string}`;

/** Options of {@link LaneNaming}. */
export interface LaneNamingOptions {
  /** Receives what the app's own client learns. */
  readonly tables: ServiceTables;
  readonly codec: TagCodec;
  /**
   * Runs our code within a call of the app, so that a bug never reaches the app: returns undefined if `work` throws, or
   * has thrown so often that it is disabled. `what` is one of few constants.
   */
  readonly guard: <R>(what: SdkHook, work: () => R) => R | undefined;
  /** The tag of this instance; undefined: base, and metadata stays unchanged. */
  readonly tag?: Tag | undefined;
  /** The tag of the work at hand. */
  readonly currentTag: () => Tag | undefined;
  /** The tag of work that belongs to no request. */
  readonly backgroundTag: () => Tag | undefined;
  readonly snapshots?: SnapshotStore | undefined;
  readonly log?: Log | undefined;
  /** Called with what the app registers, and the final metadata. */
  readonly onRegister?: ((key: ServiceKey, metadata: Readonly<Record<string, string>>, registration: AppRegistration) => void) | undefined;
  /** Called when the app itself deregisters an instance. */
  readonly onDeregister?: ((key: ServiceKey, address: string) => void) | undefined;
  /** Absent: registrations go out at once. */
  readonly gate?: RegistrationGate | undefined;
  /** Warm-up of the app's instances in milliseconds; absent or 0: full weight at once. */
  readonly warmupMs?: number | undefined;
  /** Where this process is: registered as `zone` and `region`, unless the app does that itself. */
  readonly place?: Place | undefined;
  /** Further metadata of what the app registers. */
  readonly announcement?: RegistrationAnnouncement | undefined;
  /** Called at the first use of each of the app's clients. */
  readonly onConnection?: ((info: ConnectionInfo) => void) | undefined;
  /** The namespace of calls by name; undefined, or not known yet: that of the first client. */
  readonly namespace?: (() => string | undefined) | undefined;
}

/** The clusters of a list: a comma-separated list or an array; empty or undefined for all. */
export type Clusters = string | readonly string[] | null | undefined;

/** Options of {@link LaneNaming.view} about its list. */
export interface ViewOptions<T> {
  readonly clusters?: Clusters;
  /** Whether the same array is passed again: then its filtered view is cached with it. */
  readonly lasting?: boolean;
  /** Final filter of the list; always the same function for the same purpose, because it is part of the cache key. Default: all. */
  readonly keeps?: ((host: T) => boolean) | undefined;
  /** Converts an instance in use that the list lacks to one of the SDK. */
  readonly toHost: (instance: NacosInstance) => T;
}

/** Anything with metadata, as SDKs have instances. */
export interface Described {
  readonly metadata?: unknown;
}

interface Observed {
  /** By cluster: an SDK requests some clusters or all, and each answer is the latest state of those. */
  readonly clusters: Map<string, readonly NacosInstance[]>;
  /** By requested clusters: the part of the table in them. */
  readonly scopes: Map<string, Scope>;
  /** Arrays already taken: an SDK returns the same one until something changes. */
  readonly taken: WeakSet<object>;
}

interface Scope {
  /** The index it was built from: replaced when instances or lane groups change. */
  readonly of: TableIndex;
  readonly index: TableIndex;
  readonly instances: readonly NacosInstance[];
}

interface Views {
  readonly index: TableIndex;
  /** By what is kept, then by tag. */
  readonly byPurpose: Map<unknown, Map<Tag | undefined, unknown[]>>;
}

/** Nacos' default namespace. */
const DEFAULT_NAMESPACE = 'public';
const MAX_REMEMBERED_VIEWS = 64;
/** How long a call waits for a list that is being taken. */
const MAX_TAKING_MS = 3_000;
/** How long a snapshot is used before it is read again. */
const RECALL_MS = 10_000;

/** The counterpart of SDK adapters: it knows lanes, they know SDKs. */
export class LaneNaming {
  readonly #options: LaneNamingOptions;
  readonly #log: Log;
  readonly #services = new Map<string, Observed>();
  readonly #views = new WeakMap<readonly unknown[], Views>();
  readonly #recalled = new Map<string, { at: number; instances: NacosInstance[] | undefined }>();
  /** Namespaces in keys of the app's clients; undefined: the one of calls by name. */
  readonly #met = new WeakMap<object, { readonly namespace: string | undefined }>();
  #namespace: string | undefined;
  readonly #said = new Set<string>();
  /** By service and address: what the agent has deregistered by itself. */
  readonly #left = new Map<string, Promise<void>>();
  /** By address: when it was registered first. */
  readonly #startedAt = new Map<string, number>();
  #isAgents = false;

  constructor(options: LaneNamingOptions) {
    this.#options = options;
    this.#log = options.log ?? SILENT_LOG;
  }

  /** The tag of the work at hand. */
  currentTag(): Tag | undefined {
    return this.#options.currentTag();
  }

  /** The tag of work that belongs to no request, such as an SDK's callbacks. */
  backgroundTag(): Tag | undefined {
    return this.#options.backgroundTag();
  }

  /** Notes a client of the app's, and its namespace, at its first use. */
  meet(client: object, namespace: string | undefined, describe: () => ConnectionInfo | undefined): void {
    if (this.#met.has(client)) return;
    this.#met.set(client, { namespace: undefined });
    const info = describe();
    if (info !== undefined) this.#options.onConnection?.(info);
    const own = namespace ?? DEFAULT_NAMESPACE;
    this.#namespace ??= this.#options.namespace?.() ?? own;
    this.#met.set(client, { namespace: own === this.#namespace ? undefined : own });
  }

  /** A client's service, in the client's namespace. */
  keyOf(client: object, name: string, group: string): ServiceKey {
    const namespace = this.#met.get(client)?.namespace;
    return namespace === undefined ? { name, group } : { name, group, namespace };
  }

  /**
   * Metadata for registering an instance of this service and address: the app's with the instance's tag and announcements, or the
   * same object without either. Removes metadata that names another lane, and warns once.
   */
  tagMetadata(
    service: string,
    metadata: Readonly<Record<string, string>> | null | undefined,
    ip = '',
    port: unknown = '',
  ): Readonly<Record<string, string>> | null | undefined {
    const { tag, tables, codec, announcement } = this.#options;
    const own = this.#ownMetadata(`${ip}:${String(port)}`);
    if (tag === undefined)
      return announcement === undefined && own === undefined ? metadata : { ...own, ...metadata, ...announcement?.metadataFor(ip) };
    const tagged: Record<string, string> = { ...own };
    const dropped: string[] = [];
    for (const [name, value] of Object.entries(metadata ?? {})) {
      const other = tables.tagOf(service, { metadata: { [name]: value } });
      if (other === undefined || other === tag) tagged[name] = value;
      else dropped.push(`${name}=${value}`);
    }
    if (dropped.length > 0) {
      this.warnOnce(
        `the app registers with metadata of another lane (${dropped.join(', ')}); this instance is in lane ${tag}, so that metadata is left out: remove it, or change LANE_TAG`,
      );
    }
    return Object.assign(tagged, codec.metadata(tag, service), announcement?.metadataFor(ip));
  }

  /** The agent's metadata, which the app's own overrides; undefined: none. */
  #ownMetadata(address: string): Readonly<Record<string, string>> | undefined {
    const { zone, region } = this.#options.place ?? {};
    const warmup = this.#warmupMetadata(address);
    if (zone === undefined && region === undefined) return warmup;
    return { ...warmup, ...(zone === undefined ? {} : { zone }), ...(region === undefined ? {} : { region }) };
  }

  /** An app that re-registers, for instance to change its metadata, does not restart its warm-up. */
  #warmupMetadata(address: string): Readonly<Record<string, string>> | undefined {
    const { warmupMs = 0 } = this.#options;
    if (warmupMs === 0) return undefined;
    let startedAt = this.#startedAt.get(address);
    if (startedAt === undefined) this.#startedAt.set(address, (startedAt = Date.now()));
    return warmupMetadata(startedAt, warmupMs);
  }

  /**
   * Registers through `go`, as soon as the announcements are known and the app can serve; returns the app's answer. `instances` are the
   * app's.
   */
  register(key: () => ServiceKey, instances: unknown, hook: SdkHook, go: () => unknown): unknown {
    const { announcement, gate } = this.#options;
    const pending = announcement?.pending;
    const held = gate === undefined ? undefined : this.attempt(hook, () => this.#passGate(gate, key(), instances, go));
    if (held !== undefined) return pending === undefined ? held() : pending.then(held);
    return pending === undefined ? go() : pending.then(go);
  }

  #passGate(gate: RegistrationGate, key: ServiceKey, instances: unknown, go: () => unknown): (() => unknown) | undefined {
    const [first] = Array.isArray(instances) ? (instances as unknown[]) : [instances];
    const { ip, port } = (first ?? {}) as { ip?: unknown; port?: unknown };
    if (typeof ip !== 'string' || ip === '' || !Number.isInteger(Number(port)) || Number(port) <= 0 || Number(port) > 65_535) return undefined;
    return () => gate.pass(idOf(key, `${ip}:${String(port)}`), { service: key.name, ip, port: Number(port) }, go);
  }

  /** Whether an SDK call is the agent's own, and goes out unchanged. */
  get isAgents(): boolean {
    return this.#isAgents;
  }

  #asAgent(call: () => unknown): unknown {
    this.#isAgents = true;
    try {
      return call();
    } finally {
      this.#isAgents = false;
    }
  }

  /** Records an outgoing registration. */
  registered(key: ServiceKey, metadata: Readonly<Record<string, string>> | null | undefined, address: string, by: RegisteredBy): void {
    const id = idOf(key, address);
    this.#left.delete(id);
    this.#options.onRegister?.(key, metadata ?? {}, {
      service: key.name,
      key,
      address,
      announceLeave: async () => void (await this.#asAgent(() => by.register({ ...metadata, [LEAVING_METADATA_KEY]: 'true' }))),
      withdraw: () => {
        const left = (async () => void (await this.#asAgent(() => by.deregister())))();
        this.#left.set(id, left);
        left.catch(() => this.#left.delete(id));
        return left;
      },
    });
  }

  /**
   * The app deregisters an instance through `go`; returns the app's answer. Sends nothing if the agent has deregistered it
   * already, or has not registered it yet.
   */
  deregister(key: () => ServiceKey, instance: unknown, hook: SdkHook, go: () => unknown): unknown {
    const known = this.attempt(hook, () => {
      const { ip, port } = (instance ?? {}) as { ip?: unknown; port?: unknown };
      const service = key();
      const address = `${String(ip)}:${String(port)}`;
      const id = idOf(service, address);
      const wasHeld = this.#options.gate?.cancel(id) === true;
      return { service, address, answer: this.#left.get(id) ?? (wasHeld ? Promise.resolve() : undefined) };
    });
    if (known?.answer !== undefined) return known.answer;
    const answered = go();
    const { onDeregister } = this.#options;
    if (known === undefined || onDeregister === undefined || !(answered instanceof Promise)) return answered;
    return answered.then((answer: unknown) => {
      this.attempt(hook, () => onDeregister(known.service, known.address));
      return answer;
    });
  }

  /** Trouble between the app and Nacos: for a while it may not know all instances. */
  noteTrouble(): void {
    this.#options.tables.trouble(true);
  }

  /** Takes a whole list from the registry, for the given clusters. */
  observe(key: ServiceKey, hosts: unknown, clusters?: Clusters): void {
    const id = serviceIdOf(key);
    let observed = this.#services.get(id);
    if (observed === undefined) this.#services.set(id, (observed = { clusters: new Map(), scopes: new Map(), taken: new WeakSet() }));
    if (Array.isArray(hosts)) {
      if (observed.taken.has(hosts)) return;
      observed.taken.add(hosts);
    }
    const { tables, snapshots } = this.#options;
    tables.push(key, putTogether(observed, namesOf(clusters), toInstances(hosts)), 'sdk', (table) => {
      this.#recalled.delete(id);
      if (table !== undefined) snapshots?.save(key, table.instances);
    });
  }

  /**
   * Settles when the first list of a service is in use, which takes several turns of the event loop where it has very many instances; undefined:
   * there is nothing to wait for. Never rejects. Keeps the process alive meanwhile, because a call of the app's waits.
   */
  untilKnown(key: ServiceKey): Promise<void> | undefined {
    const { tables } = this.#options;
    const taken = tables.get(key) === undefined ? tables.whenTaken(key) : undefined;
    if (taken === undefined) return undefined;
    // Take the rest at once, even if that blocks the event loop.
    const impatient = setTimeout(() => this.attempt('nacos first list', () => tables.finish(key)), MAX_TAKING_MS);
    return taken.then(() => clearTimeout(impatient));
  }

  /** Calls `listener` when a service's instances in use change, for any reason. */
  onChange(listener: (key: ServiceKey) => void): void {
    this.#options.tables.onChange(({ key }) => listener(key));
  }

  /**
   * A copy of an SDK's list with what a request of `tag` may use: the instances of its lane or of base, with the list's health,
   * plus those in doubt that are still in use. Usable instances decide between lane and base, as for any
   * request.
   */
  view<T extends Described>(key: ServiceKey, list: readonly T[], tag: Tag | undefined, options: ViewOptions<T>): T[] {
    const scope = this.#scopeOf(key, options.clusters);
    const index = scope?.index ?? this.#listIndex(key, list);
    const { keeps, lasting } = options;
    if (lasting !== true || scope === undefined) return this.#filter(key, list, tag, index, scope, options);
    let views = this.#views.get(list);
    if (views?.index !== index) {
      views = { index, byPurpose: new Map() };
      this.#views.set(list, views);
    }
    let byTag = views.byPurpose.get(keeps);
    if (byTag === undefined) views.byPurpose.set(keeps, (byTag = new Map()));
    let view = byTag.get(tag) as T[] | undefined;
    if (view === undefined) {
      view = this.#filter(key, list, tag, index, scope, options);
      if (byTag.size < MAX_REMEMBERED_VIEWS) byTag.set(tag, view);
    }
    return view.slice();
  }

  /** The decision for a call of `tag` to the given clusters of a service; undefined if nothing is known. */
  decide(key: ServiceKey, tag: Tag | undefined, clusters?: Clusters): Decision | undefined {
    const scope = this.#scopeOf(key, clusters);
    return scope === undefined ? undefined : route(scope.index, tag);
  }

  /** A service's instances in use, or from an earlier run, for when the SDK has none because the server is down; undefined: none. */
  recall(key: ServiceKey, clusters?: Clusters): readonly NacosInstance[] | undefined {
    const scope = this.#scopeOf(key, clusters);
    if (scope !== undefined && scope.instances.length > 0) return scope.instances;
    const { snapshots, tables } = this.#options;
    if (snapshots === undefined) return undefined;
    const id = serviceIdOf(key);
    const now = performance.now();
    let recalled = this.#recalled.get(id);
    if (recalled === undefined || now - recalled.at > RECALL_MS) {
      recalled = { at: now, instances: snapshots.load(key)?.map(withCluster) };
      this.#recalled.set(id, recalled);
      if (recalled.instances !== undefined) {
        tables.push(key, recalled.instances, 'snapshot');
        this.warnOnce(`Nacos can't be asked for ${key.name}: using the ${recalled.instances.length} instances of a snapshot from an earlier run`);
      }
    }
    const names = namesOf(clusters);
    return names === undefined ? recalled.instances : recalled.instances?.filter((instance) => names.includes(instance.cluster));
  }

  /** Runs our code within a call of the app, under the guard; undefined if it failed, or is disabled. */
  attempt<R>(what: SdkHook, work: () => R): R | undefined {
    return this.#options.guard(what, work);
  }

  /** Logs a warning once. */
  warnOnce(message: string): void {
    if (this.#said.has(message) || this.#said.size >= MAX_SAID) return;
    this.#said.add(message);
    this.#log.warn(message);
  }

  /** From the list alone: if nothing else is known, or the list is newer. */
  #listIndex(key: ServiceKey, list: readonly Described[]): TableIndex {
    return this.#options.tables.buildIndex(key.name, toInstances(list));
  }

  /** The table's part in these clusters; undefined: no table. */
  #scopeOf(key: ServiceKey, clusters: Clusters): Scope | undefined {
    const { tables } = this.#options;
    const table = tables.get(key);
    if (table === undefined) return undefined;
    const id = serviceIdOf(key);
    let observed = this.#services.get(id);
    if (observed === undefined) this.#services.set(id, (observed = { clusters: new Map(), scopes: new Map(), taken: new WeakSet() }));
    const names = namesOf(clusters);
    const scopeId = names === undefined ? '' : names.join(',');
    let scope = observed.scopes.get(scopeId);
    if (scope?.of !== table.index) {
      const instances = table.instances.map(withCluster);
      const chosen = names === undefined ? instances : instances.filter(({ cluster }) => names.includes(cluster));
      scope = { of: table.index, instances: chosen, index: names === undefined ? table.index : tables.buildIndex(key.name, chosen) };
      observed.scopes.set(scopeId, scope);
    }
    return scope;
  }

  #filter<T extends Described>(
    key: ServiceKey,
    list: readonly T[],
    tag: Tag | undefined,
    index: TableIndex,
    scope: Scope | undefined,
    { toHost, keeps }: ViewOptions<T>,
  ): T[] {
    const hosts = scope === undefined || this.#options.tables.isAsTold(key) ? list : inUse(list, scope.instances, toHost);
    const kept = keeps === undefined ? hosts : hosts.filter(keeps);
    const view = this.#keep(key, kept, tag, index);
    if (view.length > 0 || kept.length === 0) return view;
    // The list may be from another moment than the observed state: then it counts alone.
    return this.#keep(key, kept, tag, this.#listIndex(key, kept));
  }

  #keep<T extends Described>(key: ServiceKey, list: readonly T[], tag: Tag | undefined, index: TableIndex): T[] {
    const { tables } = this.#options;
    const { reason } = route(index, tag);
    // Untagged and nothing usable: base instances as they are, for the caller to judge; never a lane's.
    if (reason === 'none' && tag !== undefined) return [];
    const { baseMode, isEnabledLane } = index.rules;
    const far = index.far?.get(reason === 'in-lane' ? tag : undefined)?.addresses;
    return list.filter((item) => {
      if (far !== undefined && far.has(addressOf(item))) return false;
      const itemTag = tables.tagOf(key.name, { metadata: item.metadata as Record<string, string> });
      if (reason === 'in-lane') return itemTag === tag;
      return itemTag === undefined || (baseMode === 'outside-enabled-lanes' && !isEnabledLane(itemTag));
    });
  }
}

const MAX_SAID = 200;

function addressOf(item: Described): string {
  const { ip, port } = item as Partial<NacosInstance>;
  return `${ip} ${port}`;
}

/** A registration of this process. */
function idOf(key: ServiceKey, address: string): string {
  return `${serviceIdOf(key)} ${address}`;
}

/** Names of clusters, sorted; undefined: all. */
function namesOf(clusters: Clusters): string[] | undefined {
  if (clusters === undefined || clusters === null || clusters.length === 0) return undefined;
  const names = (typeof clusters === 'string' ? clusters.split(',') : [...clusters]).map((name) => name.trim()).filter((name) => name !== '');
  return names.length === 0 ? undefined : names.sort();
}

/** The state of all clusters after a list of the given ones (undefined: all). */
function putTogether(observed: Observed, names: readonly string[] | undefined, instances: readonly NacosInstance[]): readonly NacosInstance[] {
  const { clusters } = observed;
  if (names === undefined) clusters.clear();
  else for (const name of names) clusters.delete(name);
  const told = new Map<string, NacosInstance[]>();
  for (const instance of instances) {
    const list = told.get(instance.cluster);
    if (list === undefined) told.set(instance.cluster, [instance]);
    else list.push(instance);
  }
  for (const [name, list] of told) clusters.set(name, list);
  return clusters.size === told.size ? instances : [...clusters.values()].flat();
}

/** An SDK's list, corrected by the instances in use. */
function inUse<T extends Described>(list: readonly T[], instances: readonly NacosInstance[], toHost: (instance: NacosInstance) => T): readonly T[] {
  const listed = new Map<string, T>();
  for (const host of list) {
    listed.set(addressOf(host), host);
  }
  return instances.map((instance) => {
    const host = listed.get(`${instance.ip} ${instance.port}`);
    if (host === undefined) return toHost(instance);
    const { healthy, enabled, weight, metadata } = host as Partial<NacosInstance>;
    const isAsListed = healthy === instance.healthy && enabled === instance.enabled && weight === instance.weight;
    return isAsListed && signatureOf([{ ...instance, metadata: metadata ?? {} }]) === signatureOf([instance])
      ? host
      : copyOf(host, { healthy: instance.healthy, enabled: instance.enabled, weight: instance.weight, metadata: instance.metadata });
  });
}

/** Of the same class. */
function copyOf<T extends object>(host: T, changes: object): T {
  return Object.assign(Object.create(Object.getPrototypeOf(host) as object | null) as T, host, changes);
}

function withCluster(instance: Instance): NacosInstance {
  const { cluster } = instance as Partial<NacosInstance>;
  return cluster === undefined ? { ...instance, cluster: DEFAULT_CLUSTER } : (instance as NacosInstance);
}
