/**
 * The agent's side of Nacos: decorates SDKs, and keeps the agent's own connection, which is made only where it is needed:
 * for the lane groups, and for services that are called by name.
 */
import { currentLane, runInLane, type ServiceKey } from '@lane/core';
import type { AdaptedConnection, LaneNaming, NacosConnection, SnapshotStore } from '@lane/nacos-registry';
import type { Runtime } from './runtime.js';
import { safely } from './safely.js';
import { wrap } from './wrap.js';

/** How long a call by name waits for a service that nobody has asked for yet, in milliseconds. */
const LEARN_TIMEOUT_MS = 3000;

// Loaded when an SDK is, or when there is something to connect to: not at start.
const registry = (): typeof import('@lane/nacos-registry') => require('@lane/nacos-registry') as typeof import('@lane/nacos-registry');

interface Link {
  naming: LaneNaming;
  snapshots: SnapshotStore | undefined;
  connection: NacosConnection | undefined;
}

let link: Link | undefined;
const decorated = new WeakSet<object>();

/** Decorates the naming client among a package's exports. */
export function decorateSdk(sdk: 'nacos' | 'nacos-sdk-rust-binding-node', exports: unknown, runtime: Runtime): void {
  const found = typeof exports === 'function' ? exports : (exports as { NacosNamingClient?: unknown } | null)?.NacosNamingClient;
  const prototype = (found as { prototype?: object } | undefined)?.prototype;
  if (prototype === undefined || prototype === null || decorated.has(prototype)) return;
  decorated.add(prototype);
  const { decorate, nacosAdapter, nacosGrpcAdapter } = registry();
  decorate(sdk === 'nacos' ? nacosAdapter : nacosGrpcAdapter, prototype, linkOf(runtime).naming, wrap);
}

/** Connects with the agent's own settings; called at start where there are any. */
export function connect(runtime: Runtime): void {
  const { options } = runtime;
  const made = linkOf(runtime);
  if (typeof options.rules === 'object') {
    registry().watchLaneGroupsFile(options.rules.file, { log: runtime.log, onRules: (rules) => runtime.setRules(rules) });
  }
  if (options.nacosServer !== undefined) open(runtime, made, { server: options.nacosServer });
}

function linkOf(runtime: Runtime): Link {
  if (link !== undefined) return link;
  const { options, log } = runtime;
  const { createSnapshotStore, defaultSnapshotDirectory, LaneNaming: Naming } = registry();
  const snapshots = createSnapshotStore({ directory: options.snapshotDir ?? defaultSnapshotDirectory(), namespace: options.nacosNamespace ?? 'public', log });
  const made: Link = {
    snapshots,
    connection: undefined,
    naming: new Naming({
      tables: runtime.tables,
      codec: runtime.codec,
      ...(options.tag === undefined ? {} : { tag: options.tag }),
      currentTag: currentLane,
      backgroundTag: () => runInBackground(currentLane),
      snapshots,
      log,
      onRegister: (key) => runtime.registeredAs(key),
      onConnection: (info) => {
        // The app's own connection tells where Nacos is; the agent's settings, where there are any, come first.
        if (options.nacosServer === undefined) open(runtime, made, info);
      },
    }),
  };
  link = made;
  return made;
}
