/**
 * Nacos's naming over gRPC: the server pushes lists as they change, and keeps registrations for as long as the connection lasts. On a new
 * connection we subscribe and register everything again.
 */
import { jsonNumber, saySame, type ServiceKey, type Unsubscribe } from '@lane/core/model';
import type { Registration } from '../connection.js';
import { NacosError } from '../nacos-error.js';
import { DEFAULT_CLUSTER, groupedName, parseGroupedName, toInstances, type NacosInstance } from '../nacos-instance.js';
import { unsupported, type Dependant, type GrpcCall, type GrpcSession } from './grpc-session.js';
import { Redo } from './redo.js';
import type { Message } from './server-link.js';

type Listener = (instances: readonly NacosInstance[]) => void;

interface Service {
  readonly key: ServiceKey;
  readonly listeners: Set<Listener>;
  known: readonly NacosInstance[] | undefined;
  /** When the server created the list, by its own clock: answers and pushes overtake each other. */
  madeAt: number;
}

interface Registered {
  readonly key: ServiceKey;
  /** By `ip:port`. */
  readonly instances: ReadonlyMap<string, Registration>;
}

/** A list as Nacos writes it. */
interface ServiceInfo {
  readonly name?: unknown;
  readonly groupName?: unknown;
  readonly hosts?: unknown;
  readonly lastRefTime?: unknown;
}

const PAGE_SIZE = 500;
/** A bound, because a server may claim forever that there is more. */
const MAX_PAGES = 200;
/** A server that does not know the request (`NacosException.NO_HANDLER`). */
const NO_HANDLER = 302;

/** The naming side of a connection. Everything is called outside any lane. */
export class GrpcNaming implements Dependant {
  readonly #session: GrpcSession;
  readonly #services = new Map<string, Service>();
  readonly #registrations = new Map<string, Registered>();
  readonly #redo: Redo;
  /** By service: the latest registration request. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(session: GrpcSession) {
    this.#session = session;
    this.#redo = new Redo(session);
    session.add(this);
  }

  get isWaiting(): boolean {
    return this.#services.size > 0 || this.#registrations.size > 0;
  }

  connected(): void {
    for (const service of this.#services.values()) {
      // Another server's clock.
      service.madeAt = 0;
      this.#subscribeTo(service);
    }
    for (const [id, registered] of this.#registrations) {
      this.#redo.do(`register ${id}`, () => (this.#registrations.get(id) === registered ? this.#publish(registered) : undefined));
    }
  }

  pushed({ type, fields }: Message): void {
    if (type !== 'NotifySubscriberRequest') return;
    const info = fields['serviceInfo'] as ServiceInfo | null | undefined;
    const name = fields['serviceName'] ?? info?.name;
    const group = fields['groupName'] ?? info?.groupName;
    if (typeof name !== 'string' || typeof info !== 'object' || info === null) return;
    const key = name.includes('@@') || typeof group !== 'string' ? parseGroupedName(name) : { group, name };
    const service = this.#services.get(groupedName(key));
    if (service !== undefined) this.#take(service, info);
  }

  subscribe(key: ServiceKey, listener: Listener): Unsubscribe {
    const id = groupedName(key);
    // Its own function, so that one listener can subscribe twice.
    const own: Listener = (instances) => listener(instances);
    let service = this.#services.get(id);
    if (service === undefined) {
      service = { key, listeners: new Set(), known: undefined, madeAt: 0 };
      this.#services.set(id, service);
      this.#subscribeTo(service);
    } else if (service.known !== undefined) {
      queueMicrotask(() => subscribed.known !== undefined && subscribed.listeners.has(own) && this.#session.tell(own, subscribed.known));
    }
    const subscribed = service;
    subscribed.listeners.add(own);
    return () => {
      subscribed.listeners.delete(own);
      if (subscribed.listeners.size > 0 || this.#services.get(id) !== subscribed) return;
      this.#services.delete(id);
      this.#leave(key);
    };
  }

  async list(key: ServiceKey): Promise<readonly NacosInstance[]> {
    const answer = await this.#session.request({
      doing: `list ${key.name}`,
      type: 'ServiceQueryRequest',
      fields: { ...this.#service(key), cluster: '', healthyOnly: false, udpPort: 0 },
    });
    return toInstances(infoOf(answer, key).hosts);
  }

  async services(group: string): Promise<string[]> {
    const names: string[] = [];
    for (let pageNo = 1; pageNo <= MAX_PAGES; pageNo++) {
      const answer = await this.#session.request({
        doing: 'list services',
        type: 'ServiceListRequest',
        fields: { ...this.#service({ group, name: '' }), pageNo, pageSize: PAGE_SIZE },
      });
      const { count, serviceNames } = answer;
      const found = Array.isArray(serviceNames) ? serviceNames.filter((name): name is string => typeof name === 'string') : [];
      for (const name of found) names.push(name.includes('@@') ? parseGroupedName(name).name : name);
      if (found.length < PAGE_SIZE || names.length >= jsonNumber(count)) break;
    }
    return names;
  }

  async register(key: ServiceKey, registration: Registration): Promise<void> {
    if (registration.ephemeral === false) return this.#persist(key, registration, 'registerInstance');
    const id = groupedName(key);
    const before = this.#registrations.get(id);
    const registered = { key, instances: new Map(before?.instances).set(addressOf(registration), registration) };
    // Before the result is known, so that a reconnect meanwhile finds it.
    this.#registrations.set(id, registered);
    try {
      await this.#publish(registered);
    } catch (error) {
      if (this.#registrations.get(id) === registered) {
        if (before === undefined) this.#registrations.delete(id);
        else this.#registrations.set(id, before);
      }
      throw error;
    }
  }

  async deregister(key: ServiceKey, registration: Registration): Promise<void> {
    if (registration.ephemeral === false) return this.#persist(key, registration, 'deregisterInstance');
    const id = groupedName(key);
    const instances = new Map(this.#registrations.get(id)?.instances);
    instances.delete(addressOf(registration));
    if (instances.size > 0) {
      const rest = { key, instances };
      this.#registrations.set(id, rest);
      return this.#publish(rest);
    }
    this.#registrations.delete(id);
    await this.#inTurn(id, {
      doing: `deregister ${key.name}`,
      type: 'InstanceRequest',
      fields: { ...this.#service(key), type: 'deregisterInstance', instance: wireInstance(registration) },
    });
  }

  /** Ends subscriptions, and deregisters what was registered here unless the server is down. Needs the session. */
  async close(): Promise<void> {
    this.#services.clear();
    this.#redo.close();
    const registered = [...this.#registrations.values()];
    this.#registrations.clear();
    // Without a connection, the server keeps nothing.
    if (!this.#session.isConnected) return;
    await Promise.allSettled(registered.map(({ key, instances }) => this.deregister(key, instances.values().next().value as Registration)));
  }

  #service({ group, name }: ServiceKey): object {
    return { namespace: this.#session.namespace, groupName: group, serviceName: name };
  }

  #subscribeTo(service: Service): void {
    const { key } = service;
    const id = groupedName(key);
    this.#redo.do(`subscribe ${id}`, async () => {
      if (this.#services.get(id) === service) this.#take(service, infoOf(await this.#session.request(this.#subscription(key, true)), key));
    });
  }

  /** Under the same name as subscribing: requests overtake each other. */
  #leave(key: ServiceKey): void {
    const id = groupedName(key);
    this.#redo.do(`subscribe ${id}`, async () => {
      if (this.#services.has(id) || !this.#session.isConnected) return;
      await this.#session.request(this.#subscription(key, false)).catch(() => {});
    });
  }

  #subscription(key: ServiceKey, subscribe: boolean): GrpcCall {
    return { doing: `list ${key.name}`, type: 'SubscribeServiceRequest', fields: { ...this.#service(key), subscribe, clusters: '' } };
  }

  #take(service: Service, info: ServiceInfo): void {
    const madeAt = jsonNumber(info.lastRefTime) || 0;
    if (madeAt < service.madeAt) return;
    service.madeAt = madeAt;
    const instances = toInstances(info.hosts);
    if (service.known !== undefined && saySame(service.known, instances)) return;
    service.known = instances;
    for (const listener of Array.from(service.listeners)) this.#session.tell(listener, instances);
  }

  /** A connection has one registration per service, which a second one replaces: several addresses are registered together. */
  #publish({ key, instances }: Registered): Promise<void> {
    const [first, ...others] = Array.from(instances.values(), wireInstance);
    return this.#inTurn(groupedName(key), {
      doing: `register ${key.name}`,
      ...(others.length === 0
        ? { type: 'InstanceRequest', fields: { ...this.#service(key), type: 'registerInstance', instance: first } }
        : { type: 'BatchInstanceRequest', fields: { ...this.#service(key), type: 'batchRegisterInstance', instances: [first, ...others] } }),
    });
  }

  /** Serialized per service: requests overtake each other, and the last one wins. */
  #inTurn(id: string, call: GrpcCall): Promise<void> {
    const before = this.#turns.get(id) ?? Promise.resolve();
    const turn = before
      .catch(() => {})
      .then(async () => {
        await this.#session.request(call);
      })
      .finally(() => {
        if (this.#turns.get(id) === turn) this.#turns.delete(id);
      });
    this.#turns.set(id, turn);
    return turn;
  }

  /** Registers or deregisters an instance that outlives the connection. */
  async #persist(key: ServiceKey, registration: Registration, type: 'registerInstance' | 'deregisterInstance'): Promise<void> {
    const { errorCode, resultCode } = await this.#session.request({
      doing: `${type === 'registerInstance' ? 'register' : 'deregister'} ${key.name}`,
      type: 'PersistentInstanceRequest',
      fields: { ...this.#service(key), type, instance: wireInstance(registration) },
      accepts: [NO_HANDLER],
    });
    if (errorCode === NO_HANDLER && resultCode !== 200) throw unsupported('keep instances that are not ephemeral');
  }
}

function infoOf(answer: Readonly<Record<string, unknown>>, { name }: ServiceKey): ServiceInfo {
  const info = answer['serviceInfo'] as ServiceInfo | null | undefined;
  if (typeof info !== 'object' || info === null) throw new NacosError('ELANE_NACOS_ANSWER', `Nacos answered without a list of instances for ${name}`);
  return info;
}

function addressOf(registration: { readonly ip: string; readonly port: number }): string {
  return `${registration.ip}:${registration.port}`;
}

function wireInstance(registration: Registration): object {
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
