/**
 * Nacos as the agent's registry: decorates the SDKs that the app loads, and keeps the agent's own connection, which is made only where it is
 * needed: for the lane groups, and for services that are called by name.
 */
import type { AgentOptions } from '@lane/core/agent';
import {
  backgroundLane,
  BEATS_HOLD_MS,
  currentLane,
  type Instance,
  type InstanceListener,
  type RegistryState,
  type ServiceKey,
  type ServiceTables,
  type SnapshotStore,
  type TagCodec,
  type Unsubscribe,
} from '@lane/core/model';
import type {
  AppRegistration,
  ConnectionInfo,
  LaneNaming,
  LaneNamingOptions,
  NacosConnection,
  RegistrationAnnouncement,
  RegistrationGate,
} from '@lane/nacos-registry';
import type { AgentLog } from '../boot/log.js';
import { safely } from '../patching/safely.js';
import type { LaneGroupsInForce } from './lane-groups-in-force.js';
import type { ObservedRegistry } from './learner.js';

type RegistryPackage = typeof import('@lane/nacos-registry');
// Loaded with an SDK, or when there is something to connect to: not at start.
const registry = (): RegistryPackage => require('@lane/nacos-registry') as RegistryPackage;
const storage = (): typeof import('@lane/storage') => require('@lane/storage') as typeof import('@lane/storage');

/** What the agent's Nacos part needs from the rest. */
export interface NacosDiscoveryParts {
  readonly options: AgentOptions;
  readonly log: AgentLog;
  readonly tables: ServiceTables;
  readonly codec: TagCodec;
  readonly laneGroups: LaneGroupsInForce;
  /** Called with what the app registers, and the metadata as it goes out. */
  readonly registered: (key: ServiceKey, metadata: Readonly<Record<string, string>>, registration: AppRegistration) => void;
  /** Called with what the app deregisters by itself. */
  readonly deregistered: (key: ServiceKey, address: string) => void;
  /** What holds registrations back, under LANE_LOSSLESS. */
  readonly gate: () => RegistrationGate | undefined;
  /** What instances announce, where there is an admin port. */
  readonly announcement: () => RegistrationAnnouncement | undefined;
}

/** Requests from before there was a client. */
interface Waiting {
  readonly key: ServiceKey;
  readonly listener: (instances: readonly Instance[]) => void;
  leave: Unsubscribe | undefined;
  hasLeft: boolean;
}

/** Nacos, as given by the app's own client and the agent's options. */
export class NacosDiscovery implements ObservedRegistry {
  readonly names = undefined;
  readonly holdMs = BEATS_HOLD_MS;
  readonly snapshots: SnapshotStore = new LateSnapshots();
  list: ObservedRegistry['list'];
  readonly #parts: NacosDiscoveryParts;
  #naming: LaneNaming | undefined;
  #connection: NacosConnection | undefined;
  #isBroken = false;
  readonly #waiting: Waiting[] = [];

  constructor(parts: NacosDiscoveryParts) {
    this.#parts = parts;
  }

  get defaultGroup(): string {
    return this.#parts.options.nacosGroup;
  }

  get state(): RegistryState | undefined {
    return this.#connection?.state;
  }

  /** Observes a service; before the app's client has been used, from then on. undefined: there is no client of either. */
  observe(key: ServiceKey, listener: InstanceListener): Unsubscribe | undefined {
    // Only the app's own client knows another namespace.
    if (key.namespace !== undefined) return undefined;
    if (this.#connection === undefined) this.connect();
    if (this.#connection !== undefined) return this.#connection.observe(key, listener);
    if (this.#naming === undefined || this.#isBroken) return undefined;
    const waiting: Waiting = { key, listener, leave: undefined, hasLeft: false };
    this.#waiting.push(waiting);
    return () => {
      waiting.hasLeft = true;
      waiting.leave?.();
    };
  }

  /** Decorates the naming client among a package's exports, unless it is decorated already. */
  decorateSdk(sdk: 'nacos' | 'nacos-sdk-rust-binding-node', exports: unknown): void {
    const { decorate, decorateClass, nacosAdapter, nacosGrpcAdapter } = registry();
    const adapter = sdk === 'nacos' ? nacosAdapter : nacosGrpcAdapter;
    const clientClass = typeof exports === 'function' ? exports : (exports as Record<string, unknown> | null)?.[adapter.clientClass];
    if (typeof clientClass !== 'function') {
      this.#parts.log.once(
        `no client in ${sdk}`,
        'warn',
        `${sdk} does not export ${adapter.clientClass}, so its calls are not routed: the agent may not know this version`,
      );
      return;
    }
    const naming = this.#namingOf();
    decorate(adapter, clientClass.prototype as object, naming);
    decorateClass(adapter, exports as object, naming);
  }

  /** Connects with the agent's own settings, where there are any. */
  connect(): void {
    const { nacosServer: server } = this.#parts.options;
    if (server !== undefined) this.#open({ server, namespace: undefined, username: undefined, password: undefined, transport: 'http' });
  }

  #namingOf(): LaneNaming {
    if (this.#naming !== undefined) return this.#naming;
    const { options, log, tables, codec, registered, deregistered, announcement, gate } = this.#parts;
    this.#naming = new (registry().LaneNaming)({
      tables,
      codec,
      guard: createGuard(),
      tag: options.tag,
      currentTag: currentLane,
      backgroundTag: backgroundLane,
      snapshots: this.snapshots,
      log,
      onRegister: registered,
      onDeregister: deregistered,
      announcement: announcement(),
      gate: gate(),
      warmupMs: options.warmupMs,
      place: options,
      // The agent's own settings come first; otherwise it connects where the app's client does.
      namespace: () => options.nacosNamespace ?? this.#connection?.state.namespace,
      onConnection: (info) => this.#open({ ...info, server: options.nacosServer ?? info.server }),
    });
    return this.#naming;
  }

  #open(info: ConnectionInfo): void {
    if (this.#connection !== undefined || this.#isBroken) return;
    const { options, log, laneGroups } = this.#parts;
    const { connectNacos } = registry();
    const { createSnapshotStore, defaultSnapshotDirectory, watchLaneGroups } = storage();
    const namespace = options.nacosNamespace ?? info.namespace ?? 'public';
    let connection: NacosConnection;
    try {
      connection = connectNacos({
        server: info.server,
        namespace,
        group: options.nacosGroup,
        username: options.nacosUsername ?? info.username,
        password: options.nacosPassword ?? info.password,
        transport: options.nacosTransport ?? info.transport,
        log,
      });
    } catch (error) {
      this.#isBroken = true;
      log.error(`the agent can't connect to Nacos and routes only by the app's own discovery: ${(error as Error).message}`);
      return;
    }
    this.#connection = connection;
    this.list = (key) => connection.list(key);
    // A server that comes back is empty until instances have registered again.
    connection.watchTrouble((isReachable) => this.#parts.tables.trouble(isReachable));
    (this.snapshots as LateSnapshots).become(
      createSnapshotStore({
        directory: options.snapshotDir ?? defaultSnapshotDirectory(),
        isNamed: options.snapshotDir !== undefined,
        namespace,
        server: info.server,
        log,
      }),
    );
    for (const waiting of this.#waiting.splice(0)) if (!waiting.hasLeft) waiting.leave = connection.observe(waiting.key, waiting.listener);
    if (options.rules === 'nacos') {
      laneGroups.expect();
      watchLaneGroups(connection, { snapshots: this.snapshots, log, holdMs: options.registryHoldMs, ...laneGroups.intake });
    }
  }
}

/** The names in LANE_DISABLE, by the SDK's package. */
const INSTRUMENTATION_OF: Readonly<Record<string, string>> = { nacos: 'nacos', 'nacos-sdk-rust-binding-node': 'nacos-grpc' };

/** Guards the hooks of SDK adapters, each on its own, under the names of their instrumentations. */
function createGuard(): LaneNamingOptions['guard'] {
  const guards = new Map<string, (work: () => unknown) => unknown>();
  return <R>(what: string, work: () => R): R | undefined => {
    let guard = guards.get(what);
    if (guard === undefined) {
      const [sdk = '', ...hook] = what.split(' ');
      guard = safely([INSTRUMENTATION_OF[sdk] ?? sdk, ...hook].join(' '), (guarded: () => unknown) => guarded());
      guards.set(what, guard);
    }
    return guard(work) as R | undefined;
  };
}

/** Snapshots are kept per server and namespace, which are known only from the first use of the app's client. */
class LateSnapshots implements SnapshotStore {
  #store: SnapshotStore | undefined;

  become(store: SnapshotStore): void {
    this.#store ??= store;
  }
  load(key: ServiceKey): Instance[] | undefined {
    return this.#store?.load(key);
  }
  save(key: ServiceKey, instances: readonly Instance[]): void {
    this.#store?.save(key, instances);
  }
  loadDocument(dataId: string): string | undefined {
    return this.#store?.loadDocument(dataId);
  }
  saveDocument(dataId: string, content: string | undefined): void {
    this.#store?.saveDocument(dataId, content);
  }
  flush(): Promise<void> {
    return this.#store?.flush() ?? Promise.resolve();
  }
}
