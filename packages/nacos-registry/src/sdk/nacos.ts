/**
 * `nacos` 2.x (HTTP API v1) and 3.x (gRPC unless told otherwise): the methods of its naming client. 3.x is nacos-group/nacos-sdk-nodejs since its
 * pull request 146; over gRPC it has no UDP push, the rest is unchanged.
 *
 * Mechanism: the app's registrations get the tag; discovered instances are filtered by the current lane, in copies.
 * At the first use of a client, its `_hostReactor`, if there is one, gets four changes (all missing in 2.6.3):
 * - an empty list is believed. The SDK drops it, so a service's last instance stays in its cache forever.
 * - a push is a hint, not a list (`nacos-push.ts`).
 * - concurrent calls for a service share one answer. In the SDK the second one rejects after 30 s if the
 *   service is empty.
 * - an answer for some clusters of a service is also one for the cache entries of others. The SDK keeps an entry for each
 *   combination, and the server pushes to the latest only.
 * The SDK believes every list. We leave its cache alone, and correct what the app and its listeners get by the instances
 * in use (`LaneNaming.view`).
 * Limit: an app with clients of several servers should not use services of the same name in namespaces of the same name there.
 */
import { chance, jsonNumber, pick, runInLane, type ServiceKey } from '@lane/core/model';
import type { ConnectionInfo, Described, LaneNaming } from './lane-naming.js';
import { DEFAULT_CLUSTER, DEFAULT_GROUP, groupedName, parseGroupedName, signatureOf, toInstances, type NacosInstance } from '../nacos-instance.js';
import { wrap } from '@lane/core/agent';
import { callInBackground, outsideLane, withMetadata, type AdapterMethods, type AnyFunction } from './adapter.js';
import { hearPushes } from './nacos-push.js';

/** Names of our pieces of work for the guard, which disables a repeatedly failing one without the others. */
const HOOKS = {
  register: 'nacos registerInstance',
  hold: 'nacos registration',
  deregister: 'nacos deregisterInstance',
  discover: 'nacos discovery',
  choose: 'nacos selectOneHealthyInstance',
  known: 'nacos first list',
  view: 'nacos view',
  recall: 'nacos snapshot',
  subscribe: 'nacos subscribe',
  unsubscribe: 'nacos unSubscribe',
  listener: 'nacos listener',
  background: 'nacos background lane',
  pushed: 'nacos pushed list',
  emptied: 'nacos emptied list',
  changed: 'nacos changed list',
} as const;

/** An instance as the SDK has it. */
interface Host extends Described {
  readonly ip: string;
  readonly port: number;
  readonly healthy?: boolean;
  readonly enabled?: boolean;
  readonly weight?: number;
}

type Listener = (this: unknown, hosts: readonly Host[], ...rest: unknown[]) => unknown;

interface ServiceInfo {
  hosts: readonly Host[];
  readonly name: string;
  readonly clusters?: string;
  readonly lastRefTime?: number;
  jsonFromServer?: string;
}

/** The SDK's internals that we use, if present. */
interface HostReactor {
  _serviceInfoMap: Map<string, ServiceInfo>;
  _updatingSet: Set<string>;
  processServiceJSON: (this: HostReactor, json: string) => unknown;
  getServiceInfo: (this: HostReactor, serviceName: string, clusters?: string) => Promise<unknown>;
  emit(event: string, ...args: unknown[]): boolean;
}

interface Client {
  readonly options?: Record<string, unknown>;
  readonly _hostReactor?: unknown;
  readonly _serverProxy?: unknown;
  /** From 3.x on; earlier ones speak HTTP only. */
  readonly _transport?: unknown;
  selectInstances?(...args: unknown[]): unknown;
  registerInstance?(...args: unknown[]): unknown;
  deregisterInstance?(...args: unknown[]): unknown;
}

interface ServerProxy {
  serversFromEndpoint?: unknown;
  _reqAPI?: RequestApi;
}
type RequestApi = (this: unknown, ...args: unknown[]) => Promise<unknown>;

/** Our state for one client's reactor. */
interface ReactorState {
  /** Cache keys for which the server has answered. */
  readonly told: Set<string>;
  /** Cache keys that are being asked for the first time. */
  readonly asking: Map<string, Promise<unknown>>;
  /** Whether the reactor is processing a list, and will notify listeners itself. */
  isTaking: boolean;
}

interface Subscription {
  readonly wrapped: Listener;
  count: number;
}

/** The methods of `nacos`'s naming client. */
export const methods: AdapterMethods = {
  registerInstance: (lanes, original) =>
    function registerInstance(this: unknown, ...args: unknown[]) {
      if (lanes.isAgents) return outsideLane(original as AnyMethod, this, args);
      return lanes.register(keyFrom(lanes, this as Client, args), args[1], HOOKS.hold, () => {
        const tagged = lanes.attempt(HOOKS.register, () => {
          meet(lanes, this as Client);
          return tagInstance(lanes, this as Client, args);
        });
        return outsideLane(original as AnyMethod, this, tagged ?? args);
      });
    },

  deregisterInstance: (lanes, original) =>
    function deregisterInstance(this: unknown, ...args: unknown[]) {
      const go = (): unknown => outsideLane(original as AnyMethod, this, args);
      return lanes.isAgents ? go() : lanes.deregister(keyFrom(lanes, this as Client, args), args[1], HOOKS.deregister, go);
    },

  getAllInstances: (lanes, original) => {
    const isPlain = isPlainQuery(original);
    return function getAllInstances(this: unknown, ...args: unknown[]) {
      return discover(lanes, this as Client, original, args, {
        clusters: clustersOf(args[2], ''),
        lasting: true,
        keeps: undefined,
        fromCache: isPlain && (args[3] === undefined || args[3] === true),
      });
    };
  },

  selectInstances: (lanes, original) => {
    const isPlain = isPlainQuery(original);
    return function selectInstances(this: unknown, ...args: unknown[]) {
      const isHealthy = args[3] === undefined ? true : args[3];
      return discover(lanes, this as Client, original, args, {
        clusters: clustersOf(args[2], ''),
        lasting: false,
        keeps: isHealthy === true ? isSelectedHealthy : isSelectedUnhealthy,
        fromCache: isPlain && typeof isHealthy === 'boolean' && (args[4] === undefined || args[4] === true),
      });
    };
  },

  selectOneHealthyInstance: (lanes, original) =>
    async function selectOneHealthyInstance(this: unknown, ...args: unknown[]) {
      const client = this as Client;
      const [service, group, clusters, subscribed] = args;
      const asked = lanes.attempt(HOOKS.choose, () => ({ tag: lanes.currentTag(), select: client.selectInstances as AnyMethod }));
      if (typeof asked?.select !== 'function') return outsideLane(original as AnyMethod, this, args);
      // That selectInstances is decorated, too.
      const hosts = (await Reflect.apply(asked.select, client, [service, group, clusters, true, subscribed])) as readonly Host[];
      return (
        lanes.attempt(HOOKS.choose, () => {
          const decision = lanes.decide(keyOf(lanes, client, service, group), asked.tag, clustersOf(clusters, ''));
          const chosen = decision === undefined ? undefined : pick(decision, chance);
          return hosts.find(({ ip, port }) => ip === chosen?.ip && port === chosen?.port);
        }) ??
        hosts[Math.floor(Math.random() * hosts.length)] ??
        null
      );
    },

  subscribe: (lanes, original) =>
    function subscribe(this: unknown, ...args: unknown[]) {
      const client = this as Client;
      const listener = args[1];
      const wrapped =
        typeof listener === 'function' ? lanes.attempt(HOOKS.subscribe, () => listen(lanes, client, args[0], listener as Listener)) : undefined;
      const result = outsideLane(original as AnyMethod, this, wrapped === undefined ? args : [args[0], wrapped, ...args.slice(2)]);
      if (wrapped !== undefined) lanes.attempt(HOOKS.recall, () => tellSnapshotIfUntold(lanes, client, args[0], listener as Listener));
      return result;
    },

  unSubscribe: (lanes, original) =>
    function unSubscribe(this: unknown, ...args: unknown[]) {
      const wrapped = lanes.attempt(HOOKS.unsubscribe, () => forget(lanes, this as Client, args[0], args[1] as Listener | undefined));
      return outsideLane(original as AnyMethod, this, wrapped === undefined ? args : [args[0], wrapped, ...args.slice(2)]);
    },
};

/** The filters of selectInstances; two functions, as cache keys. */
const isSelectedHealthy = (host: Host): boolean => host.healthy === true && isSelectable(host);
const isSelectedUnhealthy = (host: Host): boolean => host.healthy === false && isSelectable(host);

function isSelectable({ enabled, weight }: Host): boolean {
  return enabled === true && jsonNumber(weight) > 0;
}

/** Whether a query is the SDK's original, which filters its reactor's list: then we take the list from there. */
function isPlainQuery(original: AnyFunction): boolean {
  return Function.prototype.toString.call(original).includes('_hostReactor.getServiceInfo');
}

type AnyMethod = (this: unknown, ...args: unknown[]) => unknown;

/** Arguments of registerInstance with the tag in the metadata; undefined: they stay as they are. */
function tagInstance(lanes: LaneNaming, client: Client, args: readonly unknown[]): unknown[] | undefined {
  const [service, instance, group, ...rest] = args as [unknown, unknown, unknown];
  if (instance === null || typeof instance !== 'object') return undefined;
  const { metadata, ip, port } = instance as { metadata?: Record<string, string>; ip?: unknown; port?: unknown };
  const key = keyOf(lanes, client, service, group);
  const tagged = lanes.tagMetadata(key.name, metadata, String(ip), port);
  lanes.registered(key, tagged, `${String(ip)}:${String(port)}`, {
    register: (changed) => outsideLane(client.registerInstance as AnyMethod, client, [service, withMetadata(instance, changed), group]),
    deregister: () => outsideLane(client.deregisterInstance as AnyMethod, client, [service, instance, group]),
  });
  if (tagged === metadata) return undefined;
  return [service, withMetadata(instance, tagged), group, ...rest];
}

interface Discovery {
  readonly clusters: string;
  /** Whether the SDK hands out the very same array again. */
  readonly lasting: boolean;
  /** The method's filter; undefined: all. */
  readonly keeps: ((host: Host) => boolean) | undefined;
  /** Whether the method only reads the reactor's list. */
  readonly fromCache: boolean;
}

async function discover(lanes: LaneNaming, client: Client, original: AnyFunction, args: unknown[], discovery: Discovery): Promise<unknown> {
  const before = lanes.attempt(HOOKS.discover, () => {
    const state = meet(lanes, client);
    return { tag: lanes.currentTag(), state, key: keyOf(lanes, client, args[0], args[1]) };
  });
  // The asking lane is unknown: the SDK's whole list is better than base's.
  if (before === undefined) return outsideLane(original as AnyMethod, client, args);
  const { tag, state, key } = before;
  const { clusters, keeps } = discovery;
  const { _hostReactor: reactor } = client;
  const toSdk = (instance: NacosInstance): Host => toHost(key, instance);
  let list: unknown;
  // Lists of the reactor last until something changes, and so do the views of them.
  let { lasting } = discovery;
  try {
    if (state !== undefined && discovery.fromCache && isReactor(reactor)) {
      const info = (await outsideLane(reactor.getServiceInfo as AnyMethod, reactor, [groupedName(key), clusters])) as ServiceInfo | null | undefined;
      list = info?.hosts ?? [];
      lasting = true;
    } else {
      list = await outsideLane(original as AnyMethod, client, args);
    }
  } catch (error) {
    list = lanes.attempt(HOOKS.recall, () => recall(lanes, key, clusters));
    if (list === undefined) throw error;
    lasting = false;
  }
  if (!Array.isArray(list)) return list;
  const taken = lanes.attempt(HOOKS.known, () => {
    // No internals to listen to: observe the lists that the SDK returns.
    if (state === undefined && lasting) lanes.observe(key, list, clusters);
    return lanes.untilKnown(key);
  });
  if (taken !== undefined) await taken;
  const result = lanes.attempt(HOOKS.view, () => {
    let hosts = list as readonly Host[];
    if (state !== undefined && hosts.length === 0 && !state.told.has(cacheKey(key, clusters))) {
      hosts = recall(lanes, key, clusters) ?? hosts;
      if (hosts !== list) lasting = false;
    }
    return lanes.view(key, hosts, tag, { clusters, lasting, keeps, toHost: toSdk });
  });
  return result ?? (keeps === undefined ? list : list.filter(keeps as (host: unknown) => boolean));
}

/** Instances in use, or remembered, in the SDK's form; undefined: none. */
function recall(lanes: LaneNaming, key: ServiceKey, clusters: string): Host[] | undefined {
  return lanes.recall(key, clusters)?.map((instance) => toHost(key, instance));
}

function toHost(key: ServiceKey, instance: NacosInstance): Host {
  const { ip, port, weight, healthy, enabled, metadata, cluster } = instance;
  const serviceName = groupedName(key);
  return {
    instanceId: `${ip}#${port}#${cluster}#${serviceName}`,
    ip,
    port,
    weight,
    healthy,
    enabled,
    ephemeral: true,
    clusterName: cluster,
    serviceName,
    metadata: { ...metadata },
  } as Host;
}

// Subscriptions

const subscriptions = new WeakMap<object, Map<string, Map<Listener, Subscription>>>();

/** What subscribe and unSubscribe take: a service name, or { serviceName, groupName, clusters }. Without clusters the SDK takes DEFAULT here. */
function parseInfo(lanes: LaneNaming, client: Client, info: unknown): { key: ServiceKey; clusters: string } {
  if (typeof info === 'string') return { key: keyOf(lanes, client, info, undefined), clusters: DEFAULT_CLUSTER };
  const { serviceName, groupName, clusters } = info as { serviceName?: unknown; groupName?: unknown; clusters?: unknown };
  const group = groupName === '' || groupName === null ? undefined : groupName;
  return { key: keyOf(lanes, client, serviceName, group), clusters: clustersOf(clusters, DEFAULT_CLUSTER) };
}

/** The listener to subscribe in the place of the app's. */
function listen(lanes: LaneNaming, client: Client, info: unknown, listener: Listener): Listener {
  const state = meet(lanes, client);
  const { key, clusters } = parseInfo(lanes, client, info);
  const id = cacheKey(key, clusters);
  const known = listenersOf(client, id);
  let subscription = known.get(listener);
  if (subscription === undefined) {
    subscription = { wrapped: wrapListener(lanes, listener, key, clusters, state !== undefined), count: 0 };
    known.set(listener, subscription);
  }
  subscription.count++;
  return subscription.wrapped;
}

function listenersOf(client: object, id: string): Map<Listener, Subscription> {
  let services = subscriptions.get(client);
  if (services === undefined) subscriptions.set(client, (services = new Map()));
  let known = services.get(id);
  if (known === undefined) services.set(id, (known = new Map()));
  return known;
}

function wrapListener(lanes: LaneNaming, listener: Listener, key: ServiceKey, clusters: string, isObserved: boolean): Listener {
  const filter = (hosts: readonly Host[], rest: unknown[]): [readonly Host[], ...unknown[]] =>
    lanes.attempt(HOOKS.listener, () => {
      if (!isObserved) lanes.observe(key, hosts, clusters);
      const view = lanes.view(key, hosts, lanes.backgroundTag(), { clusters, lasting: true, toHost: (instance) => toHost(key, instance) });
      // Behind the list comes the SDK's own record, which has the list too.
      return [view, ...rest.map((value) => (isInfoOf(value, hosts) ? withHosts(value, view) : value))] as [readonly Host[], ...unknown[]];
    }) ?? [hosts, ...rest];

  // The SDK recognizes generator functions by their kind, and runs them in its own way.
  if (Object.prototype.toString.call(listener) === '[object GeneratorFunction]') {
    return function* wrapped(this: unknown, hosts: readonly Host[], ...rest: unknown[]): Generator<unknown, unknown> {
      return yield* Reflect.apply(listener, this, filter(hosts, rest)) as Generator<unknown, unknown>;
    };
  }
  return function wrapped(this: unknown, hosts: readonly Host[], ...rest: unknown[]): unknown {
    return callInBackground(lanes, HOOKS.background, listener, this, filter(hosts, rest));
  };
}

function isInfoOf(value: unknown, hosts: readonly Host[]): value is ServiceInfo {
  return value !== null && typeof value === 'object' && (value as { hosts?: unknown }).hosts === hosts;
}

function withHosts(info: ServiceInfo, hosts: readonly Host[]): ServiceInfo {
  return Object.assign(Object.create(Object.getPrototypeOf(info) as object | null) as ServiceInfo, info, { hosts });
}

/** The listener that was subscribed in the place of this one; undefined: the app's own, or all of them. */
function forget(lanes: LaneNaming, client: Client, info: unknown, listener: Listener | undefined): Listener | undefined {
  const { key, clusters } = parseInfo(lanes, client, info);
  const known = listenersOf(client, cacheKey(key, clusters));
  if (listener === undefined || listener === null) {
    known.clear();
    return undefined;
  }
  const subscription = known.get(listener);
  if (subscription === undefined) return undefined;
  if (--subscription.count === 0) known.delete(listener);
  return subscription.wrapped;
}

/** A new subscriber without an answer of the server gets remembered instances: the SDK would leave it without. */
function tellSnapshotIfUntold(lanes: LaneNaming, client: Client, info: unknown, listener: Listener): void {
  const state = stateOf(client);
  if (state === undefined) return;
  const { key, clusters } = parseInfo(lanes, client, info);
  const id = cacheKey(key, clusters);
  const asking = state.asking.get(id);
  if (asking === undefined) return;
  const tell = (): void => {
    const subscription = listenersOf(client, id).get(listener);
    if (state.told.has(id) || subscription === undefined) return;
    const hosts = lanes.attempt(HOOKS.recall, () => recall(lanes, key, clusters));
    if (hosts !== undefined && hosts.length > 0) setImmediate(() => Reflect.apply(subscription.wrapped, client, [hosts]));
  };
  runInLane(undefined, () => void asking.then(tell, tell));
}

// The client's inner workings

const reactorStates = new WeakMap<object, ReactorState>();

function stateOf(client: Client): ReactorState | undefined {
  return isReactor(client._hostReactor) ? reactorStates.get(client._hostReactor) : undefined;
}

/** Notes a client at its first use; returns the state of its reactor, if it has a known kind. */
function meet(lanes: LaneNaming, client: Client): ReactorState | undefined {
  lanes.meet(client, textOrNone(client.options?.['namespace']), () => describe(client));
  const { _hostReactor: reactor } = client;
  if (!isReactor(reactor)) return undefined;
  let state = reactorStates.get(reactor);
  if (state === undefined) {
    state = { told: new Set(), asking: new Map(), isTaking: false };
    reactorStates.set(reactor, state);
    hearPushes(lanes, reactor, () => describe(client)?.server);
    changeReactor(lanes, client, reactor, state);
    watchTrouble(lanes, client._serverProxy as ServerProxy | undefined);
  }
  return state;
}

function isReactor(value: unknown): value is HostReactor {
  if (value === null || typeof value !== 'object') return false;
  const { _serviceInfoMap, _updatingSet, processServiceJSON, getServiceInfo, emit } = value as Partial<HostReactor>;
  return (
    _serviceInfoMap instanceof Map &&
    _updatingSet instanceof Set &&
    typeof processServiceJSON === 'function' &&
    typeof getServiceInfo === 'function' &&
    typeof emit === 'function'
  );
}

function describe(client: Client): ConnectionInfo | undefined {
  const { serverList, namespace, username, password, ssl } = client.options ?? {};
  const fromEndpoint = (client._serverProxy as ServerProxy | undefined)?.serversFromEndpoint;
  const listed = Array.isArray(serverList) ? serverList : typeof serverList === 'string' ? serverList.split(',') : [];
  const servers = (listed.length > 0 ? listed : Array.isArray(fromEndpoint) ? fromEndpoint : [])
    .map((server) => String(server).trim())
    .filter((server) => server !== '');
  if (servers.length === 0) return undefined;
  return {
    server: servers
      .map((server) => (ssl === true && !server.includes('://') ? `https://${server.includes(':') ? server : `${server}:8848`}` : server))
      .join(','),
    namespace: textOrNone(namespace),
    username: textOrNone(username),
    password: textOrNone(password),
    transport: client._transport === 'grpc' ? 'grpc' : 'http',
  };
}

function changeReactor(lanes: LaneNaming, client: Client, reactor: HostReactor, state: ReactorState): void {
  // Lists from before our start.
  for (const [id, info] of reactor._serviceInfoMap) {
    if (!Array.isArray(info.hosts) || info.hosts.length === 0) continue;
    state.told.add(id);
    lanes.observe(keyOfCached(lanes, client, info.name), info.hosts, info.clusters);
  }

  wrap(reactor, 'processServiceJSON', (original: HostReactor['processServiceJSON']) => {
    return function processServiceJSONKnowingEmpty(this: HostReactor, json: string): unknown {
      const taken = lanes.attempt(HOOKS.pushed, () => take(lanes, client, this, state, json));
      if (taken === undefined) return Reflect.apply(original, this, [json]);
      tellIfEmptied(lanes, this, json, taken.data);
      const result = Reflect.apply(original, this, [json]);
      for (const other of taken.others) {
        const text = JSON.stringify(other);
        tellIfEmptied(lanes, this, text, other);
        Reflect.apply(original, this, [text]);
      }
      return result;
    };
  });

  // Doubts end, and other clients hear of changes first: notify the app's listeners even without an answer to this SDK.
  lanes.onChange((key) => {
    if (state.isTaking) return;
    lanes.attempt(HOOKS.changed, () => {
      const name = groupedName(key);
      if (keyOfCached(lanes, client, name).namespace !== key.namespace) return;
      for (const [id, info] of reactor._serviceInfoMap) {
        if (info.name === name && state.told.has(id)) reactor.emit(`${id}_changed`, info.hosts, info);
      }
    });
  });

  wrap(reactor, 'getServiceInfo', (original: HostReactor['getServiceInfo']) => {
    return function getServiceInfoOnce(this: HostReactor, serviceName: string, clusters?: string): Promise<unknown> {
      const id = joinKey(serviceName, clusters === undefined ? DEFAULT_CLUSTER : clusters);
      const underWay = state.asking.get(id);
      if (underWay !== undefined) return underWay;
      const asked = Reflect.apply(original, this, [serviceName, clusters]);
      if (state.told.has(id)) return asked;
      const shared = Promise.resolve(asked).finally(() => state.asking.delete(id));
      state.asking.set(id, shared);
      return shared;
    };
  });
}

interface ServiceJson {
  readonly name?: string;
  readonly dom?: string;
  readonly clusters?: string;
  readonly hosts?: readonly Host[];
  readonly lastRefTime?: number;
}

/** Processes a list, and updates the SDK's other cache entries of that service. */
interface Taken {
  readonly data: ServiceJson;
  readonly others: readonly ServiceJson[];
}

/** Takes the server's answer for a service; undefined if it is not a list. */
function take(lanes: LaneNaming, client: Client, reactor: HostReactor, state: ReactorState, json: string): Taken | undefined {
  const data = JSON.parse(json) as ServiceJson;
  const name = data.name ?? data.dom;
  if (name === undefined || !Array.isArray(data.hosts)) return undefined;
  const hosts = data.hosts as readonly Host[];
  const clusters = data.clusters ?? '';
  state.isTaking = true;
  try {
    lanes.observe(keyOfCached(lanes, client, name), hosts, clusters);
  } finally {
    state.isTaking = false;
  }
  state.told.add(joinKey(name, clusters));
  return { data, others: inferOthers(reactor, state, name, data, hosts) };
}

/** For an empty list, updates the cache and the app's listeners, which the SDK does not. */
function tellIfEmptied(lanes: LaneNaming, reactor: HostReactor, json: string, data: ServiceJson): void {
  if (data.hosts?.length !== 0) return;
  const emptied = lanes.attempt(HOOKS.emptied, () => {
    const id = joinKey(data.name ?? data.dom ?? '', data.clusters ?? '');
    const known = reactor._serviceInfoMap.get(id);
    if (known === undefined || !(known.hosts?.length > 0)) return undefined;
    const info = new (known.constructor as new (data: unknown) => ServiceInfo)(data);
    info.jsonFromServer = json;
    reactor._serviceInfoMap.set(id, info);
    return { event: `${id}_changed`, info };
  });
  if (emptied !== undefined) reactor.emit(emptied.event, emptied.info.hosts, emptied.info);
}

function inferOthers(reactor: HostReactor, state: ReactorState, name: string, data: ServiceJson, hosts: readonly Host[]): ServiceJson[] {
  const others: ServiceJson[] = [];
  const told = scopeOf(data.clusters);
  for (const [id, info] of reactor._serviceInfoMap) {
    if (info.name !== name || (info.clusters ?? '') === (data.clusters ?? '') || !state.told.has(id)) continue;
    if ((info.lastRefTime ?? 0) > (data.lastRefTime ?? 0)) continue;
    const wanted = scopeOf(info.clusters);
    const merged = [...info.hosts.filter((host) => !told(host)), ...hosts.filter(wanted)];
    if (signatureOf(toInstances(merged)) === signatureOf(toInstances(info.hosts))) continue;
    others.push({ ...data, clusters: info.clusters ?? '', hosts: merged });
  }
  return others;
}

/** Whether an instance is in the clusters of a cache entry. */
function scopeOf(clusters: string | undefined): (host: Host) => boolean {
  if (clusters === undefined || clusters === '') return () => true;
  const names = clusters.split(',').map((name) => name.trim());
  return (host) => names.includes((host as { clusterName?: string }).clusterName ?? DEFAULT_CLUSTER);
}

/** Failed requests make an empty list doubtful for a while. */
function watchTrouble(lanes: LaneNaming, proxy: ServerProxy | undefined): void {
  if (proxy === null || typeof proxy !== 'object') return;
  let isFailing = false;
  wrap(proxy, '_reqAPI', (original: RequestApi) => {
    return function reqAPINotingTrouble(this: unknown, ...args: unknown[]): Promise<unknown> {
      const answered = Reflect.apply(original, this, args);
      Promise.resolve(answered).then(
        () => {
          // An outage that has just ended counts, too: the server may not know all instances yet.
          if (isFailing) lanes.noteTrouble();
          isFailing = false;
        },
        () => {
          isFailing = true;
          lanes.noteTrouble();
        },
      );
      return answered;
    };
  });
}

/** The key of what is registered. This may be the first use of the client. */
function keyFrom(lanes: LaneNaming, client: Client, args: readonly unknown[]): () => ServiceKey {
  return () => {
    meet(lanes, client);
    return keyOf(lanes, client, args[0], args[2]);
  };
}

function keyOf(lanes: LaneNaming, client: Client, service: unknown, group: unknown): ServiceKey {
  return lanes.keyOf(client, `${service as string}`, group === undefined ? DEFAULT_GROUP : `${group as string}`);
}

/** The key of a service by its name in the SDK's cache. */
function keyOfCached(lanes: LaneNaming, client: Client, groupedServiceName: string): ServiceKey {
  const { name, group } = parseGroupedName(groupedServiceName);
  return lanes.keyOf(client, name, group);
}

function clustersOf(clusters: unknown, fallback: string): string {
  if (clusters === undefined || clusters === null || clusters === '') return fallback;
  return `${clusters as string}`;
}

function cacheKey(key: ServiceKey, clusters: string): string {
  return joinKey(groupedName(key), clusters);
}

/** The SDK's cache key. */
function joinKey(name: string, clusters: string): string {
  return clusters === '' ? name : `${name}@@${clusters}`;
}

function textOrNone(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
