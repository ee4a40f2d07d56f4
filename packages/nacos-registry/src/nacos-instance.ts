import { jsonNumber, type Instance, type ServiceKey } from '@lane/core/model';

/** Nacos's group of services that name none. */
export const DEFAULT_GROUP = 'DEFAULT_GROUP';
/** Nacos's cluster of instances that name none. */
export const DEFAULT_CLUSTER = 'DEFAULT';

/**
 * Metadata key of a leaving instance, which counts as disabled. Nacos has `enabled` for that, but omits disabled instances from its
 * lists, so that nobody can tell a drain from a registry that has forgotten.
 */
export const LEAVING_METADATA_KEY = 'lane.leaving';

/** An instance in Nacos, which also has a cluster. */
export interface NacosInstance extends Instance {
  readonly cluster: string;
}

const NO_METADATA: Readonly<Record<string, string>> = Object.freeze({});

/** Converts the hosts of a Nacos answer, or an SDK's instances; skips those without an address. */
export function toInstances(hosts: unknown): NacosInstance[] {
  if (!Array.isArray(hosts)) return [];
  const instances: NacosInstance[] = [];
  for (const host of hosts as Array<Record<string, unknown> | null>) {
    const instance = host === null || typeof host !== 'object' ? undefined : toInstance(host);
    if (instance !== undefined) instances.push(instance);
  }
  return instances;
}

function toInstance(host: Record<string, unknown>): NacosInstance | undefined {
  const { ip, metadata, clusterName } = host;
  const port = jsonNumber(host['port']);
  if (typeof ip !== 'string' || ip === '' || !Number.isInteger(port) || port < 0 || port > 65_535) return undefined;
  const weight = host['weight'] === undefined || host['weight'] === null ? 1 : jsonNumber(host['weight']);
  return {
    ip,
    port,
    weight: Number.isNaN(weight) ? 1 : weight,
    // `valid` is the older name.
    healthy: (host['healthy'] ?? host['valid'] ?? true) === true,
    enabled: (host['enabled'] ?? true) === true && (metadata as Record<string, unknown> | null | undefined)?.[LEAVING_METADATA_KEY] === undefined,
    metadata: metadata !== null && typeof metadata === 'object' ? textsOf(metadata) : NO_METADATA,
    cluster: typeof clusterName === 'string' && clusterName !== '' ? clusterName : DEFAULT_CLUSTER,
  };
}

/** The metadata itself if all its values are strings, as in Nacos; otherwise a copy without the others. */
function textsOf(metadata: object): Record<string, string> {
  const record = metadata as Record<string, string>;
  // For each of very many instances: no list is made of what is right.
  for (const key in record) {
    if (typeof record[key] !== 'string') return Object.fromEntries(Object.entries(record).filter(([, value]) => typeof value === 'string'));
  }
  return record;
}

/** A text that is equal for two lists exactly if they have the same content, in any order. */
export function signatureOf(instances: readonly NacosInstance[]): string {
  return instances
    .map(({ ip, port, weight, healthy, enabled, cluster, metadata }) =>
      JSON.stringify([ip, port, cluster, weight, healthy, enabled, Object.entries(metadata).sort(byKey)]),
    )
    .sort()
    .join('\n');
}

function byKey([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The name under which Nacos's HTTP API knows a service. */
export function groupedName(key: ServiceKey): string {
  return `${key.group}@@${key.name}`;
}

/** The service of such a name; a bare name belongs to the default group. */
export function parseGroupedName(text: string): ServiceKey {
  const at = text.indexOf('@@');
  return at === -1 ? { group: DEFAULT_GROUP, name: text } : { group: text.slice(0, at), name: text.slice(at + 2) };
}
