/** Lists of instances as clients get them, by request or by push. */
import { type NamingStore, timesOf, type ServiceId, type StoredInstance } from '../naming-store.js';

/** The poll interval that clients are given. */
const CACHE_MS = 10_000;

/** Creates lists, each with a later time than the one before. */
export class ServiceLists {
  readonly #naming: NamingStore;
  #lastRefTime = 0;

  constructor(naming: NamingStore) {
    this.#naming = naming;
  }

  /** The enabled instances of a service; `clusters`: comma-separated names, empty for all. */
  listOf(id: ServiceId, clusters: string, healthyOnly = false): { readonly lastRefTime: number } {
    // Later than the one before, whatever the clock says: clients compare these times.
    this.#lastRefTime = Math.max(this.#lastRefTime + 1, Date.now());
    const names = clusters.split(',').filter((name) => name !== '');
    const hosts = this.#naming.list(id, names).filter((instance) => instance.enabled && (!healthyOnly || instance.healthy));
    return {
      name: `${id.group}@@${id.name}`,
      groupName: id.group,
      clusters,
      cacheMillis: CACHE_MS,
      hosts: hosts.map((instance) => hostOf(id, instance)),
      lastRefTime: this.#lastRefTime,
      checksum: '',
      allIPs: false,
      reachProtectionThreshold: false,
      valid: true,
    } as { readonly lastRefTime: number };
  }
}

/** The identity of an instance as clients see it. */
export function instanceIdOf(id: ServiceId, { ip, port, cluster }: StoredInstance): string {
  return `${ip}#${port}#${cluster}#${id.group}@@${id.name}`;
}

function hostOf(id: ServiceId, instance: StoredInstance): unknown {
  const { ip, port, cluster, weight, healthy, enabled, ephemeral, metadata } = instance;
  const { intervalMs, timeoutMs, deleteMs } = timesOf(metadata);
  return {
    instanceId: instanceIdOf(id, instance),
    ip,
    port,
    weight,
    healthy,
    enabled,
    ephemeral,
    clusterName: cluster,
    serviceName: `${id.group}@@${id.name}`,
    metadata,
    instanceHeartBeatInterval: intervalMs,
    instanceHeartBeatTimeOut: timeoutMs,
    ipDeleteTimeout: deleteMs,
    instanceIdGenerator: 'simple',
  };
}
