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
 * All services that this process knows, ready for routing: tables and addresses are made when the registry pushes or the lane groups
 * change, never by a request, which costs look-ups and puts no text together.
 */
export class ServiceTables {
  readonly #options: ServiceTablesOptions;
  #readTag: InstanceTagReader;
  /** By name, then by group. */
  readonly #services = new Map<string, Map<string, ServiceTable>>();
  /** By id, in the order in which the services came. */
  readonly #tables = new Map<string, ServiceTable>();
  readonly #addresses = new Addresses();
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
    if (rules === this.#rules) return;
    this.#rules = rules;
    this.#readTag = instanceTagReader(this.#options.formats, rules?.polarisLabels);
    for (const table of this.#tables.values()) this.#build(table.key, table.instances, table.origin, table);
  }

  /**
   * Takes what the registry says about a service now. A snapshot never replaces what the registry said. What says the same as before, in
   * whatever order, changes nothing: the table stays the one it was. Lists are kept: who gives one changes it no more.
   */
  update(key: ServiceKey, instances: readonly Instance[], origin: TableOrigin = 'registry'): ServiceTable {
    const known = this.get(key);
    if (known !== undefined && origin === 'snapshot' && known.origin === 'registry') return known;
    if (known !== undefined && known.origin === origin && saySame(known.instances, instances)) return known;
    return this.#build(key, instances, origin, known);
  }

  #build(key: ServiceKey, instances: readonly Instance[], origin: TableOrigin, before: ServiceTable | undefined): ServiceTable {
    const table: ServiceTable = { key, instances, index: this.buildIndex(key.name, instances), origin };
    if (before !== undefined) this.#addresses.remove(before);
    this.#addresses.add(table);
    this.#tables.set(serviceIdOf(key), table);
    let groups = this.#services.get(key.name);
    if (groups === undefined) this.#services.set(key.name, (groups = new Map()));
    groups.set(key.group, table);
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
      baseMode: rules?.baseModeOf(service) ?? this.#options.baseMode ?? 'untagged',
    };
    return buildLaneIndex(instances, indexRules);
  }

  /** The tag of an instance by its metadata; undefined: base. */
  tagOf(instance: Pick<Instance, 'metadata'>): Tag | undefined {
    return this.#readTag(instance.metadata);
  }

  get(key: ServiceKey): ServiceTable | undefined {
    return this.#services.get(key.name)?.get(key.group);
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

  /** The instance at an address, or undefined where it is none that is known, or that of several services. */
  findByAddress(host: string, port: number): KnownAddress | undefined {
    return this.#addresses.find(host, port);
  }

  /** Whether any instance is at this host, whatever its port. */
  hasHost(host: string): boolean {
    return this.#addresses.has(host);
  }
}

/**
 * Whose an address is: host, then port, so that no key has to be put together at request time. It is kept up service by service. An
 * address that several services share is nobody's while they do, since it can't be told whose it is.
 */
class Addresses {
  readonly #hosts = new Map<string, Map<number, KnownAddress | KnownAddress[]>>();

  find(host: string, port: number): KnownAddress | undefined {
    const known = this.#hosts.get(host)?.get(port);
    return known === undefined || Array.isArray(known) ? undefined : known;
  }

  has(host: string): boolean {
    return this.#hosts.has(host);
  }

  add(table: ServiceTable): void {
    for (const instance of table.instances) {
      let ports = this.#hosts.get(instance.ip);
      if (ports === undefined) this.#hosts.set(instance.ip, (ports = new Map()));
      const known = ports.get(instance.port);
      // Of an address that one service lists twice the later counts.
      const others = ownersOf(known).filter((owner) => owner.table !== table);
      const owner = { instance, table };
      ports.set(instance.port, others.length === 0 ? owner : [...others, owner]);
    }
  }

  remove(table: ServiceTable): void {
    for (const { ip, port } of table.instances) {
      const ports = this.#hosts.get(ip);
      if (ports === undefined) continue;
      const [first, ...rest] = ownersOf(ports.get(port)).filter((owner) => owner.table !== table);
      if (first !== undefined) ports.set(port, rest.length === 0 ? first : [first, ...rest]);
      else if (ports.delete(port) && ports.size === 0) this.#hosts.delete(ip);
    }
  }
}

function ownersOf(known: KnownAddress | KnownAddress[] | undefined): readonly KnownAddress[] {
  return known === undefined ? [] : Array.isArray(known) ? known : [known];
}

/**
 * Whether two lists say the same. In whatever order, since Nacos promises none and no decision depends on it; but for an address that is
 * listed twice, of which the later counts: there the order has to be the same.
 */
function saySame(before: readonly Instance[], now: readonly Instance[]): boolean {
  if (before.length !== now.length) return false;
  if (before.every((instance, i) => isSame(instance, now[i] as Instance))) return true;
  const byAddress = new Map(before.map((instance) => [addressOf(instance), instance]));
  if (byAddress.size < before.length || new Set(now.map(addressOf)).size < now.length) return false;
  return now.every((instance) => {
    const known = byAddress.get(addressOf(instance));
    return known !== undefined && isSame(known, instance);
  });
}

function addressOf({ ip, port }: Instance): string {
  return `${ip} ${port}`;
}

/** In all that there is of them, also what only one registry has, such as a cluster: whoever reads a table finds what was last told. */
function isSame(a: Instance, b: Instance): boolean {
  return a === b || (a.ip === b.ip && a.port === b.port && isSameRecord(a, b) && isSameRecord(a.metadata, b.metadata));
}

/** But for `metadata`, which is a record of its own. */
function isSameRecord(a: object | undefined, b: object | undefined): boolean {
  if (a === b) return true;
  const left = (a ?? {}) as Readonly<Record<string, unknown>>;
  const right = (b ?? {}) as Readonly<Record<string, unknown>>;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => (key === 'metadata' && typeof left[key] === 'object') || (Object.hasOwn(right, key) && Object.is(left[key], right[key])))
  );
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
