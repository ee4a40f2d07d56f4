/**
 * A connection that asks the server at first use which transport it speaks: HTTP v1 if available, because it has all features (history,
 * namespaces); else gRPC, as for Nacos 3.2 and later, or if only that port is open. It keeps its choice.
 */
import {
  BEATS_HOLD_MS,
  runInLane,
  SILENT_LOG,
  type ConfigChangePage,
  type ConfigDocument,
  type Instance,
  type Log,
  type PublishOptions,
  type RegistryState,
  type ServiceKey,
  type Unsubscribe,
} from '@lane/core/model';
import {
  connectNacos,
  failedCheck,
  stateOf,
  waitUntilReady,
  type CheckResult,
  type NacosConnection,
  type NacosNamespace,
  type NacosOptions,
  type Registration,
} from './connection.js';
import { NacosError } from './nacos-error.js';
import { DEFAULT_GROUP, type NacosInstance } from './nacos-instance.js';
import { parseServers } from './server-address.js';
import { Trouble, type TroubleListener } from './trouble.js';

/** The connection of `transport: auto`. Everything runs outside the caller's lane. */
export class AutoConnection implements NacosConnection {
  readonly holdMs = BEATS_HOLD_MS;
  readonly server: string;
  readonly namespace: string;
  readonly defaultGroup: string;
  readonly #options: NacosOptions;
  readonly #log: Log;
  readonly #holdProcess: boolean;
  readonly #trouble: Trouble;
  #chosen: NacosConnection | undefined;
  #asking: Promise<NacosConnection> | undefined;
  #whenChosen: Promise<NacosConnection | undefined> | undefined;
  #ready: Promise<void> | undefined;
  /** Whether the server did not answer last time. */
  #isAway = false;
  #closed = false;

  /** Throws a NacosError if the server's address is malformed. */
  constructor(options: NacosOptions, log: Log) {
    parseServers(options.server);
    this.server = options.server;
    this.namespace = options.namespace === undefined || options.namespace === '' ? 'public' : options.namespace;
    this.defaultGroup = options.group ?? DEFAULT_GROUP;
    this.#options = options;
    this.#log = log;
    this.#holdProcess = options.holdProcess ?? false;
    this.#trouble = new Trouble(log);
  }

  /** `http` until it is known. */
  get transport(): 'http' | 'grpc' {
    return this.#chosen?.transport ?? 'http';
  }

  /** True until it is known: a request for the history then reports that there is none. */
  get keepsHistory(): boolean {
    return this.#chosen?.keepsHistory ?? true;
  }

  get comparesCreation(): boolean {
    return this.#chosen?.comparesCreation ?? false;
  }

  get state(): RegistryState {
    // The addresses of both transports: current requests go to either.
    return (
      this.#chosen?.state ?? {
        ...stateOf({ server: this.server, namespace: this.namespace, transport: 'grpc' }, !this.#isAway),
        transport: this.transport,
      }
    );
  }

  watchTrouble(listener: TroubleListener): Unsubscribe {
    return this.#trouble.watch(listener);
  }

  ready(): Promise<void> {
    return (this.#ready ??= runInLane(undefined, () => waitUntilReady(this, this.#log, this.#holdProcess, () => this.#closed)));
  }

  check(): Promise<CheckResult> {
    return this.#use((connection) => connection.check()).catch(failedCheck);
  }

  observe(key: ServiceKey, listener: (instances: readonly Instance[]) => void): Unsubscribe {
    return this.#subscribe((connection) => connection.observe(key, listener));
  }

  watch(dataId: string, group: string, listener: (document: ConfigDocument | undefined) => void): Unsubscribe {
    return this.#subscribe((connection) => connection.watch(dataId, group, listener));
  }

  list(key: ServiceKey): Promise<readonly NacosInstance[]> {
    return this.#use((connection) => connection.list(key));
  }

  services(group: string = this.defaultGroup): Promise<readonly string[]> {
    return this.#use((connection) => connection.services(group));
  }

  namespaces(): Promise<readonly NacosNamespace[]> {
    return this.#use((connection) => connection.namespaces());
  }

  register(key: ServiceKey, registration: Registration): Promise<void> {
    return this.#use((connection) => connection.register(key, registration));
  }

  deregister(key: ServiceKey, registration: Registration): Promise<void> {
    return this.#use((connection) => connection.deregister(key, registration));
  }

  get(dataId: string, group: string): Promise<ConfigDocument | undefined> {
    return this.#use((connection) => connection.get(dataId, group));
  }

  getRecorded(dataId: string, group: string): Promise<ConfigDocument | undefined> {
    return this.#use((connection) => (connection.getRecorded ?? connection.get).call(connection, dataId, group));
  }

  publish(dataId: string, group: string, content: string, options?: PublishOptions): Promise<void> {
    return this.#use((connection) => connection.publish(dataId, group, content, options));
  }

  remove(dataId: string, group: string): Promise<void> {
    return this.#use((connection) => connection.remove(dataId, group));
  }

  comparesBeforeWriting(): Promise<boolean> {
    return this.#use((connection) => connection.comparesBeforeWriting());
  }

  history(dataId: string, group: string, page: { readonly page: number; readonly limit: number }): Promise<ConfigChangePage> {
    return this.#use((connection) => connection.history(dataId, group, page));
  }

  contentOfChange(dataId: string, group: string, id: string): Promise<string | undefined> {
    return this.#use((connection) => connection.contentOfChange(dataId, group, id));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#chosen?.close();
  }

  async #use<T>(work: (connection: NacosConnection) => Promise<T>): Promise<T> {
    return work(this.#chosen ?? (await this.#choose()));
  }

  /** Subscribes once the transport is known. */
  #subscribe(subscribe: (connection: NacosConnection) => Unsubscribe): Unsubscribe {
    if (this.#chosen !== undefined) return subscribe(this.#chosen);
    let leave: Unsubscribe | undefined;
    let hasLeft = false;
    this.#whenChosen ??= this.ready().then(() => this.#chosen);
    void this.#whenChosen.then((connection) => {
      if (connection !== undefined && !hasLeft && !this.#closed) leave = subscribe(connection);
    });
    return () => {
      hasLeft = true;
      leave?.();
    };
  }

  /** The connection of the server's transport. Rejects with a NacosError if it has none. */
  #choose(): Promise<NacosConnection> {
    if (this.#closed) return Promise.reject(new NacosError('ELANE_NACOS_UNREACHABLE', 'the connection is closed'));
    return (this.#asking ??= runInLane(undefined, () =>
      this.#ask().finally(() => {
        this.#asking = undefined;
      }),
    ));
  }

  async #ask(): Promise<NacosConnection> {
    const http = await this.#problemOf('http');
    const grpc = http === undefined ? undefined : await this.#problemOf('grpc');
    if (http !== undefined && grpc !== undefined) {
      // For a server without HTTP v1, another transport is not the remedy.
      throw this.#failed(http.code === 'ELANE_NACOS_NO_HTTP_V1' ? grpc : http);
    }
    if (this.#closed) throw new NacosError('ELANE_NACOS_UNREACHABLE', 'the connection is closed');
    const connection = connectNacos({ ...this.#options, transport: http === undefined ? 'http' : 'grpc' });
    connection.watchTrouble((isReachable) => this.#trouble.tell(isReachable));
    this.#chosen = connection;
    this.#log.debug(`speaking with Nacos at ${this.server} over ${connection.transport}`);
    if (this.#isAway) {
      this.#isAway = false;
      this.#trouble.tell(true);
      this.#log.info(`Nacos at ${this.server} answers again`);
    }
    return connection;
  }

  /** Why a transport can't be used; undefined: the server speaks it, even if it refuses the user. */
  async #problemOf(transport: 'http' | 'grpc'): Promise<NacosError | undefined> {
    // Log its outages here, once.
    const connection = connectNacos({ ...this.#options, transport, log: SILENT_LOG, udpPush: false });
    const result = await connection.check();
    await connection.close();
    if (result.ok || result.code === 'ELANE_NACOS_REFUSED') return undefined;
    return new NacosError(result.code ?? 'ELANE_NACOS_ANSWER', result.problem);
  }

  #failed(error: NacosError): NacosError {
    if (error.code !== 'ELANE_NACOS_UNREACHABLE' || this.#isAway || this.#closed) return error;
    this.#isAway = true;
    this.#log.warn(`${error.message}. Until it answers, its last known state stays in use`);
    this.#trouble.tell(false);
    return error;
  }
}
