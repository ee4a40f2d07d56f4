import type { ConfigStore, Instance, Log, Registry, ServiceKey } from '@lane/core';
import { SILENT_LOG } from '@lane/core';
import { messageOf, NacosError, type NacosErrorCode } from './nacos-error.js';
import type { NacosInstance } from './nacos-instance.js';

/** How to reach Nacos, and as whom. */
export interface NacosOptions {
  /** `host:port`, `host` (port 8848), `http(s)://host:port/path`, or a comma list of them. */
  readonly server: string;
  /** Namespace id. Default `public`. */
  readonly namespace?: string | undefined;
  /** Group of services where none is named. Default `DEFAULT_GROUP`. */
  readonly group?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** `http`: the HTTP API v1, Nacos before 3.2. `grpc`: Nacos 2 and later, with nacos-sdk-rust-binding-node installed. Default `http`. */
  readonly transport?: 'http' | 'grpc' | undefined;
  readonly log?: Log | undefined;
  /** Whether the server may push changes by UDP (transport `http`); without, they are seen by polling. Default true. */
  readonly udpPush?: boolean | undefined;
  /**
   * Whether a request in flight holds the process alive, as a command needs it. Subscriptions never do.
   * Default false: inside somebody's app nothing of ours does.
   */
  readonly holdProcess?: boolean | undefined;
  /** Told when the server stops answering, and when it answers (again). */
  readonly onReachable?: ((reachable: boolean) => void) | undefined;
  /** Loads a module as the app would: where the gRPC binding comes from. Default: `require`. */
  readonly resolve?: ((id: string) => unknown) | undefined;
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

/** A namespace of Nacos. Settings want its id; people often know its name only. */
export interface NacosNamespace {
  /** `public` for the one that needs no id. */
  readonly id: string;
  readonly name: string;
}

/** Whether Nacos can be used; `problem` is one sentence with cause and remedy. */
export type CheckResult = { readonly ok: true } | { readonly ok: false; readonly problem: string; readonly code: NacosErrorCode | undefined };

/** How to write a document. */
export interface PublishOptions {
  /** Write only if the stored document still has this md5; empty: only if there is none. */
  readonly casMd5?: string | undefined;
  readonly type?: string | undefined;
  /** Who writes, for the history. A server that asks for a log-in may put the user's name there instead. */
  readonly by?: string | undefined;
}

/** A change of a document, from Nacos's own history. */
export interface ConfigChange {
  /** Grows with each change. */
  readonly id: string;
  readonly kind: 'created' | 'changed' | 'removed';
  /** ISO 8601. */
  readonly at: string | undefined;
  readonly by: string | undefined;
  /** The address it came from. */
  readonly from: string | undefined;
}

/** Some changes of a document, the latest first. */
export interface ConfigChangePage {
  /** How many there are in all. */
  readonly total: number;
  readonly changes: readonly ConfigChange[];
}

/** A connection to Nacos. It waits out outages; requests of one's own reject with a NacosError. */
export interface NacosConnection extends Registry, ConfigStore {
  /** The servers, as given. */
  readonly server: string;
  readonly namespace: string;
  readonly transport: 'http' | 'grpc';
  /** Resolves once the server can be used. Never rejects: it waits, and says in the log what for. */
  ready(): Promise<void>;
  /** Tries whether the server can be used now. Never rejects. */
  check(): Promise<CheckResult>;
  list(key: ServiceKey): Promise<readonly NacosInstance[]>;
  /** The namespaces that the user may see. Rejects with `ELANE_UNSUPPORTED` over gRPC. */
  namespaces(): Promise<readonly NacosNamespace[]>;
  /** Registers an instance and keeps it alive; registering the same address again changes it. Rejects where Nacos can't be reached. */
  register(key: ServiceKey, registration: Registration): Promise<void>;
  deregister(key: ServiceKey, registration: Registration): Promise<void>;
  publish(dataId: string, group: string, content: string, options?: PublishOptions): Promise<void>;
  /** Whether the server itself compares where `casMd5` is given, rather than this side just before it writes. */
  comparesBeforeWriting(): Promise<boolean>;
  /** The changes of a document, the latest first; pages count from 1. Rejects with `ELANE_UNSUPPORTED` over gRPC. */
  history(dataId: string, group: string, page: { readonly page: number; readonly limit: number }): Promise<ConfigChangePage>;
  /**
   * What Nacos keeps with a change: of `created` what was written, of the others what there was before. undefined: there is no such
   * change. Rejects with `ELANE_UNSUPPORTED` over gRPC.
   */
  contentOfChange(dataId: string, group: string, id: string): Promise<string | undefined>;
  /** Deregisters what was registered here, and ends everything. */
  close(): Promise<void>;
}

/** Makes a connection; nothing is sent before something is asked for. Throws a NacosError if the server's address is none. */
export function connectNacos(options: NacosOptions): NacosConnection {
  const log = options.log ?? SILENT_LOG;
  if (options.transport === 'grpc') {
    const { GrpcConnection } = require('./grpc-connection.js') as typeof import('./grpc-connection.js');
    return new GrpcConnection(options, log);
  }
  const { HttpConnection } = require('./http-connection.js') as typeof import('./http-connection.js');
  return new HttpConnection(options, log);
}

const READY_PAUSE_MS = 1_000;

/** Tries until the server can be used, saying each new problem once. `isClosed` ends it. */
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
