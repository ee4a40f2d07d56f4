import type { LaneRules } from '../rules/types.js';
import { instanceTagReader, type FormatName, type InstanceTagReader } from '../wire/formats.js';
import type { Instance } from './instance.js';
import { buildLaneIndex, route, type BaseMode, type Decision, type Fallback, type IndexRules, type LaneIndex } from './lane-index.js';
import type { Tag } from '../names/tag.js';

/** A service in a registry. */
export interface ServiceKey {
  readonly name: string;
  /** The registry's own grouping, such as Nacos's DEFAULT_GROUP. */
  readonly group: string;
}

/** What is known of one service. */
export interface ServiceTable {
  readonly key: ServiceKey;
  readonly instances: readonly Instance[];
  readonly index: LaneIndex;
  /** `registry`: told by the registry in this process; `snapshot`: remembered from an earlier one. */
  readonly origin: TableOrigin;
}

/** Who told what a table holds. */
export type TableOrigin = 'registry' | 'snapshot';

/** An address that is known as an instance. */
export interface KnownAddress {
  readonly instance: Instance;
  readonly table: ServiceTable;
}

/** Options of {@link ServiceTables}. */
export interface ServiceTablesOptions {
  /** All formats listed, written or read: metadata with common keys is a tag only where its format is among them. */
  readonly formats: readonly FormatName[];
  readonly baseMode?: BaseMode;
  readonly fallback?: Fallback;
}

/**
 * All services that this process knows, ready for routing: rebuilt when the registry pushes or the lane groups change, so
 * that a request costs one look-up.
 */
export class ServiceTables {
  readonly #options: ServiceTablesOptions;
  readonly #readTag: InstanceTagReader;
  readonly #tables = new Map<string, ServiceTable>();
  /** host, then port: no key has to be put together at request time. An address that several services share is null: it can't be told whose it is. */
  #addresses: Map<string, Map<number, KnownAddress | null>> | undefined;
  #rules: LaneRules | undefined;

  constructor(options: ServiceTablesOptions) {
    this.#options = options;
    this.#readTag = instanceTagReader(options.formats);
  }

  /** The lane groups in force, or undefined where none are known. */
  get rules(): LaneRules | undefined {
    return this.#rules;
  }

  /** Puts other lane groups in force. */
  setRules(rules: LaneRules | undefined): void {
    this.#rules = rules;
    for (const table of this.#tables.values()) this.update(table.key, table.instances, table.origin);
  }

  /** Takes what the registry says about a service now. A snapshot never replaces what the registry said. */
  update(key: ServiceKey, instances: readonly Instance[], origin: TableOrigin = 'registry'): ServiceTable {
    const id = serviceIdOf(key);
    const known = this.#tables.get(id);
    if (origin === 'snapshot' && known?.origin === 'registry') return known;
    const table: ServiceTable = { key, instances, index: this.buildIndex(key.name, instances), origin };
    this.#tables.set(id, table);
    this.#addresses = undefined;
    return table;
  }

  /** Builds the index of any list of instances of a service under the rules in force. */
  buildIndex(service: string, instances: readonly Instance[]): LaneIndex {
    const rules = this.#rules;
    const fallback = this.#options.fallback ?? 'base';
    const indexRules: IndexRules = {
      tagOf: (instance) => this.tagOf(instance),
      policyOf: (tag) => {
        if (rules === undefined) return { use: 'lane', fallback };
        const lane = rules.laneOf(service, tag);
        return lane === undefined ? { use: 'base' } : { use: 'lane', fallback: lane.fallback ?? fallback };
      },
      isEnabledLane: (tag) => rules === undefined || rules.laneOf(service, tag) !== undefined,
      baseMode: this.#options.baseMode ?? 'untagged',
    };
    return buildLaneIndex(instances, indexRules);
  }

  /** The tag of an instance by its metadata; undefined: base. */
  tagOf(instance: Pick<Instance, 'metadata'>): Tag | undefined {
    return this.#readTag(instance.metadata);
  }

  get(key: ServiceKey): ServiceTable | undefined {
    return this.#tables.get(serviceIdOf(key));
  }

  all(): Iterable<ServiceTable> {
    return this.#tables.values();
  }

  /** The decision for a call to a service; undefined where the service is not known. */
  route(key: ServiceKey, tag: Tag | undefined): Decision | undefined {
    const table = this.get(key);
    return table === undefined ? undefined : route(table.index, tag);
  }

  /** Whether no service is known yet, in which case no address can be an instance. */
  get isEmpty(): boolean {
    return this.#tables.size === 0;
  }

  /** The instance at an address, or undefined where it is none that is known. */
  findByAddress(host: string, port: number): KnownAddress | undefined {
    return (this.#addresses ??= this.#collectAddresses()).get(host)?.get(port) ?? undefined;
  }

  /** Whether any instance is at this host, whatever its port. */
  hasHost(host: string): boolean {
    return (this.#addresses ??= this.#collectAddresses()).has(host);
  }

  #collectAddresses(): Map<string, Map<number, KnownAddress | null>> {
    const addresses = new Map<string, Map<number, KnownAddress | null>>();
    for (const table of this.#tables.values()) {
      for (const instance of table.instances) {
        let ports = addresses.get(instance.ip);
        if (ports === undefined) addresses.set(instance.ip, (ports = new Map()));
        const known = ports.get(instance.port);
        ports.set(instance.port, known === undefined || known?.table === table ? { instance, table } : null);
      }
    }
    return addresses;
  }
}

/** A service as one text: the key of tables and snapshots. */
export function serviceIdOf(key: ServiceKey): string {
  return `${key.group}@@${key.name}`;
}

/** Whether a call of `tag` may go to this instance under a decision for its service. */
export function isInRightLane(known: KnownAddress, decision: Decision, tag: Tag | undefined): boolean {
  const { instance, table } = known;
  const instanceTag = table.index.tags.get(instance);
  if (decision.reason === 'in-lane') return instanceTag === tag;
  const isBase = isBaseInstance(instance, table.index);
  // With nothing to go to instead, an untagged call to a base instance is the caller's own business (it may be unhealthy, and known to be).
  if (decision.reason === 'none') return tag === undefined && isBase;
  return isBase;
}

/** Whether an instance is base: it has no tag, or under `outside-enabled-lanes` one whose lane is not enabled. */
export function isBaseInstance(instance: Instance, index: LaneIndex): boolean {
  const tag = index.tags.get(instance);
  return tag === undefined || (index.rules.baseMode === 'outside-enabled-lanes' && !index.rules.isEnabledLane(tag));
}
