/**
 * `nacos-sdk-rust-binding-node` 0.8 (gRPC): the methods of its naming client.
 *
 * Mechanism: as for `nacos`. Its internals are native and can't be observed, so while a service is in use, the
 * server is polled for it every few seconds, past the SDK's cache. By default that cache keeps a service's last instance
 * forever, and empties or hangs during an outage; in such cases the server's answer decides.
 * Limits: client options are visible only if clients are constructed through `decorateClass`. The tables learn of a change
 * at the app's next call or callback, or after the period.
 */
import { chance, LaneUnavailableError, pick, runInLane, type ServiceKey, type Tag } from '@lane/core/model';
import type { Clusters, ConnectionInfo, Described, LaneNaming } from './lane-naming.js';
import { DEFAULT_CLUSTER, DEFAULT_GROUP, groupedName, signatureOf, toInstances, type NacosInstance } from '../nacos-instance.js';
import { callInBackground, outsideLane, withMetadata, type AdapterMethods, type AnyFunction } from './adapter.js';

/** Names of our pieces of work for the guard, which disables a repeatedly failing one without the others. */
const HOOKS = {
  register: 'nacos-sdk-rust-binding-node registerInstance',
  hold: 'nacos-sdk-rust-binding-node registration',
  deregister: 'nacos-sdk-rust-binding-node deregisterInstance',
  registerBatch: 'nacos-sdk-rust-binding-node batchRegisterInstance',
  discover: 'nacos-sdk-rust-binding-node discovery',
  newest: 'nacos-sdk-rust-binding-node newest list',
  known: 'nacos-sdk-rust-binding-node first list',
  view: 'nacos-sdk-rust-binding-node view',
  recall: 'nacos-sdk-rust-binding-node snapshot',
  current: 'nacos-sdk-rust-binding-node current lane',
  choose: 'nacos-sdk-rust-binding-node selectOneHealthyInstance',
  subscribe: 'nacos-sdk-rust-binding-node subscribe',
  unsubscribe: 'nacos-sdk-rust-binding-node unSubscribe',
  listener: 'nacos-sdk-rust-binding-node listener',
  listenerView: "nacos-sdk-rust-binding-node listener's view",
  background: 'nacos-sdk-rust-binding-node background lane',
  follow: 'nacos-sdk-rust-binding-node following',
} as const;

/** An instance as the SDK has it. */
interface Host extends Described {
  readonly ip: string;
  readonly port: number;
  readonly weight?: number;
  readonly healthy?: boolean;
  readonly enabled?: boolean;
}

type Listener = (this: unknown, error: unknown, hosts: readonly Host[], ...rest: unknown[]) => unknown;
type AnyMethod = (this: unknown, ...args: unknown[]) => unknown;
type GetAllInstances = (service: string, group: string, clusters: readonly string[], subscribe: boolean) => Promise<readonly Host[]>;

/** What is known of one service of one client. */
interface Followed {
  readonly key: ServiceKey;
  /** The server's answer, and the SDK's cache at that moment. */
  told: { readonly hosts: readonly Host[]; readonly cached: readonly Host[] } | undefined;
  /** The SDK's list that the tables know. */
  seen: readonly Host[] | undefined;
  readonly listeners: Set<FollowedListener>;
  /** Whether the last poll of the server failed. */
  isLost: boolean;
  /** Periods since its last use. */
  idleTurns: number;
  timer: NodeJS.Timeout | undefined;
}

interface FollowedListener {
  readonly clusters: Clusters;
  signature: string | undefined;
  readonly tell: (hosts: readonly Host[]) => void;
}

const FOLLOW_MS = 3_000;
/** After this many periods without use, a service is no longer polled. */
const MAX_IDLE_TURNS = 20;
/** An SDK that hangs this long counts as disconnected. */
const PATIENCE_MS = 3_000;

const followedByClient = new WeakMap<object, Map<string, Followed>>();
/** The SDK's own getAllInstances, of whatever was decorated. */
const getAllByLanes = new WeakMap<LaneNaming, AnyFunction>();

/** The methods of `nacos-sdk-rust-binding-node`'s naming client. */
export const methods: AdapterMethods = {
  registerInstance: (lanes, original) =>
    function registerInstance(this: unknown, ...args: unknown[]) {
      if (lanes.isAgents) return outsideLane(original as AnyMethod, this, args);
      return lanes.register(keyFrom(lanes, this, args), args[2], HOOKS.hold, () => {
        const tagged = lanes.attempt(HOOKS.register, () => tagInstances(args, (instance) => tagInstance(lanes, this as object, args, instance)));
        return outsideLane(original as AnyMethod, this, tagged ?? args);
      });
    },

  batchRegisterInstance: (lanes, original) =>
    function batchRegisterInstance(this: unknown, ...args: unknown[]) {
      return lanes.register(keyFrom(lanes, this, args), args[2], HOOKS.hold, () => {
        const tagged = lanes.attempt(HOOKS.registerBatch, () =>
          tagInstances(args, (list) => (Array.isArray(list) ? list.map((instance) => tagInstance(lanes, this as object, args, instance)) : list)),
        );
        return outsideLane(original as AnyMethod, this, tagged ?? args);
      });
    },

  deregisterInstance: (lanes, original) =>
    function deregisterInstance(this: unknown, ...args: unknown[]) {
      const go = (): unknown => outsideLane(original as AnyMethod, this, args);
      return lanes.isAgents ? go() : lanes.deregister(keyFrom(lanes, this, args), args[2], HOOKS.deregister, go);
    },

  getAllInstances: (lanes, original) => {
    getAllByLanes.set(lanes, original);
    return function getAllInstances(this: unknown, ...args: unknown[]) {
      return discover(lanes, this as object, original, args);
    };
  },

  selectInstances: (lanes, original) =>
    async function selectInstances(this: unknown, ...args: unknown[]) {
      const getAll = getAllByLanes.get(lanes);
      if (getAll === undefined) return outsideLane(original as AnyMethod, this, args);
      const hosts = await discover(lanes, this as object, getAll, args.slice(0, 4));
      const healthy = args[4] ?? true;
      return hosts.filter((host) => (host.healthy ?? true) === healthy && (host.enabled ?? true) && (host.weight ?? 1) > 0);
    },

  selectOneHealthyInstance: (lanes, original) =>
    async function selectOneHealthyInstance(this: unknown, ...args: unknown[]) {
      const tag = lanes.attempt(HOOKS.current, () => ({ is: lanes.currentTag() }));
      const getAll = getAllByLanes.get(lanes);
      if (getAll === undefined || tag === undefined) return outsideLane(original as AnyMethod, this, args);
      const hosts = await discover(lanes, this as object, getAll, args.slice(0, 4));
      const chosen = lanes.attempt(HOOKS.choose, () => choose(lanes, keyOf(lanes, this as object, args), clustersOf(args[2]), hosts, tag.is));
      if (chosen instanceof LaneUnavailableError) throw chosen;
      return chosen ?? outsideLane(original as AnyMethod, this, args);
    },

  subscribe: (lanes, original) =>
    function subscribe(this: unknown, ...args: unknown[]) {
      const listener = args[3];
      const wrapped =
        typeof listener === 'function' ? lanes.attempt(HOOKS.subscribe, () => listen(lanes, this as object, args, listener as Listener)) : undefined;
      return outsideLane(original as AnyMethod, this, wrapped === undefined ? args : [args[0], args[1], args[2], wrapped, ...args.slice(4)]);
    },

  unSubscribe: (lanes, original) =>
    function unSubscribe(this: unknown, ...args: unknown[]) {
      // The SDK's own unSubscribe does nothing, but the wrapped listener falls silent.
      const wrapped = lanes.attempt(HOOKS.unsubscribe, () => forget(lanes, this as object, args));
      return outsideLane(original as AnyMethod, this, wrapped === undefined ? args : [args[0], args[1], args[2], wrapped, ...args.slice(4)]);
    },
};

/** Notes a client with its options. */
export function constructed(lanes: LaneNaming, client: object, options: unknown): void {
  lanes.meet(client, textOrNone((options as { namespace?: unknown } | undefined)?.namespace), () => describe(options));
}

/** Arguments of a registration with the third one changed; undefined: they stay as they are. */
function tagInstances(args: readonly unknown[], change: (third: unknown) => unknown): unknown[] | undefined {
  const changed = change(args[2]);
  return changed === args[2] ? undefined : [args[0], args[1], changed, ...args.slice(3)];
}

function keyFrom(lanes: LaneNaming, client: unknown, args: readonly unknown[]): () => ServiceKey {
  return () => keyOf(lanes, client as object, args);
}

function tagInstance(lanes: LaneNaming, client: object, args: readonly unknown[], instance: unknown): unknown {
  if (instance === null || typeof instance !== 'object') return instance;
  const { metadata, ip, port } = instance as { metadata?: Record<string, string>; ip?: unknown; port?: unknown };
  const key = keyOf(lanes, client, args);
  const tagged = lanes.tagMetadata(key.name, metadata, String(ip), port);
  const { registerInstance, deregisterInstance } = client as { registerInstance: AnyMethod; deregisterInstance: AnyMethod };
  lanes.registered(key, tagged, `${String(ip)}:${String(port)}`, {
    register: (changed) => outsideLane(registerInstance, client, [args[0], args[1], withMetadata(instance, changed)]),
    deregister: () => outsideLane(deregisterInstance, client, [args[0], args[1], instance]),
  });
  return tagged === metadata ? instance : withMetadata(instance, tagged);
}

/** The SDK's whole list, corrected by the server's answer, as seen from the current lane. Rejects like the SDK. */
async function discover(lanes: LaneNaming, client: object, getAll: AnyFunction, args: unknown[]): Promise<readonly Host[]> {
  const key = keyOf(lanes, client, args);
  const clusters = clustersOf(args[2]);
  const before = lanes.attempt(HOOKS.discover, () => ({ tag: lanes.currentTag(), followed: follow(lanes, client, key) }));
  const ask = (fromCache: unknown): Promise<readonly Host[]> =>
    outsideLane(getAll as AnyMethod, client, [args[0], args[1], args[2], fromCache]) as Promise<readonly Host[]>;
  if (before === undefined) return ask(args[3]);
  const { tag, followed } = before;
  const remembered = (): readonly Host[] | undefined =>
    lanes.attempt(HOOKS.recall, () =>
      followed.told === undefined ? lanes.recall(key, clusters)?.map((instance) => toHost(key, instance)) : inClusters(followed.told.hosts, clusters),
    );

  let hosts: readonly Host[] | undefined;
  let isRemembered = false;
  try {
    hosts = await withinPatience(ask(args[3]), () => remembered() !== undefined);
    // Without a connection, the SDK's cache may be empty: then only the server's answer counts.
    if (hosts?.length === 0 && args[3] !== false && (remembered()?.length ?? 0) > 0) hosts = await withinPatience(ask(false), () => true);
  } catch (error) {
    if (remembered() === undefined) throw error;
    hosts = undefined;
  }
  if (hosts === undefined) {
    lanes.noteTrouble();
    followed.isLost = true;
    hosts = remembered() ?? [];
    isRemembered = true;
  }
  const list = hosts;
  const newest = isRemembered ? list : lanes.attempt(HOOKS.newest, () => reconcile(lanes, followed, list, clusters));
  if (newest === undefined) return list;
  const taken = lanes.attempt(HOOKS.known, () => lanes.untilKnown(key));
  if (taken !== undefined) await taken;
  return lanes.attempt(HOOKS.view, () => lanes.view(key, newest, tag, { clusters, toHost: (instance) => toHost(key, instance) })) ?? list;
}

/** The newer of the SDK's list and the server's answer. */
function reconcile(lanes: LaneNaming, followed: Followed, hosts: readonly Host[], clusters: readonly string[]): readonly Host[] {
  const { key, told, seen } = followed;
  // The SDK still has the list that the server has contradicted.
  if (told !== undefined && isSameList(hosts, inClusters(told.cached, clusters))) return inClusters(told.hosts, clusters);
  if (clusters.length > 0 || (seen !== undefined && isSameList(hosts, seen))) return hosts;
  lanes.observe(key, hosts);
  followed.seen = hosts;
  // The SDK's list is newer than the server's last answer.
  followed.told = { hosts, cached: hosts };
  return hosts;
}

/** Whether two lists are equal in order; fast, because it runs at each call. */
function isSameList(left: readonly Host[], right: readonly Host[]): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) {
    const a = left[i] as Host;
    const b = right[i] as Host;
    if (a.port !== b.port || a.ip !== b.ip || a.healthy !== b.healthy || a.enabled !== b.enabled || a.weight !== b.weight) return false;
    if (!isSameMetadata(a.metadata as Record<string, unknown> | undefined, b.metadata as Record<string, unknown> | undefined)) return false;
  }
  return true;
}

function isSameMetadata(a: Record<string, unknown> = {}, b: Record<string, unknown> = {}): boolean {
  let count = 0;
  for (const name in a) {
    if (a[name] !== b[name]) return false;
    count++;
  }
  for (const _name in b) count--;
  return count === 0;
}

/** The SDK's answer; undefined if it takes long and there is an alternative. */
async function withinPatience<T>(answer: Promise<T>, hasOther: () => boolean): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      if (hasOther()) resolve(undefined);
    }, PATIENCE_MS);
    timer.unref();
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** One usable instance of a view, by weight; an error if the service has instances but none for this tag. */
function choose(
  lanes: LaneNaming,
  key: ServiceKey,
  clusters: readonly string[],
  hosts: readonly Host[],
  tag: Tag | undefined,
): Host | LaneUnavailableError | undefined {
  const decision = lanes.decide(key, tag, clusters);
  if (decision === undefined) return undefined;
  const chosen = pick(decision, chance);
  if (chosen === undefined) return new LaneUnavailableError(key, tag);
  return hosts.find((host) => host.ip === chosen.ip && host.port === chosen.port);
}

// Following services

function follow(lanes: LaneNaming, client: object, key: ServiceKey): Followed {
  let services = followedByClient.get(client);
  if (services === undefined) followedByClient.set(client, (services = new Map()));
  const id = groupedName(key);
  let followed = services.get(id);
  if (followed === undefined) {
    followed = { key, told: undefined, seen: undefined, listeners: new Set(), isLost: false, idleTurns: 0, timer: undefined };
    services.set(id, followed);
  }
  followed.idleTurns = 0;
  const getAll = getAllByLanes.get(lanes) as GetAllInstances | undefined;
  if (followed.timer === undefined && getAll !== undefined) {
    const following = followed;
    runInLane(undefined, () => scheduleTurn(lanes, client, getAll, following));
  }
  return followed;
}

function scheduleTurn(lanes: LaneNaming, client: object, getAll: GetAllInstances, followed: Followed): void {
  followed.timer = setTimeout(() => {
    void askServer(lanes, client, getAll, followed).finally(() => {
      followed.timer = undefined;
      if (++followed.idleTurns <= MAX_IDLE_TURNS || followed.listeners.size > 0) scheduleTurn(lanes, client, getAll, followed);
    });
  }, FOLLOW_MS);
  followed.timer.unref();
}

async function askServer(lanes: LaneNaming, client: object, getAll: GetAllInstances, followed: Followed): Promise<void> {
  const { name, group } = followed.key;
  const ask = (fromCache: boolean): Promise<readonly Host[]> => Reflect.apply(getAll, client, [name, group, [], fromCache]);
  const since = performance.now();
  try {
    const cached = await ask(true);
    const hosts = await ask(false);
    // Calls hang during an outage. One that has just ended counts, too: the server may not know all instances yet.
    if (followed.isLost || performance.now() - since > PATIENCE_MS) lanes.noteTrouble();
    followed.isLost = false;
    lanes.attempt(HOOKS.follow, () => {
      lanes.observe(followed.key, hosts);
      followed.told = { hosts, cached };
      followed.seen = undefined;
      for (const listener of followed.listeners) tellNews(listener, inClusters(hosts, listener.clusters));
    });
  } catch {
    followed.isLost = true;
    lanes.noteTrouble();
  }
}

function tellNews(listener: FollowedListener, hosts: readonly Host[]): void {
  const signature = signatureOf(toInstances(hosts));
  // The listener has heard nothing yet: the first call is the SDK's.
  if (listener.signature === undefined || listener.signature === signature) return;
  listener.signature = signature;
  listener.tell(hosts);
}

// Subscriptions

interface Subscription {
  readonly wrapped: Listener;
  readonly followed: Followed;
  readonly listener: FollowedListener;
  isActive: boolean;
}

const subscriptions = new WeakMap<object, Map<string, Map<Listener, Subscription>>>();

function subscriptionsOf(lanes: LaneNaming, client: object, args: readonly unknown[]): Map<Listener, Subscription> {
  let services = subscriptions.get(client);
  if (services === undefined) subscriptions.set(client, (services = new Map()));
  const id = `${groupedName(keyOf(lanes, client, args))}@@${clustersOf(args[2]).join(',')}`;
  let known = services.get(id);
  if (known === undefined) services.set(id, (known = new Map()));
  return known;
}

/** The listener to subscribe in the place of the app's. */
function listen(lanes: LaneNaming, client: object, args: readonly unknown[], listener: Listener): Listener {
  const key = keyOf(lanes, client, args);
  const clusters = clustersOf(args[2]);
  const known = subscriptionsOf(lanes, client, args);
  const earlier = known.get(listener);
  if (earlier !== undefined) earlier.isActive = false;

  const view = (hosts: readonly Host[]): readonly Host[] =>
    lanes.attempt(HOOKS.listenerView, () =>
      lanes.view(key, hosts, lanes.backgroundTag(), { clusters, toHost: (instance) => toHost(key, instance) }),
    ) ?? hosts;
  const told: FollowedListener = {
    clusters,
    signature: undefined,
    tell: (hosts) => callInBackground(lanes, HOOKS.background, listener, undefined, [null, view(hosts)]),
  };
  const wrapped: Listener = function wrapped(this: unknown, error, hosts, ...rest) {
    if (!subscription.isActive) return undefined;
    if (!Array.isArray(hosts)) return callInBackground(lanes, HOOKS.background, listener, this, [error, hosts, ...rest]);
    lanes.attempt(HOOKS.listener, () => {
      if (clusters.length === 0) lanes.observe(key, hosts);
      told.signature = signatureOf(toInstances(hosts));
    });
    return callInBackground(lanes, HOOKS.background, listener, this, [error, view(hosts), ...rest]);
  };
  const followed = follow(lanes, client, key);
  const subscription: Subscription = { wrapped, followed, listener: told, isActive: true };
  followed.listeners.add(told);
  known.set(listener, subscription);
  return wrapped;
}

/** The listener that was subscribed in the place of the app's, now silent. */
function forget(lanes: LaneNaming, client: object, args: readonly unknown[]): Listener | undefined {
  const known = subscriptionsOf(lanes, client, args);
  const subscription = known.get(args[3] as Listener);
  if (subscription === undefined) return undefined;
  subscription.isActive = false;
  subscription.followed.listeners.delete(subscription.listener);
  known.delete(args[3] as Listener);
  return subscription.wrapped;
}

// Shapes

function describe(options: unknown): ConnectionInfo | undefined {
  const { serverAddr, namespace, username, password } = (options ?? {}) as Record<string, unknown>;
  const server = textOrNone(serverAddr);
  if (server === undefined) return undefined;
  return { server, namespace: textOrNone(namespace), username: textOrNone(username), password: textOrNone(password), transport: 'grpc' };
}

function keyOf(lanes: LaneNaming, client: object, args: readonly unknown[]): ServiceKey {
  return lanes.keyOf(client, String(args[0]), textOrNone(args[1]) ?? DEFAULT_GROUP);
}

function clustersOf(clusters: unknown): readonly string[] {
  return Array.isArray(clusters) ? (clusters as string[]).filter((name) => name !== '') : [];
}

function inClusters(hosts: readonly Host[], clusters: Clusters): readonly Host[] {
  if (clusters === undefined || clusters === null || clusters.length === 0) return hosts;
  return hosts.filter((host) => clusters.includes((host as { clusterName?: string }).clusterName ?? DEFAULT_CLUSTER));
}

function toHost(key: ServiceKey, instance: NacosInstance): Host {
  const { ip, port, weight, healthy, enabled, metadata, cluster } = instance;
  return {
    ip,
    port,
    weight,
    healthy,
    enabled,
    ephemeral: true,
    clusterName: cluster,
    serviceName: groupedName(key),
    metadata: { ...metadata },
  } as Host;
}

function textOrNone(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
