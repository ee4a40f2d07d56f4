import type { ServiceKey, ServiceNames, ServiceTable, ServiceTables } from '@lane/core/model';
import type { AgentOptions } from '@lane/core/agent';
import type { AgentLog } from '../boot/log.js';
import type { LaneGroupsInForce } from './lane-groups-in-force.js';

/** A service that a host names. */
interface Declared {
  readonly key: ServiceKey;
  /** Ports that LANE_SERVICES adds to the service at this host. */
  readonly ports: ReadonlySet<number>;
}

const NO_PORTS: ReadonlySet<number> = new Set();
/** Ports of http and https, which a URL without a port means. */
const HTTP_PORT = 80;
const HTTPS_PORT = 443;
/** How many foreign ports are logged; further ones are left to DNS without a line. */
const MAX_PORTS_TOLD = 100;
const MAX_PORTS_NAMED = 3;

/**
 * Hosts that are declared as service names, by the lane groups or by LANE_SERVICES. A service that leaves
 * the lane groups remains a name as long as the registry has instances of it: its callers know no other address. Until the lane groups arrive,
 * a host without a dot may be one: DNS may have it, too, and lead out of the lane.
 *
 * A host has other ports than the service's: metrics, a database, another protocol. The service's ports are the unwritten one (80 and 443),
 * those that its instances are registered with, and those that LANE_SERVICES adds; DNS gets every other. Until the first instance has been
 * seen, ports can't be told apart, and all count as the service's: DNS might lead out of the lane.
 */
export class DeclaredNames implements ServiceNames {
  readonly #tables: ServiceTables;
  readonly #group: string;
  readonly #options: AgentOptions['services'];
  readonly #laneGroups: Pick<LaneGroupsInForce, 'isExpected' | 'coming'>;
  readonly #log: AgentLog;
  #hosts = new Map<string, Declared>();
  readonly #left = new Map<string, Declared>();
  readonly #told = new Set<string>();

  /** `options`: hosts and services of LANE_SERVICES. `group`: their group in the registry. */
  constructor(
    tables: ServiceTables,
    group: string,
    options: AgentOptions['services'],
    laneGroups: Pick<LaneGroupsInForce, 'isExpected' | 'coming'>,
    log: AgentLog,
  ) {
    this.#tables = tables;
    this.#group = group;
    this.#options = options;
    this.#laneGroups = laneGroups;
    this.#log = log;
  }

  /** Takes the services of the lane groups in force. */
  declare(services: Iterable<string>): void {
    const before = this.#hosts;
    const hosts = new Map<string, Declared>();
    for (const name of services) addHost(hosts, name, { name, group: this.#group });
    for (const [host, name, port] of this.#options) addHost(hosts, host, { name, group: this.#group }, port);
    this.#hosts = hosts;
    for (const [host, declared] of before) if (!hosts.has(host) && this.#tables.get(declared.key) !== undefined) this.#left.set(host, declared);
    for (const host of hosts.keys()) this.#left.delete(host);
  }

  get isEmpty(): boolean {
    return this.#hosts.size === 0 && this.#left.size === 0 && !this.#laneGroups.isExpected;
  }

  find(host: string, port: number, isCall = true): ServiceKey | undefined {
    const declared = this.#declaredAt(host);
    if (declared === undefined) return undefined;
    const { key, ports } = declared;
    if (port === HTTP_PORT || port === HTTPS_PORT || ports.has(port)) return key;
    const table = this.#tables.get(key);
    if (table === undefined || table.ports.size === 0 || table.ports.has(port)) return key;
    if (isCall && this.#told.size < MAX_PORTS_TOLD) this.#tell(host, port, table);
    return undefined;
  }

  pending(host: string): Promise<void> | undefined {
    return this.#laneGroups.isExpected && isSingleLabel(host) ? this.#laneGroups.coming() : undefined;
  }

  isInternal(host: string): boolean {
    return this.#declaredAt(host) !== undefined;
  }

  #declaredAt(host: string): Declared | undefined {
    return this.#hosts.get(host) ?? (this.#left.size === 0 ? undefined : this.#findLeft(host));
  }

  #findLeft(host: string): Declared | undefined {
    const declared = this.#left.get(host);
    if (declared === undefined || this.#tables.get(declared.key)?.instances.length !== 0) return declared;
    this.#left.delete(host);
    return undefined;
  }

  #tell(host: string, port: number, { key, ports }: ServiceTable): void {
    const address = `${host}:${port}`;
    if (this.#told.has(address)) return;
    this.#told.add(address);
    const some = [...ports].slice(0, MAX_PORTS_NAMED).join(', ');
    const registered = ports.size > MAX_PORTS_NAMED ? `${some} and others` : some;
    this.#log.warn(
      `calls to ${address} go to DNS, because the service has no such port: the registry has ${key.name} at ${registered}. If it is the service, set LANE_SERVICES=${address}=${key.name}`,
    );
  }
}

/** Neither an address nor a domain; and not this machine. */
function isSingleLabel(host: string): boolean {
  return host !== 'localhost' && !host.includes('.') && !host.includes(':');
}

function addHost(hosts: Map<string, Declared>, host: string, key: ServiceKey, port?: number): void {
  const known = hosts.get(host);
  const before = known?.key.name === key.name ? known.ports : NO_PORTS;
  const declared: Declared = { key, ports: port === undefined ? before : new Set([...before, port]) };
  hosts.set(host, declared);
  // URLs carry host names in lower case, whatever the service is called.
  hosts.set(host.toLowerCase(), declared);
}
