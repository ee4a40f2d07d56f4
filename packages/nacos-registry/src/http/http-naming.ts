/** Nacos's naming over the HTTP API v1: lists by polling and UDP push, registrations kept by beats. */
import { type Log, type ServiceKey, type Unsubscribe, messageOf } from '@lane/core/model';
import type { Registration } from '../connection.js';
import { NacosError } from '../nacos-error.js';
import { excerpt, isUnknownApi, parseJson, type NacosAnswer, type NacosHttp } from './nacos-http.js';
import { DEFAULT_CLUSTER, groupedName, parseGroupedName, signatureOf, toInstances, type NacosInstance } from '../nacos-instance.js';
import { PushReceiver } from './push-receiver.js';

/** Options of {@link HttpNaming}. */
export interface HttpNamingOptions {
  readonly http: NacosHttp;
  readonly namespace: string;
  readonly log: Log;
  readonly udpPush: boolean;
}

type Listener = (instances: readonly NacosInstance[]) => void;

interface Service {
  readonly key: ServiceKey;
  readonly listeners: Set<Listener>;
  known: readonly NacosInstance[] | undefined;
  signature: string;
  /** The server's time of what is known, and ours when we took it. */
  lastRefTime: number;
  takenAt: number;
  timer: NodeJS.Timeout | undefined;
  failures: number;
  asking: boolean;
  askAgain: boolean;
}

interface Beat {
  readonly key: ServiceKey;
  readonly registration: Registration;
  timer: NodeJS.Timeout | undefined;
  /** The beat under way. */
  sending: Promise<void> | undefined;
}

const DEFAULT_POLL_MS = 10_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 10_000;
/** An empty list that is not believed yet is asked for again this soon. */
const DISBELIEF_POLL_MS = 2_000;
/** A push and a poll under way can overtake each other by this much. */
const RACE_MS = 3_000;
const DEFAULT_BEAT_MS = 5_000;
const PAGE_SIZE = 500;
/** Code of the answer to a beat of an instance that the server doesn't know. */
const UNKNOWN_INSTANCE = 20404;

/** The naming side of a connection. Everything is called outside any lane. */
export class HttpNaming {
  readonly #http: NacosHttp;
  readonly #namespace: string;
  readonly #log: Log;
  readonly #services = new Map<string, Service>();
  readonly #beats = new Map<string, Beat>();
  readonly #receiver: PushReceiver | undefined;
  readonly #complaints = new Set<string>();
  #closed = false;

  constructor(options: HttpNamingOptions) {
    this.#http = options.http;
    this.#namespace = options.namespace;
    this.#log = options.log;
    if (options.udpPush) {
      this.#receiver = new PushReceiver(
        (data, sender) => this.#pushed(data, sender),
        (problem) => this.#log.debug(`UDP push of Nacos: ${problem}; polling goes on`),
      );
    }
  }

  subscribe(key: ServiceKey, listener: Listener): Unsubscribe {
    const id = groupedName(key);
    let service = this.#services.get(id);
    if (service === undefined) {
      service = {
        key,
        listeners: new Set(),
        known: undefined,
        signature: '',
        lastRefTime: 0,
        takenAt: 0,
        timer: undefined,
        failures: 0,
        asking: false,
        askAgain: false,
      };
      this.#services.set(id, service);
      void this.#refresh(service);
    } else if (service.known !== undefined) {
      queueMicrotask(() => {
        if (service?.known !== undefined && service.listeners.has(own)) this.#tell(own, service.known);
      });
    }
    const subscribed = service;
    // Its own function, so that one listener can subscribe twice.
    const own: Listener = (instances) => listener(instances);
    subscribed.listeners.add(own);
    return () => {
      subscribed.listeners.delete(own);
      if (subscribed.listeners.size > 0) return;
      clearTimeout(subscribed.timer);
      if (this.#services.get(id) === subscribed) this.#services.delete(id);
    };
  }

  async list(key: ServiceKey): Promise<readonly NacosInstance[]> {
    return toInstances((await this.#ask(key)).hosts);
  }

  async services(group: string): Promise<string[]> {
    const names: string[] = [];
    for (let page = 1; ; page++) {
      const query = { pageNo: String(page), pageSize: String(PAGE_SIZE), groupName: group, namespaceId: this.#namespace };
      const answer = expectSuccess(await this.#http.request({ method: 'GET', path: '/v1/ns/service/list', query }), 'list services');
      const { count, doms } = (parseJson(answer.body) ?? {}) as { count?: unknown; doms?: unknown };
      const found = Array.isArray(doms) ? (doms as string[]) : [];
      names.push(...found.map((name) => (name.includes('@@') ? parseGroupedName(name).name : name)));
      if (found.length < PAGE_SIZE || names.length >= Number(count)) return names;
    }
  }

  async register(key: ServiceKey, registration: Registration): Promise<void> {
    await this.#sendRegistration(key, registration);
    if (registration.ephemeral === false || this.#closed) return;
    const id = registrationId(key, registration);
    clearTimeout(this.#beats.get(id)?.timer);
    const beat: Beat = { key, registration, timer: undefined, sending: undefined };
    this.#beats.set(id, beat);
    this.#scheduleBeat(beat, Number(registration.metadata?.['preserved.heart.beat.interval']) || DEFAULT_BEAT_MS);
  }

  async deregister(key: ServiceKey, registration: Registration): Promise<void> {
    const id = registrationId(key, registration);
    const beat = this.#beats.get(id);
    this.#beats.delete(id);
    clearTimeout(beat?.timer);
    // A beat that overtakes would register the instance again.
    await beat?.sending;
    const query = {
      namespaceId: this.#namespace,
      serviceName: groupedName(key),
      groupName: key.group,
      clusterName: registration.cluster ?? DEFAULT_CLUSTER,
      ip: registration.ip,
      port: String(registration.port),
      ephemeral: String(registration.ephemeral ?? true),
    };
    expectSuccess(await this.#http.request({ method: 'DELETE', path: '/v1/ns/instance', query }), `deregister ${key.name}`);
  }

  /** The server answers again: asks for everything now rather than at the next turn. */
  recovered(): void {
    for (const service of this.#services.values()) void this.#refresh(service);
    for (const beat of this.#beats.values()) void this.#beat(beat);
  }

  /** Takes back what was registered, and ends everything. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const service of this.#services.values()) clearTimeout(service.timer);
    this.#services.clear();
    this.#receiver?.close();
    await Promise.allSettled([...this.#beats.values()].map((beat) => this.deregister(beat.key, beat.registration)));
  }

  async #refresh(service: Service): Promise<void> {
    if (service.asking) {
      service.askAgain = true;
      return;
    }
    clearTimeout(service.timer);
    service.asking = true;
    let delayMs: number;
    do {
      service.askAgain = false;
      try {
        const list = await this.#ask(service.key);
        service.failures = 0;
        delayMs = this.#take(service, list) ? Math.max(1_000, Number(list.cacheMillis) || DEFAULT_POLL_MS) : DISBELIEF_POLL_MS;
      } catch (error) {
        this.#complain(error);
        delayMs = Math.min(FIRST_RETRY_MS * 2 ** service.failures++, MAX_RETRY_MS);
      }
    } while (service.askAgain && !this.#closed);
    service.asking = false;
    if (this.#closed || service.listeners.size === 0) return;
    service.timer = setTimeout(() => void this.#refresh(service), delayMs);
    service.timer.unref();
  }

  async #ask(key: ServiceKey): Promise<ServiceList> {
    const udpPort = this.#receiver === undefined ? 0 : await this.#receiver.port();
    const query = {
      namespaceId: this.#namespace,
      serviceName: groupedName(key),
      clusters: '',
      udpPort: String(udpPort),
      clientIP: this.#pushAddress(),
      healthyOnly: 'false',
    };
    const answer = expectSuccess(await this.#http.request({ method: 'GET', path: '/v1/ns/instance/list', query }), `list ${key.name}`);
    const list = parseJson(answer.body) as ServiceList | null | undefined;
    if (!Array.isArray(list?.hosts))
      throw new NacosError(
        'ELANE_NACOS_ANSWER',
        `Nacos at ${this.#http.label} answered no list of instances for ${key.name}: ${excerpt(answer.body)}`,
      );
    return list;
  }

  /** Where the server sends its pushes; our socket for them is IPv4. */
  #pushAddress(): string {
    const { localAddress, label } = this.#http;
    return localAddress === undefined || localAddress.includes(':') ? likelyLocalAddress(label) : localAddress;
  }

  /** Takes what the server said; false where it is not believed yet. */
  #take(service: Service, list: ServiceList): boolean {
    const lastRefTime = Number(list.lastRefTime) || 0;
    const now = performance.now();
    if (lastRefTime < service.lastRefTime && now - service.takenAt < RACE_MS) return true;
    const instances = toInstances(list.hosts);
    if (instances.length === 0 && (service.known?.length ?? 0) > 0 && !this.#http.believesEmpty) return false;
    service.lastRefTime = lastRefTime;
    service.takenAt = now;
    const signature = signatureOf(instances);
    if (service.known !== undefined && signature === service.signature) return true;
    service.known = instances;
    service.signature = signature;
    for (const listener of Array.from(service.listeners)) this.#tell(listener, instances);
    return true;
  }

  #pushed(data: unknown, sender: string): void {
    if (data === null || typeof data !== 'object') return;
    const list = data as ServiceList & { name?: unknown; dom?: unknown };
    const name = list.name ?? list.dom;
    const service = typeof name === 'string' ? this.#services.get(groupedName(parseGroupedName(name))) : undefined;
    if (service === undefined) return;
    // Anybody can send a packet: one from elsewhere than a server of ours (or through a load balancer) is only a hint to ask.
    if (!this.#http.peers.has(sender) || !Array.isArray(list.hosts) || !this.#take(service, list)) void this.#refresh(service);
  }

  #tell(listener: Listener, instances: readonly NacosInstance[]): void {
    try {
      listener(instances);
    } catch (error) {
      this.#log.error('a listener for instances failed', { error: messageOf(error) });
    }
  }

  /** Says once what is wrong beyond an outage, which has its own line. */
  #complain(error: unknown): void {
    const message = messageOf(error);
    if (this.#closed || this.#complaints.has(message) || (error instanceof NacosError && error.code === 'ELANE_NACOS_UNREACHABLE')) return;
    this.#complaints.add(message);
    this.#log.warn(message);
  }

  async #sendRegistration(key: ServiceKey, registration: Registration): Promise<void> {
    const query = {
      namespaceId: this.#namespace,
      serviceName: groupedName(key),
      groupName: key.group,
      clusterName: registration.cluster ?? DEFAULT_CLUSTER,
      ip: registration.ip,
      port: String(registration.port),
      weight: String(registration.weight ?? 1),
      enable: String(registration.enabled ?? true),
      healthy: String(registration.healthy ?? true),
      ephemeral: String(registration.ephemeral ?? true),
      metadata: JSON.stringify(registration.metadata ?? {}),
    };
    expectSuccess(await this.#http.request({ method: 'POST', path: '/v1/ns/instance', query }), `register ${key.name}`);
  }

  #scheduleBeat(beat: Beat, delayMs: number): void {
    clearTimeout(beat.timer);
    beat.timer = setTimeout(() => void this.#beat(beat), Math.max(500, delayMs));
    beat.timer.unref();
  }

  async #beat(beat: Beat): Promise<void> {
    if (beat.sending !== undefined || !this.#isCurrent(beat)) return;
    let delayMs = DEFAULT_BEAT_MS;
    beat.sending = this.#sendBeat(beat).then(
      (intervalMs) => {
        delayMs = intervalMs;
      },
      (error: unknown) => this.#complain(error),
    );
    await beat.sending;
    beat.sending = undefined;
    if (this.#isCurrent(beat) && !this.#closed) this.#scheduleBeat(beat, delayMs);
  }

  #isCurrent(beat: Beat): boolean {
    return this.#beats.get(registrationId(beat.key, beat.registration)) === beat;
  }

  /** Gives the time until the next beat, in milliseconds. */
  async #sendBeat(beat: Beat): Promise<number> {
    const { key, registration } = beat;
    const body = {
      serviceName: groupedName(key),
      ip: registration.ip,
      port: registration.port,
      cluster: registration.cluster ?? DEFAULT_CLUSTER,
      weight: registration.weight ?? 1,
      metadata: registration.metadata ?? {},
      scheduled: false,
    };
    const query = { namespaceId: this.#namespace, serviceName: groupedName(key), beat: JSON.stringify(body) };
    const answer = expectSuccess(await this.#http.request({ method: 'PUT', path: '/v1/ns/instance/beat', query }), `take a beat of ${key.name}`);
    const { clientBeatInterval, code } = (parseJson(answer.body) ?? {}) as { clientBeatInterval?: unknown; code?: unknown };
    if (code === UNKNOWN_INSTANCE && this.#isCurrent(beat)) await this.#sendRegistration(key, registration);
    return Number(clientBeatInterval) || DEFAULT_BEAT_MS;
  }
}

/** A list as Nacos writes it. */
interface ServiceList {
  readonly hosts?: unknown;
  readonly cacheMillis?: unknown;
  readonly lastRefTime?: unknown;
}

/** Gives the answer back if it is a success; else throws a NacosError that says what was asked. */
export function expectSuccess(answer: NacosAnswer, doing: string): NacosAnswer {
  if (answer.status === 200) return answer;
  if (isUnknownApi(answer)) throw noHttpV1(answer);
  throw new NacosError('ELANE_NACOS_ANSWER', `Nacos answered ${answer.status} when asked to ${doing}: ${excerpt(answer.body)}`);
}

/** The error for a server without the HTTP API v1. */
export function noHttpV1(answer: NacosAnswer): NacosError {
  return new NacosError(
    'ELANE_NACOS_NO_HTTP_V1',
    `Nacos does not know its HTTP API v1 (it answered ${answer.status}; Nacos 3.2 and later have none): set LANE_NACOS_TRANSPORT=grpc, or add the context path to LANE_NACOS_SERVER if it is not /nacos`,
  );
}

function registrationId(key: ServiceKey, registration: Registration): string {
  return `${groupedName(key)}#${registration.ip}#${registration.port}`;
}

/** Our address for the first request, before a socket has told: the server sends its pushes there. */
function likelyLocalAddress(serverLabel: string): string {
  const host = serverLabel.slice(0, serverLabel.lastIndexOf(':'));
  if (host === 'localhost' || host === '[::1]' || host.startsWith('127.')) return '127.0.0.1';
  const { networkInterfaces } = require('node:os') as typeof import('node:os');
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) if (address.family === 'IPv4' && !address.internal) return address.address;
  }
  return '127.0.0.1';
}
