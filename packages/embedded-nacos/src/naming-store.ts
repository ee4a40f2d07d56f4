/** The naming API's state: services, instances, beats. No I/O; changes are reported to a callback. */
import { badRequest, NacosApiError } from './api-error.js';
import { Room } from './room.js';

/** A stored instance. */
export interface StoredInstance {
  readonly ip: string;
  readonly port: number;
  readonly cluster: string;
  readonly ephemeral: boolean;
  weight: number;
  enabled: boolean;
  healthy: boolean;
  metadata: Record<string, string>;
  /** Infinity: no beats are expected, because a connection keeps it. */
  lastBeatAt: number;
  /** The connection that keeps it. */
  readonly holder?: object | undefined;
}

/** A service of a namespace. */
export interface ServiceId {
  readonly namespace: string;
  readonly group: string;
  readonly name: string;
}

/** What an update has set: it outlives registrations of the address, and may come before the first. */
interface Override {
  readonly set: Pick<StoredInstance, 'metadata' | 'weight' | 'enabled'>;
  /** Since when there is no instance of that address. */
  orphanedAt: number | undefined;
}

interface StoredService {
  readonly id: ServiceId;
  /** By `ip:port`: an address is one instance of a service. */
  readonly instances: Map<string, StoredInstance>;
  readonly overrides: Map<string, Override>;
  /** Services hold ephemeral or persistent instances, never both; undefined: none so far. */
  ephemeral: boolean | undefined;
  /** Created explicitly, so it is never removed. */
  created: boolean;
  emptySince: number;
}

/** The input of a registration or an update. */
export interface InstanceInput {
  readonly ip: string;
  readonly port: number;
  readonly cluster: string;
  readonly ephemeral: boolean;
  readonly weight: number;
  readonly enabled: boolean;
  readonly healthy: boolean;
  readonly metadata: Record<string, string>;
}

const BEAT_INTERVAL_MS = 5_000;
const BEAT_TIMEOUT_MS = 15_000;
const DELETE_TIMEOUT_MS = 30_000;
/** Unused entries are removed after this time, as in Nacos. */
const UNUSED_MS = 60_000;

/** For all services, instances and updates, in characters: about 200,000 instances with little metadata. */
const MAX_CHARACTERS = 128 * 1024 * 1024;

/** Services and instances. `changed` is called for each service whose list changed; `now` returns milliseconds. */
export class NamingStore {
  readonly #services = new Map<string, StoredService>();
  readonly #room = new Room(MAX_CHARACTERS, 'instances');
  readonly #changed: (id: ServiceId) => void;
  readonly #now: () => number;

  constructor(changed: (id: ServiceId) => void, now: () => number) {
    this.#changed = changed;
    this.#now = now;
  }

  /** Registers an instance, replacing the one with its address. With a `holder` it needs no beats, and lasts until it is released. */
  register(id: ServiceId, input: InstanceInput, holder?: object): void {
    checkInstance(input);
    const service = this.#open(id);
    service.ephemeral ??= input.ephemeral;
    if (service.ephemeral !== input.ephemeral) {
      const kind = (ephemeral: boolean): string => (ephemeral ? 'ephemeral' : 'persistent');
      throw new NacosApiError(
        500,
        `Current service ${id.group}@@${id.name} is ${kind(service.ephemeral)} service, can't register ${kind(input.ephemeral)} instance.`,
      );
    }
    const address = addressOf(input);
    this.#room.take(roomKey('instance', id, address), sizeOf(input));
    service.instances.set(address, { ...input, lastBeatAt: holder === undefined ? this.#now() : Infinity, holder });
    const override = service.overrides.get(address);
    if (override !== undefined) override.orphanedAt = undefined;
    this.#changed(id);
  }

  /** Changes an instance permanently: these values override registrations, including later ones. */
  update(id: ServiceId, input: InstanceInput): void {
    checkInstance(input);
    const service = this.#services.get(keyOf(id));
    if (service === undefined) throw badRequest(`service not found, namespace: ${id.namespace}, serviceName: ${id.group}@@${id.name}`);
    const { metadata, weight, enabled } = input;
    const address = addressOf(input);
    this.#room.take(roomKey('override', id, address), sizeOf(input));
    service.overrides.set(address, { set: { metadata, weight, enabled }, orphanedAt: service.instances.has(address) ? undefined : this.#now() });
    this.#changed(id);
  }

  /** Removes an instance, unless it is of the other kind (ephemeral or persistent). */
  deregister(id: ServiceId, ip: string, port: number, ephemeral: boolean): void {
    const service = this.#services.get(keyOf(id));
    if (service === undefined || service.instances.get(`${ip}:${port}`)?.ephemeral !== ephemeral) return;
    this.#remove(service, `${ip}:${port}`);
    this.#changed(id);
  }

  /** Removes an instance, unless another holder has registered it meanwhile. */
  release(id: ServiceId, address: string, holder: object): void {
    const service = this.#services.get(keyOf(id));
    if (service === undefined || service.instances.get(address)?.holder !== holder) return;
    this.#remove(service, address);
    this.#changed(id);
  }

  /** Records a beat. False: there is no such instance, and no `full` beat to register it from. */
  beat(id: ServiceId, ip: string, port: number, full: InstanceInput | undefined): boolean {
    const instance = this.#services.get(keyOf(id))?.instances.get(`${ip}:${port}`);
    if (instance === undefined) {
      if (full === undefined) return false;
      this.register(id, full);
      return true;
    }
    if (instance.holder === undefined) instance.lastBeatAt = this.#now();
    if (!instance.healthy) {
      instance.healthy = true;
      this.#changed(id);
    }
    return true;
  }

  /** Marks instances without beats unhealthy, later removes them; removes unused entries. */
  expire(): void {
    const now = this.#now();
    for (const service of this.#services.values()) {
      let changed = false;
      for (const [address, instance] of service.instances) {
        if (!instance.ephemeral) continue;
        const silentMs = now - instance.lastBeatAt;
        const { timeoutMs, deleteMs } = timesOf(this.#effective(service, instance).metadata);
        if (silentMs > deleteMs) {
          this.#remove(service, address);
          changed = true;
        } else if (instance.healthy && silentMs > timeoutMs) {
          instance.healthy = false;
          changed = true;
        }
      }
      for (const [address, { orphanedAt }] of service.overrides) {
        if (orphanedAt === undefined || now - orphanedAt <= UNUSED_MS) continue;
        service.overrides.delete(address);
        this.#room.give(roomKey('override', service.id, address));
      }
      if (service.instances.size === 0 && !service.created && now - service.emptySince > UNUSED_MS) this.#forget(service);
      if (changed) this.#changed(service.id);
    }
  }

  /** The instances of a service; of all clusters if none is named. */
  list(id: ServiceId, clusters: readonly string[] = []): StoredInstance[] {
    const service = this.#services.get(keyOf(id));
    if (service === undefined) return [];
    const all = [...service.instances.values()].map((instance) => this.#effective(service, instance));
    return clusters.length === 0 ? all : all.filter((instance) => clusters.includes(instance.cluster));
  }

  /** Creates a service without instances; false if it exists. */
  create(id: ServiceId): boolean {
    const known = this.#services.has(keyOf(id));
    this.#open(id).created = true;
    return !known;
  }

  names(namespace: string, group: string): string[] {
    return [...this.#services.values()].filter(({ id }) => id.namespace === namespace && id.group === group).map(({ id }) => id.name);
  }

  /** Namespaces that contain anything. */
  namespaces(): Set<string> {
    return new Set([...this.#services.values()].map(({ id }) => id.namespace));
  }

  get serviceCount(): number {
    return this.#services.size;
  }

  /** Values set by updates, over registered ones. */
  #effective(service: StoredService, instance: StoredInstance): StoredInstance {
    const override = service.overrides.get(addressOf(instance));
    return override === undefined ? instance : { ...instance, ...override.set };
  }

  #open(id: ServiceId): StoredService {
    let service = this.#services.get(keyOf(id));
    if (service === undefined) {
      this.#room.take(roomKey('service', id), 0);
      service = { id, instances: new Map(), overrides: new Map(), ephemeral: undefined, created: false, emptySince: this.#now() };
      this.#services.set(keyOf(id), service);
    }
    return service;
  }

  #forget({ id, overrides }: StoredService): void {
    this.#services.delete(keyOf(id));
    this.#room.give(roomKey('service', id));
    for (const address of overrides.keys()) this.#room.give(roomKey('override', id, address));
  }

  #remove(service: StoredService, address: string): void {
    service.instances.delete(address);
    this.#room.give(roomKey('instance', service.id, address));
    const now = this.#now();
    const override = service.overrides.get(address);
    if (override !== undefined) override.orphanedAt = now;
    if (service.instances.size === 0) service.emptySince = now;
  }
}

/** An instance's beat interval, and its timeouts to unhealthy and to removal, in milliseconds. */
export function timesOf(metadata: Readonly<Record<string, string>>): { intervalMs: number; timeoutMs: number; deleteMs: number } {
  const read = (key: string, fallback: number): number => {
    const value = metadata[key];
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : fallback;
  };
  return {
    intervalMs: read('preserved.heart.beat.interval', BEAT_INTERVAL_MS),
    timeoutMs: read('preserved.heart.beat.timeout', BEAT_TIMEOUT_MS),
    deleteMs: read('preserved.ip.delete.timeout', DELETE_TIMEOUT_MS),
  };
}

function checkInstance({ weight, cluster, metadata }: InstanceInput): void {
  if (!(weight >= 0 && weight <= 10_000)) throw badRequest(`instance format invalid: The weights range from 0.0 to 10000.0`);
  if (!/^[0-9a-zA-Z-]+$/.test(cluster)) throw badRequest(`Instance 'clusterName' should be characters with only 0-9a-zA-Z-. (current: ${cluster})`);
  const { intervalMs, timeoutMs, deleteMs } = timesOf(metadata);
  if (timeoutMs < intervalMs || deleteMs < intervalMs) {
    throw badRequest("Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.");
  }
}

/** Reads metadata as clients write it: JSON, or `key=value,key=value`. */
export function parseMetadata(text: string | undefined): Record<string, string> {
  if (text === undefined || text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return textsOf(value);
    }
  } catch {
    // Not JSON: the other form.
  }
  const metadata: Record<string, string> = {};
  for (const pair of text.split(',')) {
    const [key, value, ...rest] = pair.split('=');
    if (key === undefined || key === '' || value === undefined || rest.length > 0) throw new NacosApiError(400, `metadata format incorrect:${text}`);
    metadata[key] = value;
  }
  return metadata;
}

/** The entries of a JSON object as strings; other values are written as JSON. Empty for anything but an object. */
export function textsOf(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, typeof item === 'string' ? item : JSON.stringify(item)]));
}

function addressOf({ ip, port }: { ip: string; port: number }): string {
  return `${ip}:${port}`;
}

/** What takes room: a service, and for an address its instance and its update. */
function roomKey(what: 'service' | 'instance' | 'override', id: ServiceId, address = ''): string {
  return `${what} ${keyOf(id)} ${address}`;
}

function sizeOf({ metadata, cluster }: InstanceInput): number {
  let size = cluster.length;
  for (const key of Object.keys(metadata)) size += key.length + (metadata[key] as string).length;
  return size;
}

/** The identity of a service as a string. */
export function keyOf({ namespace, group, name }: ServiceId): string {
  return `${namespace}##${group}@@${name}`;
}
