import {
  route,
  SILENT_LOG,
  type Decision,
  type Instance,
  type LaneIndex,
  type Log,
  type ServiceKey,
  type ServiceTables,
  type Tag,
  type TagCodec,
  type SnapshotStore,
} from '@lane/core/model';
import type { LaneRules } from '@lane/core/rules';
import { DEFAULT_CLUSTER, groupedName, signatureOf, toInstances, type NacosInstance } from '../nacos-instance.js';

/** The Nacos that an app's own client talks to. */
export interface ConnectionInfo {
  readonly server: string;
  readonly namespace: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly transport: 'http' | 'grpc';
}

/** An instance that the app has registered, as long as it is there. */
export interface AppRegistration {
  readonly service: string;
  /** `ip:port`. */
  readonly address: string;
  /** Takes it out of the registry, by the app's own client. Rejects where that can't be done. */
  readonly withdraw: () => Promise<void>;
}

/** Metadata that instances announce beside their tag. */
export interface RegistrationAnnouncement {
  /** Registration waits for it; undefined: nothing to wait for. Never rejects. */
  readonly pending: Promise<void> | undefined;
  metadataFor(ip: string): Readonly<Record<string, string>>;
}

/** A piece of work of ours within a call of the app's: the SDK's package, and which one it is. */
export type SdkHook = `${'nacos' | 'nacos-sdk-rust-binding-node'} ${string}`;

/** Options of {@link LaneNaming}. */
export interface LaneNamingOptions {
  /** Gets what the app's own client learns. */
  readonly tables: ServiceTables;
  readonly codec: TagCodec;
  /**
   * Runs code of ours within a call of the app's, so that a defect never reaches the app: gives undefined where `work` throws, or
   * has thrown so often that it is not called again. `what` is one of few constants.
   */
  readonly guard: <R>(what: SdkHook, work: () => R) => R | undefined;
  /** The tag of this instance; undefined: base, and metadata is left alone. */
  readonly tag?: Tag | undefined;
  /** The tag of the work at hand. */
  readonly currentTag: () => Tag | undefined;
  /** The tag of work that belongs to no request. */
  readonly backgroundTag: () => Tag | undefined;
  readonly snapshots?: SnapshotStore | undefined;
  readonly log?: Log | undefined;
  /** Told what the app registers, with the metadata as it goes out. */
  readonly onRegister?: ((key: ServiceKey, metadata: Readonly<Record<string, string>>, registration: AppRegistration) => void) | undefined;
  /** Further metadata of what the app registers. */
  readonly announcement?: RegistrationAnnouncement | undefined;
  /** Told at the first use of each client of the app's. */
  readonly onConnection?: ((info: ConnectionInfo) => void) | undefined;
}

/** The clusters that a list is of: a comma list or an array; empty or undefined for all of them. */
export type Clusters = string | readonly string[] | null | undefined;

/** What is known of the list that {@link LaneNaming.view} is asked about. */
export interface ViewOptions {
  readonly clusters?: Clusters;
  /** Whether the very same array comes again: then what it is filtered to is remembered with it. */
  readonly lasting?: boolean;
}

/** Anything with metadata, as SDKs have instances. */
export interface Described {
  readonly metadata?: unknown;
}

interface Observed {
  readonly key: ServiceKey;
  /** By cluster: an SDK asks for some clusters or all, and each answer is the newest word on those. */
  readonly clusters: Map<string, readonly NacosInstance[]>;
  readonly signatures: Map<string, string>;
  instances: readonly NacosInstance[];
  /** By clusters asked for. */
  readonly indexes: Map<string, LaneIndex>;
  /** Arrays that were taken already: an SDK hands out the same one until something changes. */
  readonly taken: WeakSet<object>;
  rules: LaneRules | undefined;
}

interface Views {
  readonly index: LaneIndex;
  readonly byTag: Map<Tag | undefined, unknown[]>;
}

const MAX_REMEMBERED_VIEWS = 64;
/** How long a snapshot is used before it is read again. */
const RECALL_MS = 10_000;
/** So long after trouble with the server an empty list may mean that it has restarted and not heard the beats yet. */
const EMPTY_GRACE_MS = 15_000;

/** What adapters of SDKs speak to: it knows lanes, they know SDKs. */
export class LaneNaming {
  readonly #options: LaneNamingOptions;
  readonly #log: Log;
  readonly #services = new Map<string, Observed>();
  readonly #views = new WeakMap<readonly unknown[], Views>();
  readonly #recalled = new Map<string, { at: number; instances: NacosInstance[] | undefined }>();
  readonly #met = new WeakSet<object>();
  readonly #said = new Set<string>();
  #troubleAt = -Infinity;

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

  /** Notes a client of the app's at its first use. */
  meet(client: object, describe: () => ConnectionInfo | undefined): void {
    if (this.#met.has(client)) return;
    this.#met.add(client);
    const info = describe();
    if (info !== undefined) this.#options.onConnection?.(info);
  }

  /**
   * Metadata to register an instance of this address with: the app's with the instance's tag and what is announced put in, or the
   * very same object where there is neither. What in it names another lane goes away, and is warned of once.
   */
  tagMetadata(metadata: Readonly<Record<string, string>> | null | undefined, ip = ''): Readonly<Record<string, string>> | null | undefined {
    const { tag, tables, codec, announcement } = this.#options;
    if (tag === undefined) return announcement === undefined ? metadata : { ...metadata, ...announcement.metadataFor(ip) };
    const tagged: Record<string, string> = {};
    const dropped: string[] = [];
    for (const [name, value] of Object.entries(metadata ?? {})) {
      const other = tables.tagOf({ metadata: { [name]: value } });
      if (other === undefined || other === tag) tagged[name] = value;
      else dropped.push(`${name}=${value}`);
    }
    if (dropped.length > 0) {
      this.warnOnce(
        `the app registers with metadata of another lane (${dropped.join(', ')}); this instance is in lane ${tag}, so that metadata is left out: remove it, or change LANE_TAG`,
      );
    }
    return Object.assign(tagged, codec.metadata(tag), announcement?.metadataFor(ip));
  }

  /** What a registration has to wait for; undefined: nothing. */
  get announcing(): Promise<void> | undefined {
    return this.#options.announcement?.pending;
  }

  /** Notes a registration that goes out. */
  registered(key: ServiceKey, metadata: Readonly<Record<string, string>> | null | undefined, address: string, withdraw: () => unknown): void {
    this.#options.onRegister?.(key, metadata ?? {}, { service: key.name, address, withdraw: async () => void (await withdraw()) });
  }

  /** Something went wrong between the app and Nacos: for a while an empty list is not believed. */
  noteTrouble(): void {
    this.#troubleAt = performance.now();
  }

  /**
   * Takes a whole list from the registry, of the clusters named. False where it is not believed: an empty one, soon after
   * trouble, in the place of one that was not.
   */
  observe(key: ServiceKey, hosts: unknown, clusters?: Clusters): boolean {
    const id = groupedName(key);
    let observed = this.#services.get(id);
    if (observed === undefined) {
      observed = { key, clusters: new Map(), signatures: new Map(), instances: [], indexes: new Map(), taken: new WeakSet(), rules: undefined };
    }
    if (Array.isArray(hosts) && observed.taken.has(hosts)) return true;
    const instances = toInstances(hosts);
    const names = namesOf(clusters);
    if (instances.length === 0 && performance.now() - this.#troubleAt < EMPTY_GRACE_MS && selectClusters(observed, names).length > 0) return false;

    const isNew = !this.#services.has(id);
    this.#services.set(id, observed);
    if (replaceClusters(observed, names, instances) || isNew) {
      observed.instances = [...observed.clusters.values()].flat();
      observed.indexes.clear();
      this.#options.tables.update(key, observed.instances);
    }
    if (Array.isArray(hosts)) observed.taken.add(hosts);
    this.#recalled.delete(id);
    this.#options.snapshots?.save(key, observed.instances);
    return true;
  }

  /**
   * A copy of an SDK's list with what a request of `tag` may use: the instances of its lane or of base, in the health in
   * which the list has them. Which of the two is decided as for any request, by the instances that are usable.
   */
  view<T extends Described>(key: ServiceKey, list: readonly T[], tag: Tag | undefined, options: ViewOptions = {}): T[] {
    const index = this.#indexOf(key, list, options.clusters);
    if (options.lasting !== true) return this.#filter(key, list, tag, index);
    let views = this.#views.get(list);
    if (views?.index !== index) {
      views = { index, byTag: new Map() };
      this.#views.set(list, views);
    }
    let view = views.byTag.get(tag) as T[] | undefined;
    if (view === undefined) {
      view = this.#filter(key, list, tag, index);
      if (views.byTag.size < MAX_REMEMBERED_VIEWS) views.byTag.set(tag, view);
    }
    return view.slice();
  }

  /** The decision for a call of `tag` to the clusters named of a service; undefined where nothing was observed. */
  decide(key: ServiceKey, tag: Tag | undefined, clusters?: Clusters): Decision | undefined {
    const observed = this.#services.get(groupedName(key));
    return observed === undefined ? undefined : route(this.#observedIndex(observed, clusters), tag);
  }

  /** Instances from the snapshot, for when the SDK has none because the server is down; undefined: there is no snapshot. */
  recall(key: ServiceKey, clusters?: Clusters): NacosInstance[] | undefined {
    const { snapshots, tables } = this.#options;
    if (snapshots === undefined) return undefined;
    const id = groupedName(key);
    const now = performance.now();
    let recalled = this.#recalled.get(id);
    if (recalled === undefined || now - recalled.at > RECALL_MS) {
      recalled = { at: now, instances: snapshots.load(key)?.map(withCluster) };
      this.#recalled.set(id, recalled);
      if (recalled.instances !== undefined) {
        tables.update(key, recalled.instances, 'snapshot');
        this.warnOnce(
          `Nacos can't be asked for ${key.name}: going on with the ${recalled.instances.length} instances remembered from an earlier run`,
        );
      }
    }
    const names = namesOf(clusters);
    return names === undefined ? recalled.instances : recalled.instances?.filter((instance) => names.includes(instance.cluster));
  }

  /** Runs code of ours within a call of the app's, under the guard; undefined where it failed, or is out. */
  attempt<R>(what: SdkHook, work: () => R): R | undefined {
    return this.#options.guard(what, work);
  }

  /** Says in the log what the operator should know, once. */
  warnOnce(message: string): void {
    if (this.#said.has(message) || this.#said.size >= MAX_SAID) return;
    this.#said.add(message);
    this.#log.warn(message);
  }

  #indexOf(key: ServiceKey, list: readonly Described[], clusters: Clusters): LaneIndex {
    const observed = this.#services.get(groupedName(key));
    return observed === undefined ? this.#listIndex(key, list) : this.#observedIndex(observed, clusters);
  }

  /** Of the list alone: where nothing was observed, or the list is newer. */
  #listIndex(key: ServiceKey, list: readonly Described[]): LaneIndex {
    return this.#options.tables.buildIndex(key.name, toInstances(list));
  }

  #observedIndex(observed: Observed, clusters: Clusters): LaneIndex {
    const { tables } = this.#options;
    if (observed.rules !== tables.rules) {
      observed.rules = tables.rules;
      observed.indexes.clear();
    }
    const names = namesOf(clusters);
    const scope = names === undefined ? '' : names.join(',');
    let index = observed.indexes.get(scope);
    if (index === undefined) {
      const table = names === undefined ? tables.get(observed.key) : undefined;
      index = table?.instances === observed.instances ? table.index : tables.buildIndex(observed.key.name, selectClusters(observed, names));
      observed.indexes.set(scope, index);
    }
    return index;
  }

  #filter<T extends Described>(key: ServiceKey, list: readonly T[], tag: Tag | undefined, index: LaneIndex): T[] {
    const view = this.#keep(list, tag, index);
    if (view.length > 0 || list.length === 0) return view;
    // The list may be of another moment than what was observed: then it speaks for itself.
    return this.#keep(list, tag, this.#listIndex(key, list));
  }

  #keep<T extends Described>(list: readonly T[], tag: Tag | undefined, index: LaneIndex): T[] {
    const { tables } = this.#options;
    const { reason } = route(index, tag);
    // Untagged and nothing usable: base instances as they are, which are the caller's own business; never a lane's.
    if (reason === 'none' && tag !== undefined) return [];
    const { baseMode, isEnabledLane } = index.rules;
    return list.filter((item) => {
      const itemTag = tables.tagOf({ metadata: item.metadata as Record<string, string> });
      if (reason === 'in-lane') return itemTag === tag;
      return itemTag === undefined || (baseMode === 'outside-enabled-lanes' && !isEnabledLane(itemTag));
    });
  }
}

const MAX_SAID = 200;

/** Names of clusters, sorted; undefined: all. */
function namesOf(clusters: Clusters): string[] | undefined {
  if (clusters === undefined || clusters === null || clusters.length === 0) return undefined;
  const names = (typeof clusters === 'string' ? clusters.split(',') : [...clusters]).map((name) => name.trim()).filter((name) => name !== '');
  return names.length === 0 ? undefined : names.sort();
}

function selectClusters(observed: Observed, names: readonly string[] | undefined): readonly NacosInstance[] {
  return names === undefined ? observed.instances : names.flatMap((name) => observed.clusters.get(name) ?? []);
}

/** Replaces what is known of the clusters named by a list; false if that changes nothing. */
function replaceClusters(observed: Observed, names: readonly string[] | undefined, instances: readonly NacosInstance[]): boolean {
  const told = new Map<string, NacosInstance[]>();
  for (const instance of instances) {
    const list = told.get(instance.cluster);
    if (list === undefined) told.set(instance.cluster, [instance]);
    else list.push(instance);
  }
  let changed = false;
  for (const name of new Set([...(names ?? observed.clusters.keys()), ...told.keys()])) {
    const list = told.get(name) ?? [];
    const signature = signatureOf(list);
    if ((observed.signatures.get(name) ?? '') === signature) continue;
    changed = true;
    observed.signatures.set(name, signature);
    observed.clusters.set(name, list);
  }
  return changed;
}

function withCluster(instance: Instance): NacosInstance {
  const { cluster } = instance as Partial<NacosInstance>;
  return { ...instance, cluster: cluster ?? DEFAULT_CLUSTER };
}
