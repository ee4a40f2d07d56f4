import type { LaneRules } from '../rules/types.js';
import { instanceTagReader, type FormatName, type InstanceTagReader } from '../wire/formats.js';
import type { Instance } from './instance.js';
import { isServerError, PROBE_SHARE, type OutlierPolicy } from './outlier.js';
import { InstanceMemory, type RememberedInstance, type TableOrigin } from './instance-memory.js';
import { warmupOf, warmupShare, type Warmup } from './warmup.js';
import { buildChances, buildLaneIndex, route, type BaseMode, type Decision, type Fallback, type IndexRules, type LaneIndex } from './lane-index.js';
import { NEAR_OFF, passOver, type NearPolicy, type Place } from './near.js';
import type { Tag } from '../names/tag.js';

/** A service in a registry. */
export interface ServiceKey {
  readonly name: string;
  /** The registry's own grouping, such as Nacos's DEFAULT_GROUP. */
  readonly group: string;
  /**
   * Where the registry has several spaces of names, as Nacos' namespaces, and the app discovers in more than one. undefined: the one that
   * calls by name and lane groups speak of.
   */
  readonly namespace?: string | undefined;
}

/** The index of a service, and its instances that live and get no calls; by lane, base being undefined. They are tried before another lane's. */
export interface TableIndex extends LaneIndex {
  /** Those that get no calls as enough others are near. */
  readonly far?: ReadonlyMap<Tag | undefined, FarInstances> | undefined;
  /** Those that are ejected: what would be decided if they were all there is. */
  readonly ejected?: ReadonlyMap<Tag | undefined, Decision> | undefined;
}

/** Instances of a lane that are passed over, as others are nearer. */
export interface FarInstances {
  /** What would be decided if they were all there is. */
  readonly decision: Decision;
  /** `ip port` of each. */
  readonly addresses: ReadonlySet<string>;
}

/** What is known of one service. */
export interface ServiceTable {
  readonly key: ServiceKey;
  readonly instances: readonly Instance[];
  readonly index: TableIndex;
  /** Those of its instances; where it has none any more, of the last that it had. Empty: none is known. */
  readonly ports: ReadonlySet<number>;
  /** Who told it last. */
  readonly origin: TableOrigin;
}

/** What time it is, and a way to be woken. */
export interface Clock {
  /** Milliseconds, of a clock that doesn't go back. */
  nowMs(): number;
  /** Milliseconds of the epoch, for what other machines say of their time. Default: the process's. */
  epochMs?(): number;
  /** Calls `work` in so many milliseconds; gives a way to call that off. Must not keep the process alive. */
  after(ms: number, work: () => void): () => void;
}

/** The time of the process. */
export const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  after: (ms, work) => {
    const timer: unknown = setTimeout(work, ms);
    (timer as { unref?: () => void }).unref?.();
    return () => clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
  },
};

type Services = Map<string, Map<string, Slot>>;
const NO_PORTS: ReadonlySet<number> = new Set();

/** What is in doubt of one service. */
export interface ServiceDoubts {
  readonly key: ServiceKey;
  /** Instances in use that the registry would take away; 0: none any more. */
  readonly doubted: number;
  /** Instances in use. */
  readonly of: number;
}

/** What is remembered of a service whose registry may forget. */
export interface ServiceMemory {
  readonly key: ServiceKey;
  readonly instances: readonly RememberedInstance[];
  /** The time that these speak of, by the clock. */
  readonly nowMs: number;
}

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
  /**
   * So long a registry that forgets has to say that instances are gone until that is believed, against the rules of
   * {@link InstanceMemory}; asked for each service once. 0: it is believed at once. Default: likewise, and no refusal is remembered either,
   * as whoever only looks needs no memory.
   */
  readonly holdMs?: () => number;
  /** When an instance that answers server errors is left alone; default: never. */
  readonly outlier?: OutlierPolicy | undefined;
  /** When calls stay near {@link place}; default: never. */
  readonly near?: NearPolicy | undefined;
  /** Where this process is; what is not known yet can be told later ({@link ServiceTables.setPlace}). */
  readonly place?: Place | undefined;
  /** Told when something of a service comes into doubt, and when nothing is any more. */
  readonly onDoubt?: (doubts: ServiceDoubts) => void;
  /** Default {@link SYSTEM_CLOCK}. */
  readonly clock?: Clock;
}

/** So many instances have their tables made in one go when other lane groups come into force: some milliseconds of the event loop. */
const INSTANCES_A_SLICE = 2_000;

/** In so many steps the weight of an instance that warms up rises. */
const WARMUP_STEPS = 20;
const MIN_WARMUP_STEP_MS = 50;

/** Where the table of a service is found, which changes with each push and each change of the lane groups. */
interface Slot {
  table: ServiceTable;
  /** Which lane groups, and which place of this process, the table was made under. */
  generation: number;
  /** Calls off the next step of instances that warm up; undefined: none does. */
  endWarmup: (() => void) | undefined;
}

/** Told of each table that says something else than before. */
export type TableListener = (table: ServiceTable) => void;

interface Remembered {
  readonly key: ServiceKey;
  readonly memory: InstanceMemory;
  told: readonly Instance[];
  origin: TableOrigin;
  isAsTold: boolean;
  isDoubted: boolean;
}

/**
 * All services that this process knows, ready for routing: tables and addresses are made when the registry pushes or the lane groups
 * change, never by a request, which costs look-ups and puts no text together.
 */
export class ServiceTables {
  readonly #options: ServiceTablesOptions;
  #readTag: InstanceTagReader;
  /** By name, then by group. */
  readonly #services: Services = new Map();
  /** The same for other namespaces. */
  readonly #elsewhere = new Map<string, Services>();
  /** In the order in which the services came. */
  readonly #slots: Slot[] = [];
  readonly #addresses = new Addresses();
  readonly #remembered = new Map<string, Remembered>();
  /** When a doubt or refusal ends, where there is one. */
  readonly #dueMs = new Map<Remembered, number>();
  readonly #listeners = new Set<TableListener>();
  /** When instances that warm up, or have, were seen first: their own clocks may be ahead of ours. */
  readonly #firstSeenMs = new Map<string, number>();
  readonly #clock: Clock;
  #rules: LaneRules | undefined;
  #place: Place;
  /** Counts changes of lane groups and place, which all tables follow. */
  #generation = 0;
  #isReachable = true;
  #troubleAtMs = -Infinity;
  #alarm: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(options: ServiceTablesOptions) {
    this.#options = options;
    this.#readTag = instanceTagReader(options.formats);
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#place = options.place ?? {};
  }

  /** The lane groups in force, or undefined where none are known. */
  get rules(): LaneRules | undefined {
    return this.#rules;
  }

  /**
   * Puts other lane groups in force. The tables of many instances follow within moments, a slice at a time, as nobody's requests may wait
   * for all of them; until then they are what they were.
   */
  setRules(rules: LaneRules | undefined): void {
    if (rules === this.#rules) return;
    const labels = rules?.polarisLabels ?? [];
    // What is read of metadata is the same, so that tags needn't be read again.
    if (labels.length > 0 || (this.#rules?.polarisLabels.length ?? 0) > 0) this.#readTag = instanceTagReader(this.#options.formats, labels);
    this.#rules = rules;
    this.#generation++;
    this.#follow(0);
  }

  /** Where this process is, as far as that is known. */
  get place(): Place {
    return this.#place;
  }

  /** It is known where this process is. The tables follow within moments, as with lane groups. */
  setPlace({ zone, region }: Place): void {
    if (zone === this.#place.zone && region === this.#place.region) return;
    this.#place = { zone, region };
    if ((this.#options.near ?? NEAR_OFF).circle === 'off') return;
    this.#generation++;
    this.#follow(0);
  }

  #follow(from: number): void {
    const generation = this.#generation;
    let instances = 0;
    for (let i = from; i < this.#slots.length; i++) {
      const slot = this.#slots[i] as Slot;
      if (slot.generation === generation) continue;
      if (instances > INSTANCES_A_SLICE) {
        this.#clock.after(0, () => {
          // Where others have come meanwhile, theirs are under way.
          if (this.#generation === generation) this.#follow(i);
        });
        return;
      }
      instances += slot.table.instances.length + 1;
      const { key, instances: same } = slot.table;
      slot.table = { ...slot.table, index: this.buildIndex(key.name, same) };
      slot.generation = generation;
    }
  }

  /**
   * Takes what the registry says about a service now. A snapshot never replaces what the registry said. What says the same as before, in
   * whatever order, changes nothing: the table stays the one it was. Lists are kept: who gives one changes it no more.
   */
  update(key: ServiceKey, instances: readonly Instance[], origin: TableOrigin = 'registry'): ServiceTable {
    const known = this.get(key);
    if (known !== undefined && origin === 'snapshot' && known.origin !== 'snapshot') return known;
    const used = this.#believe(key, instances, origin, known);
    // A word that changes nothing may end a doubt, and so the table.
    return used === undefined ? (this.get(key) as ServiceTable) : this.#change(key, used, origin, known);
  }

  /** The registry stopped answering, or answers again. Soon after that nothing it takes away is believed at once. */
  trouble(isReachable: boolean): void {
    const nowMs = this.#clock.nowMs();
    this.#isReachable = isReachable;
    this.#troubleAtMs = nowMs;
    for (const remembered of this.#remembered.values()) {
      remembered.memory.trouble(isReachable, nowMs);
      this.#watch(remembered);
    }
    this.#wake();
  }

  /** An instance refused a connection: others are taken for a while, and it is not kept against the registry's word. */
  refused(key: ServiceKey, ip: string, port: number): void {
    const remembered = this.#remembered.get(serviceIdOf(key));
    if (remembered?.memory.refused(ip, port, this.#clock.nowMs()) === true) this.#review(remembered);
  }

  /** An instance that had refused a connection took one. */
  answered(key: ServiceKey, ip: string, port: number): void {
    const remembered = this.#remembered.get(serviceIdOf(key));
    if (remembered?.memory.answered(ip, port) === true) this.#review(remembered);
  }

  /** An instance answered a call with this status. Gives whether its next good answer could change anything. */
  responded(key: ServiceKey, ip: string, port: number, status: number): boolean {
    const remembered = this.#remembered.get(serviceIdOf(key));
    if (remembered === undefined) return false;
    if (remembered.memory.responded(ip, port, isServerError(status), this.#clock.nowMs())) this.#review(remembered);
    return remembered.memory.awaitsAnswer(ip, port);
  }

  /** Whether what is in use of a service is what was told last; else some are in use against that, or have refused connections. */
  isAsTold(key: ServiceKey): boolean {
    return this.#remembered.get(serviceIdOf(key))?.isAsTold ?? true;
  }

  /** What is remembered of services whose registry may forget; times are those of the clock. */
  memories(): ServiceMemory[] {
    const nowMs = this.#clock.nowMs();
    return Array.from(this.#remembered.values(), ({ key, memory }) => ({ key, instances: memory.describe(nowMs), nowMs }));
  }

  /** Calls `listener` with each table that says something else than before; not where other lane groups come into force. */
  onChange(listener: TableListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The instances to use of what is told; undefined: those that are in use. */
  #believe(key: ServiceKey, told: readonly Instance[], origin: TableOrigin, known: ServiceTable | undefined): readonly Instance[] | undefined {
    const isSameOrigin = known !== undefined && (known.origin === 'snapshot') === (origin === 'snapshot');
    const id = serviceIdOf(key);
    let remembered = this.#remembered.get(id);
    const { holdMs } = this.#options;
    if (holdMs === undefined) return isSameOrigin && saySame(known.instances, told) ? undefined : told;
    const nowMs = this.#clock.nowMs();
    if (remembered === undefined) {
      remembered = {
        key,
        memory: new InstanceMemory(holdMs(), (instance) => this.tagOf(instance), this.#options.outlier),
        told,
        origin,
        isAsTold: true,
        isDoubted: false,
      };
      remembered.memory.trouble(this.#isReachable, this.#troubleAtMs);
      this.#remembered.set(id, remembered);
    } else if (isSameOrigin && saySame(remembered.told, told)) {
      remembered.memory.heardAgain(nowMs);
      if (remembered.isDoubted) this.#review(remembered);
      return undefined;
    }
    const wasAsTold = remembered.isAsTold;
    remembered.told = told;
    remembered.origin = origin;
    remembered.memory.tell(told, origin, nowMs);
    this.#watch(remembered);
    this.#wake();
    // Where nothing is doubted the list is kept that came, which others may have, too.
    remembered.isAsTold = remembered.memory.isAsTold(nowMs);
    const used = remembered.isAsTold ? told : remembered.memory.instances(nowMs);
    this.#tellDoubt(remembered, used.length);
    // What was in use before is what was told before, which has been compared.
    if (remembered.isAsTold && wasAsTold) return used;
    return isSameOrigin && saySame(known.instances, used) ? undefined : used;
  }

  /** Something else is in use of a service than before, without a word of the registry. */
  #review(remembered: Remembered): void {
    const { key, memory, origin, told } = remembered;
    const known = this.get(key);
    const nowMs = this.#clock.nowMs();
    const used = memory.instances(nowMs);
    remembered.isAsTold = memory.isAsTold(nowMs);
    this.#tellDoubt(remembered, used.length);
    if (known !== undefined && !saySame(known.instances, used)) this.#change(key, remembered.isAsTold ? told : used, origin, known);
    this.#watch(remembered);
    this.#wake();
  }

  #tellDoubt(remembered: Remembered, of: number): void {
    const { doubted } = remembered.memory;
    if (doubted > 0 === remembered.isDoubted) return;
    remembered.isDoubted = doubted > 0;
    this.#options.onDoubt?.({ key: remembered.key, doubted, of });
  }

  #watch(remembered: Remembered): void {
    const { dueMs } = remembered.memory;
    if (dueMs === undefined) this.#dueMs.delete(remembered);
    else this.#dueMs.set(remembered, dueMs);
  }

  /** Sets the alarm for when the next doubt or refusal ends. */
  #wake(): void {
    let dueMs = Infinity;
    for (const atMs of this.#dueMs.values()) dueMs = Math.min(dueMs, atMs);
    if (this.#alarm?.atMs === dueMs) return;
    this.#alarm?.cancel();
    this.#alarm = undefined;
    if (dueMs === Infinity) return;
    const ring = (): void => {
      this.#alarm = undefined;
      const nowMs = this.#clock.nowMs();
      for (const [remembered, atMs] of Array.from(this.#dueMs)) if (atMs <= nowMs) this.#review(remembered);
      this.#wake();
    };
    // Timers may be early by a millisecond.
    this.#alarm = { atMs: dueMs, cancel: this.#clock.after(Math.max(0, dueMs - this.#clock.nowMs()) + 1, ring) };
  }

  #change(key: ServiceKey, instances: readonly Instance[], origin: TableOrigin, before: ServiceTable | undefined): ServiceTable {
    const table = this.#build(key, instances, origin, before);
    for (const listener of this.#listeners) listener(table);
    return table;
  }

  #build(key: ServiceKey, instances: readonly Instance[], origin: TableOrigin, before: ServiceTable | undefined): ServiceTable {
    this.#seeWarmups(before?.instances, instances);
    const ports = instances.length === 0 ? (before?.ports ?? NO_PORTS) : new Set(instances.map(({ port }) => port));
    const table: ServiceTable = { key, instances, index: this.buildIndex(key.name, instances), ports, origin };
    let services = key.namespace === undefined ? this.#services : this.#elsewhere.get(key.namespace);
    if (services === undefined) this.#elsewhere.set(key.namespace as string, (services = new Map()));
    let groups = services.get(key.name);
    if (groups === undefined) services.set(key.name, (groups = new Map()));
    let slot = groups.get(key.group);
    if (slot === undefined) {
      groups.set(key.group, (slot = { table, generation: this.#generation, endWarmup: undefined }));
      this.#slots.push(slot);
    }
    if (before !== undefined) this.#addresses.remove(before.instances, slot);
    slot.table = table;
    slot.generation = this.#generation;
    this.#addresses.add(instances, slot);
    this.#followWarmup(slot);
    return table;
  }

  #seeWarmups(before: readonly Instance[] | undefined, instances: readonly Instance[]): void {
    const nowMs = this.#clock.nowMs();
    const seen = new Set<string>();
    for (const instance of instances) {
      const warmup = warmupOf(instance);
      if (warmup === undefined) continue;
      const id = warmupIdOf(instance, warmup);
      seen.add(id);
      if (!this.#firstSeenMs.has(id)) this.#firstSeenMs.set(id, nowMs);
    }
    if (this.#firstSeenMs.size === 0 || before === undefined) return;
    for (const instance of before) {
      const warmup = warmupOf(instance);
      if (warmup !== undefined && !seen.has(warmupIdOf(instance, warmup))) this.#firstSeenMs.delete(warmupIdOf(instance, warmup));
    }
  }

  /** The share of its weight that an instance has now. */
  #shareOf(instance: Instance): number {
    const warmup = warmupOf(instance);
    const share = warmup === undefined ? 1 : warmupShare(warmup, this.#ageMs(instance, warmup));
    return instance.probed === true ? share * PROBE_SHARE : share;
  }

  /** By the instance's own clock, or since it was seen first: the longer. A clock that is wrong costs a warm-up at most. */
  #ageMs(instance: Instance, warmup: Warmup): number {
    const nowMs = this.#clock.nowMs();
    const epochMs = this.#clock.epochMs?.() ?? Date.now();
    return Math.max(epochMs - warmup.startedAtMs, nowMs - (this.#firstSeenMs.get(warmupIdOf(instance, warmup)) ?? nowMs));
  }

  /** Builds a service's tables anew, step by step, as long as one of its instances warms up. */
  #followWarmup(slot: Slot): void {
    slot.endWarmup?.();
    slot.endWarmup = undefined;
    const { instances } = slot.table;
    let stepMs = Infinity;
    // A single instance gets all, whatever its weight.
    if (instances.length > 1)
      for (const instance of instances) {
        const warmup = warmupOf(instance);
        if (warmup !== undefined && this.#ageMs(instance, warmup) < warmup.timeMs) stepMs = Math.min(stepMs, warmup.timeMs / WARMUP_STEPS);
      }
    if (stepMs === Infinity) return;
    slot.endWarmup = this.#clock.after(Math.max(MIN_WARMUP_STEP_MS, stepMs), () => {
      slot.table = { ...slot.table, index: this.buildIndex(slot.table.key.name, slot.table.instances) };
      slot.generation = this.#generation;
      this.#followWarmup(slot);
    });
  }

  /** Builds the index of any list of instances of a service under the rules in force. */
  buildIndex(service: string, instances: readonly Instance[]): TableIndex {
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
      shareOf: this.#firstSeenMs.size === 0 && !instances.some(({ probed }) => probed) ? undefined : (instance) => this.#shareOf(instance),
    };
    const { near = NEAR_OFF } = this.#options;
    const index = near.circle === 'off' ? buildLaneIndex(instances, indexRules) : buildNearIndex(instances, indexRules, near, this.#place);
    const ejected = instances.filter((instance) => instance.ejected === true && instance.enabled && instance.weight > 0);
    return ejected.length === 0 ? index : { ...index, ejected: decideEach(ejected, index) };
  }

  /** The tag of an instance by its metadata; undefined: base. */
  tagOf(instance: Pick<Instance, 'metadata'>): Tag | undefined {
    return this.#readTag(instance.metadata);
  }

  get(key: ServiceKey): ServiceTable | undefined {
    const services = key.namespace === undefined ? this.#services : this.#elsewhere.get(key.namespace);
    return services?.get(key.name)?.get(key.group)?.table;
  }

  *all(): Iterable<ServiceTable> {
    for (const { table } of this.#slots) yield table;
  }

  /** The decision for a call to a service; undefined where the service is not known. */
  route(key: ServiceKey, tag: Tag | undefined): Decision | undefined {
    const table = this.get(key);
    return table === undefined ? undefined : route(table.index, tag);
  }

  /** Whether no service is known yet, in which case no address can be an instance. */
  get isEmpty(): boolean {
    return this.#slots.length === 0;
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

/** An index whose lanes have their near instances only, where there are enough. What is known of the others' tags stays known. */
function buildNearIndex(instances: readonly Instance[], rules: IndexRules, policy: NearPolicy, own: Place): TableIndex {
  const { tagOf, shareOf } = rules;
  const tags = new Map<Instance, Tag>();
  for (const instance of instances) {
    const tag = tagOf(instance);
    if (tag !== undefined) tags.set(instance, tag);
  }
  const laneOf = (instance: Instance): Tag | undefined => laneServedBy(instance, { tags, rules });
  const isSettled = shareOf === undefined ? undefined : (instance: Instance): boolean => shareOf(instance) >= 1;
  const passed = passOver(instances, { policy, own, laneOf, isSettled });
  if (passed.size === 0) return buildLaneIndex(instances, rules);
  const far = new Map<Tag | undefined, FarInstances>();
  const left = new Set(instances);
  for (const [tag, those] of passed) {
    for (const instance of those) left.delete(instance);
    far.set(tag, { decision: decideOf(tag, those, rules), addresses: new Set(those.map(({ ip, port }) => `${ip} ${port}`)) });
  }
  return { ...buildLaneIndex([...left], rules), tags, far };
}

/** By lane, what would be decided if these instances were all there is. */
function decideEach(instances: readonly Instance[], index: LaneIndex): ReadonlyMap<Tag | undefined, Decision> {
  const lanes = new Map<Tag | undefined, Instance[]>();
  for (const instance of instances) {
    const tag = laneServedBy(instance, index);
    const lane = lanes.get(tag);
    if (lane === undefined) lanes.set(tag, [instance]);
    else lane.push(instance);
  }
  return new Map(Array.from(lanes, ([tag, lane]) => [tag, decideOf(tag, lane, index.rules)]));
}

function decideOf(tag: Tag | undefined, instances: readonly Instance[], { shareOf }: IndexRules): Decision {
  return { reason: tag === undefined ? 'base' : 'in-lane', instances, tag, chances: buildChances(instances, shareOf) };
}

/** The lane whose calls an instance serves; undefined: base. */
function laneServedBy(instance: Instance, index: Pick<LaneIndex, 'tags' | 'rules'>): Tag | undefined {
  return isBaseInstance(instance, index) ? undefined : index.tags.get(instance);
}

/**
 * Whose an address is: host, then port, so that no key has to be put together at request time. It is kept up service by service. An
 * address that several services share is nobody's while they do, since it can't be told whose it is.
 */
class Addresses {
  /** Most hosts have one instance, which is then all there is of the host: a map of one for each would take more memory than all the rest. */
  readonly #hosts = new Map<string, Owner | Map<number, Owner | Owner[]>>();

  find(host: string, port: number): KnownAddress | undefined {
    const known = this.#hosts.get(host);
    if (known === undefined) return undefined;
    if (known instanceof Owner) return known.instance.port === port ? known : undefined;
    const owner = known.get(port);
    return owner === undefined || Array.isArray(owner) ? undefined : owner;
  }

  has(host: string): boolean {
    return this.#hosts.has(host);
  }

  add(instances: readonly Instance[], slot: Slot): void {
    for (const instance of instances) {
      const owner = new Owner(instance, slot);
      let ports = this.#hosts.get(instance.ip);
      if (ports === undefined) {
        this.#hosts.set(instance.ip, owner);
        continue;
      }
      if (ports instanceof Owner) this.#hosts.set(instance.ip, (ports = new Map([[ports.instance.port, ports]])));
      const known = ports.get(instance.port);
      // Of an address that one service lists twice the later counts.
      const others = ownersOf(known).filter((other) => other.slot !== slot);
      ports.set(instance.port, others.length === 0 ? owner : [...others, owner]);
    }
  }

  remove(instances: readonly Instance[], slot: Slot): void {
    for (const { ip, port } of instances) {
      const ports = this.#hosts.get(ip);
      if (ports === undefined) continue;
      if (ports instanceof Owner) {
        if (ports.slot === slot && ports.instance.port === port) this.#hosts.delete(ip);
        continue;
      }
      const [first, ...rest] = ownersOf(ports.get(port)).filter((owner) => owner.slot !== slot);
      if (first !== undefined) ports.set(port, rest.length === 0 ? first : [first, ...rest]);
      else if (ports.delete(port) && ports.size === 0) this.#hosts.delete(ip);
    }
  }
}

/** Who has an address. */
class Owner implements KnownAddress {
  readonly instance: Instance;
  readonly slot: Slot;

  constructor(instance: Instance, slot: Slot) {
    this.instance = instance;
    this.slot = slot;
  }

  get table(): ServiceTable {
    return this.slot.table;
  }
}

function ownersOf(known: Owner | Owner[] | undefined): readonly Owner[] {
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

/** One start of one instance. */
function warmupIdOf({ ip, port }: Instance, { startedAtMs }: Warmup): string {
  return `${ip} ${port} ${startedAtMs}`;
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
  const id = `${key.group}@@${key.name}`;
  return key.namespace === undefined ? id : `${key.namespace}@@${id}`;
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
export function isBaseInstance(instance: Instance, index: Pick<LaneIndex, 'tags' | 'rules'>): boolean {
  const tag = index.tags.get(instance);
  return tag === undefined || (index.rules.baseMode === 'outside-enabled-lanes' && !index.rules.isEnabledLane(tag));
}
