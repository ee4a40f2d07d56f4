import type { ServiceKey, ServiceNames, ServiceTables } from '@lane/core/model';

/**
 * Hosts that are service names because somebody says so: the services of the lane groups, and those of LANE_SERVICES. A service that leaves
 * the lane groups stays a name as long as the registry has instances of it: its callers know no other address.
 */
export class DeclaredNames implements ServiceNames {
  readonly #tables: ServiceTables;
  readonly #group: string;
  readonly #options: ReadonlyArray<readonly [host: string, service: string]>;
  #hosts = new Map<string, ServiceKey>();
  readonly #left = new Map<string, ServiceKey>();

  /** `options`: hosts and services of LANE_SERVICES. `group`: the registry's group that they are in. */
  constructor(tables: ServiceTables, group: string, options: ReadonlyArray<readonly [host: string, service: string]>) {
    this.#tables = tables;
    this.#group = group;
    this.#options = options;
  }

  /** Takes the services of the lane groups now in force. */
  declare(services: Iterable<string>): void {
    const before = this.#hosts;
    const hosts = new Map<string, ServiceKey>();
    for (const name of services) addHost(hosts, name, { name, group: this.#group });
    for (const [host, name] of this.#options) addHost(hosts, host, { name, group: this.#group });
    this.#hosts = hosts;
    for (const [host, key] of before) if (!hosts.has(host) && this.#tables.get(key) !== undefined) this.#left.set(host, key);
    for (const host of hosts.keys()) this.#left.delete(host);
  }

  get isEmpty(): boolean {
    return this.#hosts.size === 0 && this.#left.size === 0;
  }

  find(host: string): ServiceKey | undefined {
    return this.#hosts.get(host) ?? (this.#left.size === 0 ? undefined : this.#findLeft(host));
  }

  isInternal(host: string): boolean {
    return this.find(host) !== undefined;
  }

  #findLeft(host: string): ServiceKey | undefined {
    const key = this.#left.get(host);
    if (key === undefined || this.#tables.get(key)?.instances.length !== 0) return key;
    this.#left.delete(host);
    return undefined;
  }
}

function addHost(hosts: Map<string, ServiceKey>, host: string, key: ServiceKey): void {
  hosts.set(host, key);
  // URLs carry host names in lower case, whatever the service is called.
  hosts.set(host.toLowerCase(), key);
}
