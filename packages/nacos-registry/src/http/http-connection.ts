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
import { Trouble, type TroubleListener } from '../trouble.js';
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
import { HttpConfig } from './http-config.js';
import { HttpNaming, noHttpV1 } from './http-naming.js';
import { NacosError } from '../nacos-error.js';
import { parseJson } from '../bounded-json.js';
import { isAbsentDocument, isUnknownApi, noNacos, NacosHttp } from './nacos-http.js';
import { DEFAULT_GROUP, type NacosInstance } from '../nacos-instance.js';
import { parseServers } from '../server-address.js';

/** A connection over the HTTP API v1. Everything runs outside the caller's lane. */
export class HttpConnection implements NacosConnection {
  readonly transport = 'http';
  readonly keepsHistory = true;
  readonly holdMs = BEATS_HOLD_MS;
  readonly server: string;
  readonly namespace: string;
  readonly #group: string;
  readonly #log: Log;
  readonly #holdProcess: boolean;
  readonly #username: string | undefined;
  readonly #trouble: Trouble;
  readonly #http: NacosHttp;
  readonly #naming: HttpNaming;
  readonly #config: HttpConfig;
  #reachable = true;
  #ready: Promise<void> | undefined;
  #closed = false;

  constructor(options: NacosOptions, log: Log) {
    this.server = options.server;
    this.namespace = options.namespace === undefined || options.namespace === '' ? 'public' : options.namespace;
    this.#group = options.group ?? DEFAULT_GROUP;
    this.#log = log;
    this.#holdProcess = options.holdProcess ?? false;
    this.#username = options.username === '' ? undefined : options.username;
    this.#trouble = new Trouble(log);
    this.#http = new NacosHttp({
      servers: parseServers(options.server),
      username: this.#username,
      password: options.password,
      log,
      holdProcess: this.#holdProcess,
      onTrouble: (isReachable) => this.#trouble.tell(isReachable),
      onReachable: (reachable) => {
        const isBack = reachable && !this.#reachable;
        this.#reachable = reachable;
        if (!isBack) return;
        this.#naming.recovered();
        this.#config.recovered();
      },
    });
    this.#naming = new HttpNaming({ http: this.#http, namespace: this.namespace, log, udpPush: options.udpPush ?? true });
    this.#config = new HttpConfig({ http: this.#http, namespace: this.namespace, log });
  }

  get state(): RegistryState {
    return stateOf(this, this.#reachable);
  }

  get defaultGroup(): string {
    return this.#group;
  }

  watchTrouble(listener: TroubleListener): Unsubscribe {
    return this.#trouble.watch(listener);
  }

  ready(): Promise<void> {
    return (this.#ready ??= runInLane(undefined, () => waitUntilReady(this, this.#log, this.#holdProcess, () => this.#closed)));
  }

  check(): Promise<CheckResult> {
    return runInLane(undefined, () => this.#check().then((): CheckResult => ({ ok: true }), failedCheck));
  }

  /** Rejects with the problem. */
  async #check(): Promise<void> {
    if (this.#username !== undefined) await this.#http.logIn();
    const metrics = await this.#http.request({ method: 'GET', path: '/v1/ns/operator/metrics', query: {} });
    const { status } = (parseJson(metrics.body) ?? {}) as { status?: unknown };
    if (metrics.status === 200 && typeof status === 'string' && status !== 'UP') {
      throw new NacosError(
        'ELANE_NACOS_ANSWER',
        `Nacos at ${this.#http.label} reports its status as ${status}: wait until it has started, or check its log`,
      );
    }
    // Check this API, too: it needs permission if the server has authentication on, and some versions keep only one of the two APIs.
    const config = await this.#http.request({
      method: 'GET',
      path: '/v1/cs/configs',
      query: { dataId: 'lane-groups', group: 'LANE', ...this.#tenant() },
    });
    if (config.status === 200 || isAbsentDocument(config)) return;
    if (isUnknownApi(config)) throw noHttpV1(config);
    if (config.status === 404) throw noNacos(this.#http.label, config);
    throw new NacosError(
      'ELANE_NACOS_ANSWER',
      `Nacos at ${this.#http.label} answered ${config.status} when asked for a document (${config.excerpt()}): check LANE_NACOS_NAMESPACE and the server's log`,
    );
  }

  #tenant(): { tenant?: string } {
    return this.namespace === 'public' ? {} : { tenant: this.namespace };
  }

  observe(key: ServiceKey, listener: (instances: readonly Instance[]) => void): Unsubscribe {
    return runInLane(undefined, () => this.#naming.subscribe(key, listener));
  }

  list(key: ServiceKey): Promise<readonly NacosInstance[]> {
    return runInLane(undefined, () => this.#naming.list(key));
  }

  services(group: string = this.#group): Promise<readonly string[]> {
    return runInLane(undefined, () => this.#naming.services(group));
  }

  namespaces(): Promise<readonly NacosNamespace[]> {
    return runInLane(undefined, () => this.#namespaces());
  }

  async #namespaces(): Promise<NacosNamespace[]> {
    const answer = await this.#http.request({ method: 'GET', path: '/v1/console/namespaces' });
    const { data } = (parseJson(answer.body) ?? {}) as {
      data?: ReadonlyArray<{ namespace?: unknown; namespaceShowName?: unknown; madeOnUse?: unknown }>;
    };
    if (answer.status !== 200 || !Array.isArray(data)) {
      throw new NacosError('ELANE_NACOS_ANSWER', `Nacos at ${this.#http.label} answered ${answer.status} when asked to list its namespaces`);
    }
    return data.map(({ namespace, namespaceShowName, madeOnUse }) => ({
      id: typeof namespace === 'string' && namespace !== '' ? namespace : 'public',
      name: typeof namespaceShowName === 'string' ? namespaceShowName : '',
      ...(madeOnUse === true ? { madeOnUse } : {}),
    }));
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

  getRecorded(dataId: string, group: string): Promise<ConfigDocument | undefined> {
    return runInLane(undefined, () => this.#config.getRecorded(dataId, group));
  }

  publish(dataId: string, group: string, content: string, options?: PublishOptions): Promise<void> {
    return runInLane(undefined, () => this.#config.publish(dataId, group, content, options));
  }

  history(dataId: string, group: string, page: { readonly page: number; readonly limit: number }): Promise<ConfigChangePage> {
    return runInLane(undefined, () => this.#config.history(dataId, group, page));
  }

  comparesBeforeWriting(): Promise<boolean> {
    return runInLane(undefined, () => this.#config.comparesBeforeWriting());
  }

  contentOfChange(dataId: string, group: string, id: string): Promise<string | undefined> {
    return runInLane(undefined, () => this.#config.contentOfChange(dataId, group, id));
  }

  remove(dataId: string, group: string): Promise<void> {
    return runInLane(undefined, () => this.#config.remove(dataId, group));
  }

  watch(dataId: string, group: string, listener: (document: ConfigDocument | undefined) => void): Unsubscribe {
    return runInLane(undefined, () => this.#config.watch(dataId, group, listener));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await runInLane(undefined, async () => {
      this.#config.close();
      await this.#naming.close();
      this.#http.close();
    });
  }
}
