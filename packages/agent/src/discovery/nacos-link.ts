/**
 * The agent's side of Nacos: decorates the SDKs that the app loads, and keeps the agent's own connection, which is made only
 * where it is needed: for the lane groups, and for services that are called by name.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { backgroundLane, currentLane, type Instance, type ServiceKey, type SnapshotStore } from '@lane/core/model';
import type { ConnectionInfo, LaneNaming, NacosConnection } from '@lane/nacos-registry';
import type { LaneGroupsOptions } from '@lane/storage';
import type { Runtime } from '../boot/runtime.js';
import { wrap } from '../patching/wrap.js';

/** How long a call by name waits for a service that nobody has asked for yet, in milliseconds. */
const LEARN_TIMEOUT_MS = 3000;

type RegistryPackage = typeof import('@lane/nacos-registry');
// Loaded when an SDK is, or when there is something to connect to: not at start.
const registry = (): RegistryPackage => require('@lane/nacos-registry') as RegistryPackage;
const storage = (): typeof import('@lane/storage') => require('@lane/storage') as typeof import('@lane/storage');

interface Link {
  readonly naming: LaneNaming;
  readonly snapshots: LateSnapshots;
  connection: NacosConnection | undefined;
}

let link: Link | undefined;

/** Decorates the naming client among a package's exports; one that is decorated already is left alone. */
export function decorateSdk(sdk: 'nacos' | 'nacos-sdk-rust-binding-node', exports: unknown, runtime: Runtime): void {
  const { decorate, decorateClass, nacosAdapter, nacosGrpcAdapter } = registry();
  const adapter = sdk === 'nacos' ? nacosAdapter : nacosGrpcAdapter;
  const clientClass = typeof exports === 'function' ? exports : (exports as Record<string, unknown> | null)?.[adapter.clientClass];
  if (typeof clientClass !== 'function') {
    runtime.log.once(
      `no client in ${sdk}`,
      'warn',
      `${sdk} has no ${adapter.clientClass} as expected: its calls are not routed. Is this a version that the agent does not know?`,
    );
    return;
  }
  const { naming } = linkOf(runtime);
  decorate(adapter, clientClass.prototype as object, naming, wrap as never);
  const standIn = decorateClass(adapter, clientClass as never, naming);
  if (standIn !== undefined) (exports as Record<string, unknown>)[adapter.clientClass] = standIn;
}

/** Connects with the agent's own settings; called at start where there are any. */
export function connect(runtime: Runtime): void {
  const { options, log } = runtime;
  if (typeof options.rules === 'object') storage().watchLaneGroupsFile(options.rules.file, { log, ...laneGroupsInto(runtime) });
  if (options.nacosServer !== undefined) {
    open(runtime, linkOf(runtime), {
      server: options.nacosServer,
      namespace: undefined,
      username: undefined,
      password: undefined,
      transport: 'http',
    });
  }
}

function linkOf(runtime: Runtime): Link {
  if (link !== undefined) return link;
  const { options, log } = runtime;
  const snapshots = new LateSnapshots();
  const naming = new (registry().LaneNaming)({
    tables: runtime.tables,
    codec: runtime.codec,
    tag: options.tag,
    currentTag: currentLane,
    backgroundTag: backgroundLane,
    snapshots,
    log,
    onRegister: (key, _, registration) => {
      runtime.registeredAs(key);
      runtime.registrations.set(`${key.group}@@${key.name} ${registration.address}`, registration);
    },
    announcement: runtime.announcement,
    // Where the app's own client goes, the agent goes too; settings of the agent's own come first.
    onConnection: (info) => open(runtime, made, { ...info, server: options.nacosServer ?? info.server }),
  });
  const made: Link = { naming, snapshots, connection: undefined };
  link = made;
  return made;
}

function open(runtime: Runtime, made: Link, info: ConnectionInfo): void {
  if (made.connection !== undefined) return;
  const { options, log } = runtime;
  const { connectNacos } = registry();
  const { createSnapshotStore, defaultSnapshotDirectory, watchLaneGroups } = storage();
  const namespace = options.nacosNamespace ?? info.namespace ?? 'public';
  try {
    made.connection = connectNacos({
      server: info.server,
      namespace,
      group: options.nacosGroup,
      username: options.nacosUsername ?? info.username,
      password: options.nacosPassword ?? info.password,
      transport: options.nacosTransport ?? info.transport,
      log,
      // A server that comes back is empty until instances have registered again; the app's SDK may not have noticed.
      onReachable: (reachable) => {
        made.naming.noteTrouble();
        if (runtime.registry !== undefined) runtime.registry.reachable = reachable;
      },
      resolve: createRequire(join(process.cwd(), 'index.js')),
    });
  } catch (error) {
    log.error(`the agent can't connect to Nacos, lanes follow the app's own discovery alone: ${(error as Error).message}`);
    return;
  }
  const { connection, snapshots } = made;
  runtime.registry = {
    kind: 'nacos',
    server: info.server,
    namespace,
    transport: connection.transport,
    addresses: addressesOf(info.server),
    reachable: true,
  };
  snapshots.become(createSnapshotStore({ directory: options.snapshotDir ?? defaultSnapshotDirectory(), namespace, server: info.server, log }));
  if (options.rules === 'nacos') watchLaneGroups(connection, { snapshots, log, ...laneGroupsInto(runtime) });
  runtime.learn = createLearner(runtime, connection, snapshots);
}

function addressesOf(servers: string): Array<{ host: string; port: number }> {
  return registry()
    .parseServers(servers)
    .map(({ host, port }) => ({ host, port }));
}

/** Puts lane groups in force, and keeps what is to be told of them. */
function laneGroupsInto(runtime: Runtime): Pick<LaneGroupsOptions, 'onRules' | 'onRefused'> {
  return {
    onRules: (rules, { origin, md5 = null }) => {
      runtime.setRules(rules);
      runtime.laneGroups = { origin: rules === undefined ? null : origin, md5, problems: [] };
    },
    onRefused: (problems) => (runtime.laneGroups = { ...runtime.laneGroups, problems }),
  };
}

/** Subscribes to each service that is called by name, at its first call. */
function createLearner(runtime: Runtime, connection: NacosConnection, snapshots: SnapshotStore): (key: ServiceKey) => Promise<void> {
  const learning = new Map<string, Promise<void>>();
  return (key) => {
    const id = `${key.group}@@${key.name}`;
    let learned = learning.get(id);
    if (learned === undefined) {
      learned = new Promise((resolve) => {
        const impatient = setTimeout(() => {
          const remembered = snapshots.load(key);
          if (remembered !== undefined) runtime.tables.update(key, remembered, 'snapshot');
          else
            runtime.log.once(
              `unknown ${id}`,
              'warn',
              `service ${key.name} is called by name, but Nacos did not tell of it in ${LEARN_TIMEOUT_MS} ms: such calls go the way they would without the agent until it does`,
            );
          resolve();
        }, LEARN_TIMEOUT_MS);
        impatient.unref();
        connection.subscribe(key, (instances: readonly Instance[]) => {
          runtime.tables.update(key, instances);
          snapshots.save(key, instances);
          clearTimeout(impatient);
          resolve();
        });
      });
      learning.set(id, learned);
    }
    return learned;
  };
}

/** Snapshots are kept per server and namespace, which are known only once the app's client is first used. */
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
