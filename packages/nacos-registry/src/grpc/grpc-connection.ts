/**
 * A connection over gRPC, which Nacos 2 and later speak, and 3.2 and later exclusively: one connection for everything, on which the server
 * pushes (`server-link.ts`), and which is replaced when it is lost (`grpc-session.ts`).
 *
 * Limits: history and namespaces exist only in the HTTP API. Nacos keeps a connection's registrations as long as it lasts, and one registration
 * per service, so several addresses of one service are registered together. Nacos compares before it writes; servers that resemble it may
 * not.
 */
import {
  BEATS_HOLD_MS,
  runInLane,
  type ConfigDocument,
  type Instance,
  type Log,
  type RegistryState,
  type ServiceKey,
  type Unsubscribe,
  type ConfigChangePage,
  type PublishOptions,
} from '@lane/core/model';
import type { TroubleListener } from '../trouble.js';
import {
  failedCheck,
  stateOf,
  waitUntilReady,
  type CheckResult,
  type NacosConnection,
  type NacosNamespace,
  type NacosOptions,
  type Registration,
} from '../connection.js';
import { DEFAULT_GROUP, type NacosInstance } from '../nacos-instance.js';
import { GrpcConfig } from './grpc-config.js';
import { GrpcNaming } from './grpc-naming.js';
import { GrpcSession, unsupported } from './grpc-session.js';

/** A connection over gRPC. Everything runs outside the caller's lane. */
export class GrpcConnection implements NacosConnection {
  readonly transport = 'grpc';
  readonly keepsHistory = false;
  readonly comparesCreation = true;
  readonly holdMs = BEATS_HOLD_MS;
  readonly server: string;
  readonly defaultGroup: string;
  readonly #log: Log;
  readonly #holdProcess: boolean;
  readonly #session: GrpcSession;
  readonly #naming: GrpcNaming;
  readonly #config: GrpcConfig;
  #ready: Promise<void> | undefined;

  constructor(options: NacosOptions, log: Log) {
    this.server = options.server;
    this.defaultGroup = options.group ?? DEFAULT_GROUP;
    this.#log = log;
    this.#holdProcess = options.holdProcess ?? false;
    this.#session = new GrpcSession(options, log);
    this.#naming = new GrpcNaming(this.#session);
    this.#config = new GrpcConfig(this.#session);
  }

  get namespace(): string {
    return this.#session.namespace;
  }

  get state(): RegistryState {
    return stateOf(this, this.#session.reachable);
  }

  watchTrouble(listener: TroubleListener): Unsubscribe {
    return this.#session.trouble.watch(listener);
  }

  ready(): Promise<void> {
    return (this.#ready ??= runInLane(undefined, () => waitUntilReady(this, this.#log, this.#holdProcess, () => this.#session.closed)));
  }

  check(): Promise<CheckResult> {
    return runInLane(undefined, () => this.#check().then((): CheckResult => ({ ok: true }), failedCheck));
  }

  /** Rejects with the problem. */
  async #check(): Promise<void> {
    await this.#session.logIn();
    await this.#config.get('lane-groups', 'LANE');
  }

  observe(key: ServiceKey, listener: (instances: readonly Instance[]) => void): Unsubscribe {
    return runInLane(undefined, () => this.#naming.subscribe(key, listener));
  }

  list(key: ServiceKey): Promise<readonly NacosInstance[]> {
    return runInLane(undefined, () => this.#naming.list(key));
  }

  services(group: string = this.defaultGroup): Promise<readonly string[]> {
    return runInLane(undefined, () => this.#naming.services(group));
  }

  namespaces(): Promise<readonly NacosNamespace[]> {
    return Promise.reject(unsupported('list namespaces'));
  }

  register(key: ServiceKey, registration: Registration): Promise<void> {
    return runInLane(undefined, () => this.#naming.register(key, registration));
  }

  deregister(key: ServiceKey, registration: Registration): Promise<void> {
    return runInLane(undefined, () => this.#naming.deregister(key, registration));
  }

  get(dataId: string, group: string): Promise<ConfigDocument | undefined> {
    return runInLane(undefined, () => this.#config.get(dataId, group));
  }

  publish(dataId: string, group: string, content: string, options?: PublishOptions): Promise<void> {
    return runInLane(undefined, () => this.#config.publish(dataId, group, content, options));
  }

  history(): Promise<ConfigChangePage> {
    return Promise.reject(unsupported('read the history of a document'));
  }

  comparesBeforeWriting(): Promise<boolean> {
    return Promise.resolve(true);
  }

  contentOfChange(): Promise<string | undefined> {
    return Promise.reject(unsupported('read the history of a document'));
  }

  remove(dataId: string, group: string): Promise<void> {
    return runInLane(undefined, () => this.#config.remove(dataId, group));
  }

  watch(dataId: string, group: string, listener: (document: ConfigDocument | undefined) => void): Unsubscribe {
    return runInLane(undefined, () => this.#config.watch(dataId, group, listener));
  }

  async close(): Promise<void> {
    if (this.#session.closed) return;
    await runInLane(undefined, async () => {
      this.#config.close();
      await this.#naming.close();
      this.#session.close();
    });
  }
}
