/**
 * A connection over gRPC, by nacos-sdk-rust-binding-node.
 *
 * Mechanism: the binding's callbacks hold the process alive for ever, so none is used. Instances are read from the cache that
 * the binding keeps up to date by the server's pushes, once a second and without a request; one service in turn is asked of
 * the server, which tells outages. Documents are asked of the server.
 * Limits: connecting blocks the thread for 0.1 to 0.5 s, and for 4.5 s if the server accepts connections but does not serve
 * yet; it is tried only where something listens. No list of services, no compare-and-set, no history, no name of who writes. The binding writes logs of its
 * own to ~/logs/nacos. A request in flight during an outage holds the process until the binding gives up. Of several servers
 * those that are down when the connection is made are left out of it. After an outage the binding connects again in its own
 * time: a change of a document was seen 2.5 s after it.
 */
import {
  runInLane,
  type ConfigDocument,
  type Instance,
  type Log,
  type RegistryState,
  type ServiceKey,
  type Unsubscribe,
  type ConfigChangePage,
  type PublishOptions,
  codeOf,
  messageOf,
} from '@lane/core/model';
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
import { makeUnfiltered } from '../sdk/adapter.js';
import { documentOf } from '../document.js';
import { loadBinding, type Binding, type BindingConfig, type BindingInstance, type BindingNaming, type BindingOptions } from './grpc-binding.js';
import { Complaints } from '../complaints.js';
import { NacosError } from '../nacos-error.js';
import { DEFAULT_GROUP, DEFAULT_CLUSTER, groupedName, signatureOf, toInstances, type NacosInstance } from '../nacos-instance.js';
import { parseServers, type ServerAddress } from '../server-address.js';

type InstancesListener = (instances: readonly NacosInstance[]) => void;
type DocumentListener = (document: ConfigDocument | undefined) => void;

interface Service {
  readonly key: ServiceKey;
  readonly listeners: Set<InstancesListener>;
  known: readonly NacosInstance[] | undefined;
  signature: string;
  asking: boolean;
}

interface Watched {
  readonly dataId: string;
  readonly group: string;
  readonly listeners: Set<DocumentListener>;
  known: boolean;
  document: ConfigDocument | undefined;
  asking: boolean;
}

/** gRPC is served this far above the HTTP port. */
const GRPC_PORT_OFFSET = 1_000;
const PROBE_TIMEOUT_MS = 3_000;
const CALL_TIMEOUT_MS = 5_000;
const CACHE_POLL_MS = 1_000;
const SERVER_POLL_MS = 2_000;
const DOCUMENT_POLL_MS = 1_500;
/** After an outage the binding registers only one of several instances again (seen with 0.8.0): they are looked after. */
const REGISTRATION_CHECK_MS = 5_000;
/** So long after trouble an empty list may be a server that has restarted, and whose clients have not registered again yet (seen: 8 s). */
const EMPTY_GRACE_MS = 15_000;

/** A connection over gRPC. Whatever lane the caller is in, all of it happens outside. */
export class GrpcConnection implements NacosConnection {
  readonly transport = 'grpc';
  readonly keepsHistory = false;
  readonly server: string;
  readonly namespace: string;
  readonly #servers: readonly ServerAddress[];
  readonly #options: NacosOptions;
  readonly #log: Log;
  readonly #holdProcess: boolean;
  #naming: BindingNaming | undefined;
  #config: BindingConfig | undefined;
  #connecting: Promise<unknown> = Promise.resolve();
  #ready: Promise<void> | undefined;
  readonly #services = new Map<string, Service>();
  readonly #documents = new Map<string, Watched>();
  readonly #registrations = new Map<string, { key: ServiceKey; instances: Map<string, BindingInstance> }>();
  #cacheTimer: NodeJS.Timeout | undefined;
  #serverTimer: NodeJS.Timeout | undefined;
  #documentTimer: NodeJS.Timeout | undefined;
  #registrationTimer: NodeJS.Timeout | undefined;
  #turn = 0;
  #reachable: boolean | undefined;
  #downSince = 0;
  #troubleAt = -Infinity;
  readonly #complaints: Complaints;
  #closed = false;

  constructor(options: NacosOptions, log: Log) {
    this.server = options.server;
    this.namespace = options.namespace === undefined || options.namespace === '' ? 'public' : options.namespace;
    this.#servers = parseServers(options.server);
    this.#options = options;
    this.#log = log;
    this.#complaints = new Complaints(log);
    this.#holdProcess = options.holdProcess ?? false;
  }

  get state(): RegistryState {
    return stateOf(this, this.#reachable !== false);
  }

  get defaultGroup(): string {
    return this.#options.group ?? DEFAULT_GROUP;
  }

  ready(): Promise<void> {
    return (this.#ready ??= runInLane(undefined, () => waitUntilReady(this, this.#log, this.#holdProcess, () => this.#closed)));
  }

  check(): Promise<CheckResult> {
    return runInLane(undefined, () => this.#readDocument('lane-groups', 'LANE').then((): CheckResult => ({ ok: true }), failedCheck));
  }

  // Naming

  observe(key: ServiceKey, listener: (instances: readonly Instance[]) => void): Unsubscribe {
    const id = groupedName(key);
    const own: InstancesListener = (instances) => listener(instances);
    let service = this.#services.get(id);
    if (service === undefined) {
      service = { key, listeners: new Set(), known: undefined, signature: '', asking: false };
      this.#services.set(id, service);
    }
    const subscribed = service;
    subscribed.listeners.add(own);
    runInLane(undefined, () => {
      if (subscribed.known === undefined) void this.#refresh(subscribed, true);
      else queueMicrotask(() => subscribed.known !== undefined && subscribed.listeners.has(own) && this.#tell(own, subscribed.known));
      this.#cacheTimer ??= this.#every(CACHE_POLL_MS, () => {
        for (const each of this.#services.values()) if (each.known !== undefined) void this.#refresh(each, false);
      });
      this.#serverTimer ??= this.#every(SERVER_POLL_MS, () => this.#refreshNext());
    });
    return () => {
      subscribed.listeners.delete(own);
      if (subscribed.listeners.size > 0) return;
      if (this.#services.get(id) === subscribed) this.#services.delete(id);
      if (this.#services.size > 0) return;
      clearInterval(this.#cacheTimer);
      clearInterval(this.#serverTimer);
      this.#cacheTimer = this.#serverTimer = undefined;
    };
  }

  list(key: ServiceKey): Promise<readonly NacosInstance[]> {
    return runInLane(undefined, () => this.#ask(key, false));
  }

  services(): Promise<readonly string[]> {
    return Promise.reject(unsupported('list services'));
  }

  namespaces(): Promise<readonly NacosNamespace[]> {
    return Promise.reject(unsupported('list namespaces'));
  }

  register(key: ServiceKey, registration: Registration): Promise<void> {
    return runInLane(undefined, async () => {
      const id = groupedName(key);
      const instances = new Map(this.#registrations.get(id)?.instances);
      instances.set(addressOf(registration), toBindingInstance(registration));
      await this.#publishInstances(key, instances);
      this.#registrations.set(id, { key, instances });
      if (instances.size > 1) this.#registrationTimer ??= this.#every(REGISTRATION_CHECK_MS, () => void this.#restoreRegistrations());
    });
  }

  async #restoreRegistrations(): Promise<void> {
    for (const [id, registered] of this.#registrations) {
      if (registered.instances.size < 2) continue;
      try {
        const listed = new Set((await this.#ask(registered.key, false)).map(addressOf));
        const isGone = [...registered.instances.keys()].some((address) => !listed.has(address));
        if (isGone && this.#registrations.get(id) === registered) await this.#publishInstances(registered.key, registered.instances);
      } catch (error) {
        this.#complain(error);
      }
    }
  }

  deregister(key: ServiceKey, registration: Registration): Promise<void> {
    return runInLane(undefined, async () => {
      const id = groupedName(key);
      const instances = new Map(this.#registrations.get(id)?.instances);
      instances.delete(addressOf(registration));
      if (instances.size > 0) {
        await this.#publishInstances(key, instances);
        this.#registrations.set(id, { key, instances });
        return;
      }
      this.#registrations.delete(id);
      const naming = await this.#namingClient();
      await this.#call('deregister', () => naming.deregisterInstance(key.name, key.group, toBindingInstance(registration)));
    });
  }

  /** A connection has one registration for each service, which a second one replaces: several addresses go together. */
  async #publishInstances(key: ServiceKey, instances: ReadonlyMap<string, BindingInstance>): Promise<void> {
    const naming = await this.#namingClient();
    const [first, ...others] = instances.values();
    await this.#call(`register ${key.name}`, () =>
      others.length === 0
        ? naming.registerInstance(key.name, key.group, first as BindingInstance)
        : naming.batchRegisterInstance(key.name, key.group, [first as BindingInstance, ...others]),
    );
  }

  async #ask(key: ServiceKey, fromCache: boolean): Promise<NacosInstance[]> {
    const naming = await this.#namingClient();
    return toInstances(await this.#call(`list ${key.name}`, () => naming.getAllInstances(key.name, key.group, [], fromCache), fromCache));
  }

  /** Asks the server for one service, another each time: that is enough to know of an outage. */
  #refreshNext(): void {
    const services = [...this.#services.values()];
    const next = services.find((service) => service.known === undefined) ?? services[this.#turn++ % services.length];
    if (next !== undefined) void this.#refresh(next, true);
  }

  async #refresh(service: Service, askServer: boolean): Promise<void> {
    if (service.asking || this.#closed) return;
    service.asking = true;
    try {
      if (service.known === undefined) await this.#ask(service.key, true);
      let instances = await this.#ask(service.key, !askServer);
      // An outage empties the binding's cache too: only the server's word counts.
      if (instances.length === 0 && !askServer && (service.known?.length ?? 0) > 0) instances = await this.#ask(service.key, false);
      this.#take(service, instances);
    } catch (error) {
      this.#complain(error);
    } finally {
      service.asking = false;
    }
  }

  #take(service: Service, instances: readonly NacosInstance[]): void {
    if (instances.length === 0 && (service.known?.length ?? 0) > 0 && performance.now() - this.#troubleAt < EMPTY_GRACE_MS) return;
    const signature = signatureOf(instances);
    if (service.known !== undefined && signature === service.signature) return;
    service.known = instances;
    service.signature = signature;
    for (const listener of Array.from(service.listeners)) this.#tell(listener, instances);
  }

  // Documents

  get(dataId: string, group: string): Promise<ConfigDocument | undefined> {
    return runInLane(undefined, () => this.#readDocument(dataId, group));
  }

  publish(dataId: string, group: string, content: string, options: PublishOptions = {}): Promise<void> {
    if (options.casMd5 !== undefined) return Promise.reject(unsupported('compare a document before writing it (casMd5)'));
    return runInLane(undefined, async () => {
      const config = await this.#configClient();
      const taken = await this.#call(`publish the document ${dataId}`, () => config.publishConfig(dataId, group, content));
      if (!taken) throw new NacosError('ELANE_NACOS_ANSWER', `Nacos did not take the document ${dataId}: check its log`);
    });
  }

  history(): Promise<ConfigChangePage> {
    return Promise.reject(unsupported('read the history of a document'));
  }

  comparesBeforeWriting(): Promise<boolean> {
    return Promise.resolve(false);
  }

  contentOfChange(): Promise<string | undefined> {
    return Promise.reject(unsupported('read the history of a document'));
  }

  remove(dataId: string, group: string): Promise<void> {
    return runInLane(undefined, async () => {
      const config = await this.#configClient();
      await this.#call(`remove the document ${dataId}`, () => config.removeConfig(dataId, group));
    });
  }

  watch(dataId: string, group: string, listener: DocumentListener): Unsubscribe {
    const id = `${dataId}\n${group}`;
    const own: DocumentListener = (document) => listener(document);
    let watched = this.#documents.get(id);
    if (watched === undefined) {
      watched = { dataId, group, listeners: new Set(), known: false, document: undefined, asking: false };
      this.#documents.set(id, watched);
    }
    const document = watched;
    document.listeners.add(own);
    runInLane(undefined, () => {
      if (document.known) queueMicrotask(() => document.listeners.has(own) && this.#tell(own, document.document));
      else void this.#reread(document);
      this.#documentTimer ??= this.#every(DOCUMENT_POLL_MS, () => {
        for (const each of this.#documents.values()) void this.#reread(each);
      });
    });
    return () => {
      document.listeners.delete(own);
      if (document.listeners.size === 0 && this.#documents.get(id) === document) this.#documents.delete(id);
      if (this.#documents.size > 0) return;
      clearInterval(this.#documentTimer);
      this.#documentTimer = undefined;
    };
  }

  async #reread(watched: Watched): Promise<void> {
    if (watched.asking || this.#closed) return;
    watched.asking = true;
    try {
      const document = await this.#readDocument(watched.dataId, watched.group);
      if (watched.known && document?.md5 === watched.document?.md5) return;
      watched.known = true;
      watched.document = document;
      for (const listener of Array.from(watched.listeners)) this.#tell(listener, document);
    } catch (error) {
      this.#complain(error);
    } finally {
      watched.asking = false;
    }
  }

  async #readDocument(dataId: string, group: string): Promise<ConfigDocument | undefined> {
    const config = await this.#configClient();
    return this.#call(`read the document ${dataId}`, async () => {
      try {
        return documentOf((await config.getConfigResp(dataId, group)).content);
      } catch (error) {
        if (/config not found|config data not exist/i.test(messageOf(error))) return undefined;
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    for (const timer of [this.#cacheTimer, this.#serverTimer, this.#documentTimer, this.#registrationTimer]) clearInterval(timer);
    this.#services.clear();
    this.#documents.clear();
    const registered = [...this.#registrations.values()];
    if (this.#reachable !== false) {
      await Promise.allSettled(
        registered.flatMap(({ key, instances }) =>
          [...instances.values()].map((instance) => this.deregister(key, { ip: instance.ip, port: instance.port })),
        ),
      );
    }
    this.#closed = true;
    this.#registrations.clear();
    this.#naming = undefined;
    this.#config = undefined;
  }

  // The binding

  async #namingClient(): Promise<BindingNaming> {
    return (this.#naming ??= await this.#connect(
      (binding, options) => this.#naming ?? makeUnfiltered(() => new binding.NacosNamingClient({ ...options, namingPushEmptyProtection: false })),
    ));
  }

  async #configClient(): Promise<BindingConfig> {
    return (this.#config ??= await this.#connect((binding, options) => this.#config ?? new binding.NacosConfigClient(options)));
  }

  /** One after another, and only where something listens: constructing a client blocks until it is connected. */
  #connect<T>(make: (binding: Binding, options: BindingOptions) => T): Promise<T> {
    const made = this.#connecting.then(async () => {
      if (this.#closed) throw new NacosError('ELANE_NACOS_UNREACHABLE', 'the connection is closed');
      const binding = loadBinding(this.#options.resolve);
      const servers = await this.#probe();
      const { username, password } = this.#options;
      const options: BindingOptions = {
        serverAddr: servers.map(({ host, port }) => `${host}:${port}`).join(','),
        namespace: this.namespace === 'public' ? '' : this.namespace,
        ...(username === undefined || username === '' ? {} : { username, password: password ?? '' }),
      };
      try {
        return make(binding, options);
      } catch (error) {
        throw this.#failed(this.#translate('connect', error));
      }
    });
    this.#connecting = made.catch(() => {});
    return made;
  }

  /** The servers at which something listens; the binding would block on others, which it takes at random. Rejects if there are none such. */
  async #probe(): Promise<ServerAddress[]> {
    const failures = await Promise.all(this.#servers.map(({ host, port }) => probe(host, port + GRPC_PORT_OFFSET, this.#holdProcess)));
    const listening = this.#servers.filter((_server, i) => failures[i] === undefined);
    if (listening.length > 0) return listening;
    const reasons = this.#servers.map(
      (server, i) => `${failures[i]} on port ${server.port + GRPC_PORT_OFFSET}, which is that of ${server.label} for gRPC`,
    );
    throw this.#failed(
      new NacosError(
        'ELANE_NACOS_UNREACHABLE',
        `Nacos at ${this.server} can't be reached (${reasons.join('; ')}): is Nacos running there? Set LANE_NACOS_SERVER to its host:port`,
      ),
    );
  }

  /**
   * Runs one call of the binding, which may hang while the server is away. Rejects with a NacosError.
   * An answer from the binding's cache says nothing of the server.
   */
  async #call<T>(doing: string, call: () => Promise<T>, isFromCache = false): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('no answer in time')), CALL_TIMEOUT_MS);
      if (!this.#holdProcess) timer.unref();
    });
    try {
      const result = await Promise.race([call(), late]);
      if (!isFromCache) this.#succeeded();
      return result;
    } catch (error) {
      throw this.#failed(this.#translate(doing, error));
    } finally {
      clearTimeout(timer);
    }
  }

  #translate(doing: string, error: unknown): NacosError {
    const message = messageOf(error);
    const { username } = this.#options;
    // The answer to a list without permission has no list in it, and the binding says only that.
    if (/error_code=40[13]|user not found|unknown user|no right|unauthori|authorization failed|missing field `serviceInfo`/i.test(message)) {
      return new NacosError(
        'ELANE_NACOS_REFUSED',
        username === undefined || username === ''
          ? `Nacos at ${this.server} wants a log-in: set LANE_NACOS_USERNAME and LANE_NACOS_PASSWORD`
          : `Nacos at ${this.server} refused user ${username}: check LANE_NACOS_USERNAME and LANE_NACOS_PASSWORD, and the user's permissions`,
        error,
      );
    }
    if (/result_code=|error_code=/.test(message))
      return new NacosError('ELANE_NACOS_ANSWER', `Nacos at ${this.server} refused to ${doing}: ${message}`, error);
    return new NacosError(
      'ELANE_NACOS_UNREACHABLE',
      `Nacos at ${this.server} can't be reached over gRPC (${message}): is Nacos running there? Set LANE_NACOS_SERVER to its host:port`,
      error,
    );
  }

  #succeeded(): void {
    if (this.#reachable === true) return;
    if (this.#reachable === false) {
      this.#troubleAt = performance.now();
      this.#log.info(`Nacos at ${this.server} answers again`, { afterMs: Math.round(performance.now() - this.#downSince) });
    }
    const wasDown = this.#reachable === false;
    this.#reachable = true;
    this.#tellReachable(true);
    if (!wasDown) return;
    // What was asked during the outage may hang for a while yet.
    for (const document of this.#documents.values()) {
      document.asking = false;
      void this.#reread(document);
    }
  }

  #failed(error: NacosError): NacosError {
    if (error.code !== 'ELANE_NACOS_UNREACHABLE') return error;
    this.#troubleAt = performance.now();
    if (this.#reachable === false || this.#closed) return error;
    this.#reachable = false;
    this.#downSince = performance.now();
    this.#log.warn(`${error.message}. Until it answers, what is known of it stays in use`);
    this.#tellReachable(false);
    return error;
  }

  #tellReachable(reachable: boolean): void {
    try {
      this.#options.onReachable?.(reachable);
    } catch (error) {
      this.#log.error('a listener for outages failed', { error: messageOf(error) });
    }
  }

  #every(periodMs: number, work: () => void): NodeJS.Timeout {
    const timer = setInterval(work, periodMs);
    timer.unref();
    return timer;
  }

  #tell<T>(listener: (value: T) => void, value: T): void {
    try {
      listener(value);
    } catch (error) {
      this.#log.error('a listener for Nacos failed', { error: messageOf(error) });
    }
  }

  #complain(error: unknown): void {
    if (!this.#closed) this.#complaints.say(error);
  }
}

/** Whether something listens there; gives what is wrong, or undefined. */
function probe(host: string, port: number, holdProcess: boolean): Promise<string | undefined> {
  const { connect } = require('node:net') as typeof import('node:net');
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    if (!holdProcess) socket.unref();
    const finish = (problem: string | undefined): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => finish('no answer in time'));
    socket.on('connect', () => finish(undefined));
    socket.on('error', (error) => finish(codeOf(error) ?? messageOf(error)));
  });
}

function unsupported(what: string): NacosError {
  return new NacosError('ELANE_UNSUPPORTED', `the gRPC binding can't ${what}: use LANE_NACOS_TRANSPORT=http for that, or Nacos's own console`);
}

function addressOf(registration: { readonly ip: string; readonly port: number }): string {
  return `${registration.ip}:${registration.port}`;
}

function toBindingInstance(registration: Registration): BindingInstance {
  const { ip, port, weight, healthy, enabled, ephemeral, cluster, metadata } = registration;
  return {
    ip,
    port,
    weight: weight ?? 1,
    healthy: healthy ?? true,
    enabled: enabled ?? true,
    ephemeral: ephemeral ?? true,
    clusterName: cluster ?? DEFAULT_CLUSTER,
    metadata: { ...metadata },
  };
}
