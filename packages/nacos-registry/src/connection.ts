import {
  messageOf,
  SILENT_LOG,
  type Instance,
  type Log,
  type Registry,
  type RegistryState,
  type ServiceKey,
  type Unsubscribe,
  type VersionedConfigStore,
} from '@lane/core/model';
import { NacosError, type NacosErrorCode } from './nacos-error.js';
import type { NacosInstance } from './nacos-instance.js';
import { GRPC_PORT_OFFSET, parseServers } from './server-address.js';
import type { TroubleListener } from './trouble.js';

/** Nacos' address and credentials. */
export interface NacosOptions {
  /** `host:port`, `host` (port 8848), `http(s)://host:port/path`, or a comma-separated list of them. */
  readonly server: string;
  /** Namespace id. Default `public`. */
  readonly namespace?: string | undefined;
  /** Default group of services. Default `DEFAULT_GROUP`. */
  readonly group?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** `http`: the HTTP API v1, Nacos before 3.2. `grpc`: Nacos 2 and later, at the port + 1000. `auto`: HTTP if the server has both. Default `http`. */
  readonly transport?: 'http' | 'grpc' | 'auto' | undefined;
  readonly log?: Log | undefined;
  /** Whether the server may push changes by UDP (transport `http`); otherwise polling finds them. Default true. */
  readonly udpPush?: boolean | undefined;
  /**
   * Whether a request in flight keeps the process alive, as commands need. Subscriptions never do. Default false: nothing of ours keeps an app alive.
   */
  readonly holdProcess?: boolean | undefined;
}

/** What to register. */
export interface Registration extends Partial<Omit<Instance, 'ip' | 'port'>> {
  readonly ip: string;
  readonly port: number;
  /** Default `DEFAULT`. */
  readonly cluster?: string;
  /** Default true: kept alive by beats, gone a while after they stop. */
  readonly ephemeral?: boolean;
}

/** A namespace of Nacos. Settings need its id; people often know only its name. */
export interface NacosNamespace {
  /** `public` for the one that needs no id. */
  readonly id: string;
  readonly name: string;
  /** In an embedded Nacos, any namespace exists as soon as somebody uses it. */
  readonly madeOnUse?: true;
}

/** Whether Nacos can be used; `problem` is one sentence with cause and remedy. */
export type CheckResult = { readonly ok: true } | { readonly ok: false; readonly problem: string; readonly code: NacosErrorCode | undefined };

/** A connection to Nacos. Subscriptions survive outages; single requests reject with a NacosError. */
export interface NacosConnection extends Registry, VersionedConfigStore {
  /** The servers, as given. */
  readonly server: string;
  readonly namespace: string;
  readonly transport: 'http' | 'grpc';
  readonly state: RegistryState;
  readonly holdMs: number;
  watchTrouble(listener: TroubleListener): Unsubscribe;
  /** Calls `listener` with all instances of a service, healthy or not; with an empty list if there are none. */
  observe(key: ServiceKey, listener: (instances: readonly Instance[]) => void): Unsubscribe;
  /** Resolves once the server can be used. Never rejects: it waits, and logs why. */
  ready(): Promise<void>;
  /** Checks whether the server can be used now. Never rejects. */
  check(): Promise<CheckResult>;
  list(key: ServiceKey): Promise<readonly NacosInstance[]>;
  /** The namespaces that the user may see. Rejects with `ELANE_UNSUPPORTED` over gRPC. */
  namespaces(): Promise<readonly NacosNamespace[]>;
  /** Registers an instance and keeps it alive; registering the same address again changes it. Rejects if Nacos can't be reached. */
  register(key: ServiceKey, registration: Registration): Promise<void>;
  deregister(key: ServiceKey, registration: Registration): Promise<void>;
  /** Deregisters what was registered here, and ends everything. */
  close(): Promise<void>;
}

/** Creates a connection; sends nothing before the first request. Throws a NacosError if the server's address is malformed. */
export function connectNacos(options: NacosOptions): NacosConnection {
  const log = options.log ?? SILENT_LOG;
  if (options.transport === 'auto') {
    const { AutoConnection } = require('./auto-connection.js') as typeof import('./auto-connection.js');
    return new AutoConnection(options, log);
  }
  if (options.transport === 'grpc') {
    const { GrpcConnection } = require('./grpc/grpc-connection.js') as typeof import('./grpc/grpc-connection.js');
    return new GrpcConnection(options, log);
  }
  const { HttpConnection } = require('./http/http-connection.js') as typeof import('./http/http-connection.js');
  return new HttpConnection(options, log);
}

/** State of a connection. */
export function stateOf(
  { server, namespace, transport }: Pick<NacosConnection, 'server' | 'namespace' | 'transport'>,
  reachable: boolean,
): RegistryState {
  const ports = transport === 'grpc' ? [0, GRPC_PORT_OFFSET] : [0];
  const addresses = parseServers(server).flatMap(({ host, port }) => ports.map((offset) => ({ host, port: port + offset })));
  return { kind: 'nacos', server, namespace, transport, addresses, reachable };
}

const READY_PAUSE_MS = 1_000;

/** Retries until the server can be used, logging each new problem once. `isClosed` ends it. */
export async function waitUntilReady(
  connection: Pick<NacosConnection, 'check'>,
  log: Log,
  holdProcess: boolean,
  isClosed: () => boolean,
): Promise<void> {
  const said = new Set<string>();
  while (!isClosed()) {
    const result = await connection.check();
    if (result.ok) return;
    // An outage has its own line in the log.
    if (result.code !== 'ELANE_NACOS_UNREACHABLE' && !said.has(result.problem) && !isClosed()) {
      said.add(result.problem);
      log.warn(`${result.problem}. Waiting for it`);
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, READY_PAUSE_MS);
      if (!holdProcess) timer.unref();
    });
  }
}

/** The result of a check that rejected. */
export function failedCheck(error: unknown): CheckResult {
  return { ok: false, problem: messageOf(error), code: error instanceof NacosError ? error.code : undefined };
}
