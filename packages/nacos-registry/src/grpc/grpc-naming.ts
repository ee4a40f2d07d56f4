/**
 * Nacos's naming over gRPC: instances are read from the cache that the binding keeps up to date by the server's pushes, once a second
 * and without a request; one service in turn is asked of the server, which tells outages.
 */
import type { ServiceKey, Unsubscribe } from '@lane/core/model';
import type { Registration } from '../connection.js';
import { DEFAULT_CLUSTER, groupedName, signatureOf, toInstances, type NacosInstance } from '../nacos-instance.js';
import type { BindingInstance } from './grpc-binding.js';
import type { GrpcSession } from './grpc-session.js';

type Listener = (instances: readonly NacosInstance[]) => void;

interface Service {
  readonly key: ServiceKey;
  readonly listeners: Set<Listener>;
  known: readonly NacosInstance[] | undefined;
  signature: string;
  asking: boolean;
}

interface Registered {
  readonly key: ServiceKey;
  /** By `ip:port`. */
  readonly instances: ReadonlyMap<string, BindingInstance>;
}

const CACHE_POLL_MS = 1_000;
const SERVER_POLL_MS = 2_000;
/** After an outage the binding registers only one of several instances again (seen with 0.8.0): they are looked after. */
const REGISTRATION_CHECK_MS = 5_000;

/** The naming side of a connection. Everything is called outside any lane. */
export class GrpcNaming {
  readonly #session: GrpcSession;
  readonly #services = new Map<string, Service>();
  readonly #registrations = new Map<string, Registered>();
  #cacheTimer: NodeJS.Timeout | undefined;
  #serverTimer: NodeJS.Timeout | undefined;
  #registrationTimer: NodeJS.Timeout | undefined;
  #turn = 0;

  constructor(session: GrpcSession) {
    this.#session = session;
  }

  subscribe(key: ServiceKey, listener: Listener): Unsubscribe {
    const id = groupedName(key);
    // Its own function, so that one listener can subscribe twice.
    const own: Listener = (instances) => listener(instances);
    let service = this.#services.get(id);
    if (service === undefined) {
      service = { key, listeners: new Set(), known: undefined, signature: '', asking: false };
      this.#services.set(id, service);
    }
    const subscribed = service;
    subscribed.listeners.add(own);
    if (subscribed.known === undefined) void this.#refresh(subscribed, true);
    else queueMicrotask(() => subscribed.known !== undefined && subscribed.listeners.has(own) && this.#session.tell(own, subscribed.known));
    this.#cacheTimer ??= setInterval(() => this.#refreshFromCache(), CACHE_POLL_MS).unref();
    this.#serverTimer ??= setInterval(() => this.#refreshNext(), SERVER_POLL_MS).unref();
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
    return this.#ask(key, false);
  }

  async register(key: ServiceKey, registration: Registration): Promise<void> {
    const id = groupedName(key);
    const instances = new Map(this.#registrations.get(id)?.instances);
    instances.set(addressOf(registration), toBindingInstance(registration));
    await this.#publish(key, instances);
    this.#registrations.set(id, { key, instances });
    if (instances.size > 1) this.#registrationTimer ??= setInterval(() => void this.#restoreRegistrations(), REGISTRATION_CHECK_MS).unref();
  }

  async deregister(key: ServiceKey, registration: Registration): Promise<void> {
    const id = groupedName(key);
    const instances = new Map(this.#registrations.get(id)?.instances);
    instances.delete(addressOf(registration));
    if (instances.size > 0) {
      await this.#publish(key, instances);
      this.#registrations.set(id, { key, instances });
      return;
    }
    this.#registrations.delete(id);
    const naming = await this.#session.naming();
    await this.#session.call('deregister', () => naming.deregisterInstance(key.name, key.group, toBindingInstance(registration)));
  }

  /** Ends subscriptions, and deregisters what was registered here unless the server is away. The session is still needed for that. */
  async close(): Promise<void> {
    for (const timer of [this.#cacheTimer, this.#serverTimer, this.#registrationTimer]) clearInterval(timer);
    this.#services.clear();
    const registered = [...this.#registrations.values()];
    if (this.#session.reachable) {
      await Promise.allSettled(
        registered.flatMap(({ key, instances }) =>
          [...instances.values()].map((instance) => this.deregister(key, { ip: instance.ip, port: instance.port })),
        ),
      );
    }
    this.#registrations.clear();
  }

  /** A connection has one registration for each service, which a second one replaces: several addresses go together. */
  async #publish(key: ServiceKey, instances: ReadonlyMap<string, BindingInstance>): Promise<void> {
    const naming = await this.#session.naming();
    const [first, ...others] = instances.values();
    await this.#session.call(`register ${key.name}`, () =>
      others.length === 0
        ? naming.registerInstance(key.name, key.group, first as BindingInstance)
        : naming.batchRegisterInstance(key.name, key.group, [first as BindingInstance, ...others]),
    );
  }

  async #restoreRegistrations(): Promise<void> {
    for (const [id, registered] of this.#registrations) {
      if (registered.instances.size < 2) continue;
      try {
        const listed = new Set((await this.#ask(registered.key, false)).map(addressOf));
        const isGone = [...registered.instances.keys()].some((address) => !listed.has(address));
        if (isGone && this.#registrations.get(id) === registered) await this.#publish(registered.key, registered.instances);
      } catch (error) {
        this.#session.complain(error);
      }
    }
  }

  async #ask(key: ServiceKey, fromCache: boolean): Promise<NacosInstance[]> {
    const naming = await this.#session.naming();
    return toInstances(await this.#session.call(`list ${key.name}`, () => naming.getAllInstances(key.name, key.group, [], fromCache), fromCache));
  }

  #refreshFromCache(): void {
    for (const service of this.#services.values()) if (service.known !== undefined) void this.#refresh(service, false);
  }

  /** Asks the server for one service, another each time: that is enough to know of an outage. */
  #refreshNext(): void {
    const services = [...this.#services.values()];
    const next = services.find((service) => service.known === undefined) ?? services[this.#turn++ % services.length];
    if (next !== undefined) void this.#refresh(next, true);
  }

  async #refresh(service: Service, askServer: boolean): Promise<void> {
    if (service.asking || this.#session.closed) return;
    service.asking = true;
    try {
      if (service.known === undefined) await this.#ask(service.key, true);
      let instances = await this.#ask(service.key, !askServer);
      // An outage empties the binding's cache too: only the server's word counts.
      if (instances.length === 0 && !askServer && (service.known?.length ?? 0) > 0) instances = await this.#ask(service.key, false);
      this.#take(service, instances);
    } catch (error) {
      this.#session.complain(error);
    } finally {
      service.asking = false;
    }
  }

  #take(service: Service, instances: readonly NacosInstance[]): void {
    const signature = signatureOf(instances);
    if (service.known !== undefined && signature === service.signature) return;
    service.known = instances;
    service.signature = signature;
    for (const listener of Array.from(service.listeners)) this.#session.tell(listener, instances);
  }
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
