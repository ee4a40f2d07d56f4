/** Nacos's naming over the HTTP API v1: lists by polling, sooner if a UDP push hints at a change; registrations kept alive by beats. */
import { jsonNumber, saySame, type Log, type ServiceKey, type Unsubscribe, messageOf } from '@lane/core/model';
import type { Registration } from '../connection.js';
import { Complaints } from '../complaints.js';
import { NacosError } from '../nacos-error.js';
import { parseJson } from '../bounded-json.js';
import { isUnknownApi, within, type NacosAnswer, type NacosHttp } from './nacos-http.js';
import { DEFAULT_CLUSTER, groupedName, parseGroupedName, toInstances, type NacosInstance } from '../nacos-instance.js';
import { KnownServers } from './known-servers.js';
import { HintPacer } from './hint-pacer.js';
import { localAddressTowards, PushReceiver } from './push-receiver.js';

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
  timer: NodeJS.Timeout | undefined;
  /** The server's latest value, in bounds. */
  intervalMs: number;
  failures: number;
  asking: boolean;
  askAgain: boolean;
}

interface Beat {
  readonly key: ServiceKey;
  readonly registration: Registration;
  timer: NodeJS.Timeout | undefined;
  /** The server's latest value, in bounds. */
  intervalMs: number;
  /** The beat under way. */
  sending: Promise<void> | undefined;
}

/** A fleet that polls in step is a load by itself: each interval is shortened by up to this share, at random. */
const JITTER = 0.2;
/** After an outage, all requests are spread over this share of their interval: all agents notice its end at the same moment. */
const RECOVERY = 0.3;
/** Poll interval: the server's value within bounds. */
const POLL_MS = { default: 10_000, min: 1_000, max: 60_000 };
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 10_000;
/** Beat interval: the server's value within bounds; without beats, instances are unhealthy after 15 s. */
const BEAT_MS = { default: 5_000, min: 500, max: 10_000 };
const PAGE_SIZE = 500;
/** A bound, because a server may claim forever that there is more. */
const MAX_PAGES = 200;
/** Code of the answer to a beat of an instance that the server doesn't know. */
const UNKNOWN_INSTANCE = 20404;

/** The naming side of a connection. Everything is called outside any lane. */
export class HttpNaming {
  readonly #http: NacosHttp;
  readonly #namespace: string;
  readonly #log: Log;
  readonly #services = new Map<string, Service>();
  readonly #beats = new Map<string, Beat>();
  readonly #pacer = new HintPacer<Service>(
    (service) => this.#refresh(service),
    () => this.#services.values(),
  );
  readonly #receiver: PushReceiver | undefined;
  /** By server: our address until a socket shows it. */
  readonly #likelyAddresses = new Map<string, Promise<string | undefined>>();
  #metStranger = false;
  readonly #complaints: Complaints;
  #closed = false;

  constructor(options: HttpNamingOptions) {
    this.#http = options.http;
    this.#namespace = options.namespace;
    this.#log = options.log;
    this.#complaints = new Complaints(options.log);
    if (options.udpPush) {
      const servers = new KnownServers(() => this.#http.hosts);
      this.#http.onPeer = (address) => servers.add(address);
      this.#receiver = new PushReceiver({
        servers,
        onHint: (service) => this.#hinted(service?.name),
        onStranger: (address) => this.#ignored(address),
        onTrouble: (problem) => this.#log.debug(`UDP push of Nacos: ${problem}; polling continues`),
      });
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
        timer: undefined,
        intervalMs: POLL_MS.default,
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
    for (let page = 1; page <= MAX_PAGES; page++) {
      const query = { pageNo: String(page), pageSize: String(PAGE_SIZE), groupName: group, namespaceId: this.#namespace };
      const answer = expectSuccess(await this.#http.request({ method: 'GET', path: '/v1/ns/service/list', query }), 'list services');
      const { count, doms } = (parseJson(answer.body) ?? {}) as { count?: unknown; doms?: unknown };
      const found = Array.isArray(doms) ? doms.filter((name): name is string => typeof name === 'string') : [];
      for (const name of found) names.push(name.includes('@@') ? parseGroupedName(name).name : name);
      if (found.length < PAGE_SIZE || names.length >= jsonNumber(count)) break;
    }
    return names;
  }

  async register(key: ServiceKey, registration: Registration): Promise<void> {
    await this.#sendRegistration(key, registration);
    if (registration.ephemeral === false || this.#closed) return;
    const id = registrationId(key, registration);
    clearTimeout(this.#beats.get(id)?.timer);
    const intervalMs = within(registration.metadata?.['preserved.heart.beat.interval'], BEAT_MS);
    const beat: Beat = { key, registration, timer: undefined, intervalMs, sending: undefined };
    this.#beats.set(id, beat);
    this.#scheduleBeat(beat, intervalMs);
  }

  async deregister(key: ServiceKey, registration: Registration): Promise<void> {
    const id = registrationId(key, registration);
    const beat = this.#beats.get(id);
    this.#beats.delete(id);
    clearTimeout(beat?.timer);
    // A beat that overtakes would re-register the instance.
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

  /** The server answers again: requests everything soon rather than at the next turn. */
  recovered(): void {
    for (const service of this.#services.values()) this.#scheduleRefresh(service, Math.random() * RECOVERY * service.intervalMs);
    for (const beat of this.#beats.values()) this.#scheduleBeat(beat, Math.random() * RECOVERY * beat.intervalMs);
  }

  /** Deregisters everything, and ends. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const service of this.#services.values()) clearTimeout(service.timer);
    this.#services.clear();
    this.#pacer.close();
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
        this.#take(service, list);
        delayMs = service.intervalMs = within(list.cacheMillis, POLL_MS);
      } catch (error) {
        this.#complain(error);
        delayMs = Math.min(FIRST_RETRY_MS * 2 ** service.failures++, MAX_RETRY_MS);
      }
    } while (service.askAgain && !this.#closed);
    service.asking = false;
    if (this.#closed || service.listeners.size === 0) return;
    this.#scheduleRefresh(service, earlier(delayMs));
  }

  #scheduleRefresh(service: Service, delayMs: number): void {
    clearTimeout(service.timer);
    service.timer = setTimeout(() => void this.#refresh(service), delayMs);
    service.timer.unref();
  }

  async #ask(key: ServiceKey): Promise<ServiceList> {
    const address = await this.#pushAddress();
    const udpPort = this.#receiver === undefined || address === undefined ? 0 : await this.#receiver.port(address);
    const query = {
      namespaceId: this.#namespace,
      serviceName: groupedName(key),
      clusters: '',
      udpPort: String(udpPort),
      clientIP: address ?? '',
      healthyOnly: 'false',
    };
    const answer = expectSuccess(await this.#http.request({ method: 'GET', path: '/v1/ns/instance/list', query }), `list ${key.name}`);
    const list = parseJson(answer.body) as ServiceList | null | undefined;
    if (!Array.isArray(list?.hosts))
      throw new NacosError(
        'ELANE_NACOS_ANSWER',
        `Nacos at ${this.#http.label} answered without a list of instances for ${key.name}: ${answer.excerpt()}`,
      );
    return list;
  }

  /** Where the server sends its pushes: our local address towards it. The socket for them is IPv4; undefined: no route over IPv4. */
  async #pushAddress(): Promise<string | undefined> {
    const { localAddress, label, host, port } = this.#http;
    if (localAddress !== undefined && !localAddress.includes(':')) return localAddress;
    let likely = this.#likelyAddresses.get(label);
    if (likely === undefined) this.#likelyAddresses.set(label, (likely = localAddressTowards(host === '::1' ? '127.0.0.1' : host, port)));
    return likely;
  }

  /** Takes the server's answer. */
  #take(service: Service, list: ServiceList): void {
    const instances = toInstances(list.hosts);
    if (service.known !== undefined && saySame(service.known, instances)) return;
    service.known = instances;
    for (const listener of Array.from(service.listeners)) this.#tell(listener, instances);
  }

  /** Something has changed; `name` is the service's, if known. Requests the new state. */
  #hinted(name: string | undefined): void {
    if (name === undefined) return this.#pacer.hintAll();
    const service = this.#services.get(groupedName(parseGroupedName(name)));
    if (service !== undefined) this.#pacer.hint(service);
  }

  #ignored(address: string): void {
    if (this.#metStranger) return;
    this.#metStranger = true;
    this.#log.warn(
      `ignored a push from ${address}, which is not an address of LANE_NACOS_SERVER: changes arrive by polling only, within ${POLL_MS.default / 1000} s. If that is a server behind a load balancer, set LANE_NACOS_SERVER to the servers themselves, as a comma-separated list or a name that resolves to all of them`,
    );
  }

  #tell(listener: Listener, instances: readonly NacosInstance[]): void {
    try {
      listener(instances);
    } catch (error) {
      this.#log.error('a listener for instances failed', { error: messageOf(error) });
    }
  }

  #complain(error: unknown): void {
    if (!this.#closed) this.#complaints.say(error);
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
    beat.timer = setTimeout(() => void this.#beat(beat), delayMs);
    beat.timer.unref();
  }

  async #beat(beat: Beat): Promise<void> {
    if (beat.sending !== undefined || !this.#isCurrent(beat)) return;
    beat.sending = this.#sendBeat(beat).then(
      (intervalMs) => {
        beat.intervalMs = intervalMs;
      },
      (error: unknown) => this.#complain(error),
    );
    await beat.sending;
    beat.sending = undefined;
    if (this.#isCurrent(beat) && !this.#closed) this.#scheduleBeat(beat, earlier(beat.intervalMs));
  }

  #isCurrent(beat: Beat): boolean {
    return this.#beats.get(registrationId(beat.key, beat.registration)) === beat;
  }

  /** Returns the time until the next beat, in milliseconds. */
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
    return within(clientBeatInterval, BEAT_MS);
  }
}

/** A list as Nacos writes it. */
interface ServiceList {
  readonly hosts?: unknown;
  readonly cacheMillis?: unknown;
}

/** Returns a successful answer; otherwise throws a NacosError that names the request. */
export function expectSuccess(answer: NacosAnswer, doing: string): NacosAnswer {
  if (answer.status === 200) return answer;
  if (isUnknownApi(answer)) throw noHttpV1(answer);
  throw new NacosError('ELANE_NACOS_ANSWER', `Nacos answered ${answer.status} when asked to ${doing}: ${answer.excerpt()}`);
}

/** The error for a server without the HTTP API v1. */
export function noHttpV1(answer: NacosAnswer): NacosError {
  return new NacosError(
    'ELANE_NACOS_NO_HTTP_V1',
    `Nacos has no HTTP API v1 (it answered ${answer.status}; Nacos 3.2 and later have none): set LANE_NACOS_TRANSPORT=grpc (or auto), or add the context path to LANE_NACOS_SERVER if it is not /nacos`,
  );
}

function earlier(delayMs: number): number {
  return delayMs * (1 - Math.random() * JITTER);
}

function registrationId(key: ServiceKey, registration: Registration): string {
  return `${groupedName(key)}#${registration.ip}#${registration.port}`;
}
