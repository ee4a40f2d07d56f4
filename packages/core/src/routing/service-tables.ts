import type { LaneRules } from '../rules/types.js';
import type { FormatName, InstanceTagReader } from '../wire/formats.js';
import type { Instance } from './instance.js';
import { InstanceTags } from './instance-tags.js';
import { isServerError, PROBE_SHARE, type OutlierPolicy } from './outlier.js';
import { InstanceMemory, type EjectionChange, type RememberedInstance, type TableOrigin } from './instance-memory.js';
import { warmupOf, warmupShare, type Warmup } from './warmup.js';
import {
  chancesInSteps,
  laneIndexInSteps,
  route,
  type BaseMode,
  type Decision,
  type Fallback,
  type IndexRules,
  type LaneIndex,
} from './lane-index.js';
import { passOverInSteps } from './near.js';
import { NEAR_OFF, type NearPolicy, type Place } from './near-policy.js';
import { addressOf, saySameInSteps } from './say-same.js';
import { inOneGo, NO_PAUSE, Pace, type Steps } from './steps.js';
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
  /** Those that refused connections: likewise. */
  readonly refused?: ReadonlyMap<Tag | undefined, Decision> | undefined;
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

/** An instance is ejected, or back, for what it answered. */
export interface Ejection extends Omit<EjectionChange, 'kind'> {
  readonly kind: 'ejected' | 'back';
  readonly key: ServiceKey;
  readonly ip: string;
  readonly port: number;
  /** What it answered last. */
  readonly status: number;
}

/** What is remembered of a service whose registry may forget. */
export interface ServiceMemory {
  readonly key: ServiceKey;
  readonly instances: readonly RememberedInstance[];
  /** The time that these speak of, by the clock. */
  readonly nowMs: number;
}

/** An address that is known as an instance, or was. */
export interface KnownAddress {
  readonly instance: Instance;
  readonly table: ServiceTable;
  /** The instance's tag; undefined: it has none. */
  readonly tag: Tag | undefined;
  /** undefined: the instance is in use. */
  readonly gone: GoneInstance | undefined;
}

/** What is known of an address whose instance is gone: somebody may call it still, who keeps it in a list of his own. */
export interface GoneInstance {
  /** It went a moment ago, so that nobody else can have the address yet. */
  readonly isRecent: boolean;
  /** The address refused a connection a moment ago. */
  readonly hasRefused: boolean;
  /** If its instance were back, the registry would not have told: it is away, or was a moment ago, or what it says of the service is doubted. */
  readonly isUntold: boolean;
}

/** How lists of very many instances are taken, so that nobody's requests wait for all of one. */
export interface Slicing {
  /** A list of up to so many is taken at once, as long as the one before was no longer. */
  readonly atOnce: number;
  /** So many pieces of work, of some 0.1 µs each, are done between two looks at the clock. */
  readonly pieces: number;
  /** So long the event loop is held at a time, in milliseconds. */
  readonly holdMs: number;
}

/**
 * A list of 1,000 new instances takes little more than that at once, in code that is not compiled yet. What is done between two looks takes some 0.2 ms, and with a collection of garbage in
 * between several.
 */
const SLICING: Slicing = { atOnce: 1_000, pieces: 2_000, holdMs: 2 };

/** Told the table that a list has come to; undefined: the list could not be taken, and there is none. */
export type Taken = (table: ServiceTable | undefined) => void;

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
  /** Whether addresses of instances that are gone stay known ({@link KnownAddress.gone}); default: they don't. */
  readonly remembersGone?: boolean | undefined;
  /** Told when something of a service comes into doubt, and when nothing is any more. */
  readonly onDoubt?: (doubts: ServiceDoubts) => void;
  /** Told of each instance that is ejected, and of each that is back. */
  readonly onEjection?: (ejection: Ejection) => void;
  /** Told what goes wrong where no caller is there to be told, with a list that is taken later. */
  readonly onError?: (error: unknown) => void;
  /** Default {@link SYSTEM_CLOCK}. */
  readonly clock?: Clock;
  /** Default: 1,000 at once, and of more than that 2 ms at a time. */
  readonly slicing?: Slicing;
}

/**
 * So many lists of one service wait while another one is taken; then the newest takes the place of the one before. They are not all the same as the newest:
 * that an instance is disabled, and gone in the next list, is another thing than that it is gone.
 */
const MAX_WAITING_LISTS = 4;
/** What can wait for one service besides: what is under way, a review, an index. */
const MOST_WAITING = MAX_WAITING_LISTS + 3;
/** Waiting for a list that is taken a slice at a time, and what calls show of its service meanwhile: more than that is forgotten. */
const MAX_LATER = 10_000;

/** So many addresses of instances that are gone stay known: the one that was not called for the longest time goes first. */
const MAX_GONE = 1_000;
/** So long an address is nobody else's: somebody who drains is done by then, and whoever gives addresses out gives no other that soon. */
const GONE_RECENTLY_MS = 60_000;
/** So long an address that refused a connection is not asked again; as is an instance that refused once. */
const GONE_REFUSED_MS = 5_000;

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
  /** Whose the addresses are, of a service of very many instances; undefined: they are in the map of all addresses. */
  hosts: Hosts | undefined;
}

/** A list that waits, and who is to be told of the table that it comes to. */
interface WaitingList {
  told: readonly Instance[];
  origin: TableOrigin;
  readonly taken: Taken[];
}

/** What is to be done for one service a slice at a time. */
interface Job {
  readonly key: ServiceKey;
  /** What is under way. */
  steps: Steps<unknown> | undefined;
  /** A step of it is: whoever is told of a table may tell of the next list. */
  isRunning: boolean;
  /** What is under way takes a list. */
  isTaking: boolean;
  /** Lists that have come meanwhile, the oldest first. */
  waiting: WaitingList[];
  /** Who is to be told of what is under way. */
  taken: Taken[];
  /** Something else may be in use without a word of the registry. */
  wantsReview: boolean;
  /** Other lane groups, or another place, or other shares of those that warm up. */
  wantsIndex: boolean;
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
  hasSuspects: boolean;
  /** The memory is being worked on; what calls show meanwhile waits here. */
  later: Array<() => void> | undefined;
}

/**
 * All services that this process knows, ready for routing: tables and addresses are made when the registry pushes or the lane groups
 * change, never by a request, which costs look-ups and puts no text together.
 */
export class ServiceTables {
  readonly #options: ServiceTablesOptions;
  readonly #tags: InstanceTags;
  /** By name, then by group. */
  readonly #services: Services = new Map();
  /** The same for other namespaces. */
  readonly #elsewhere = new Map<string, Services>();
  /** In the order in which the services came. */
  readonly #slots: Slot[] = [];
  readonly #addresses = new Addresses(() => this.#clock.nowMs());
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
  /** Services that have suspects. */
  #suspected = 0;
  readonly #slicing: Slicing;
  /** By service, in the order in which they have their turns. */
  readonly #jobs = new Map<string, Job>();
  /** Calls off the next slice. */
  #endSlices: (() => void) | undefined;
  #isReachable = true;
  #troubleAtMs = -Infinity;
  #alarm: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(options: ServiceTablesOptions) {
    this.#options = options;
    this.#tags = new InstanceTags(options.formats, undefined);
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#place = options.place ?? {};
    this.#slicing = options.slicing ?? SLICING;
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
    this.#rules = rules;
    this.#tags.setRules(rules);
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
      // While its memory hears a list, nothing else may be asked of it.
      if (this.#isMany(slot.table.instances) || this.#jobs.has(serviceIdOf(slot.table.key))) {
        this.#jobOf(slot.table.key).wantsIndex = true;
        continue;
      }
      if (instances > this.#slicing.atOnce) {
        this.#clock.after(0, () => {
          // Where others have come meanwhile, theirs are under way.
          if (this.#generation === generation) this.#follow(i);
        });
        return;
      }
      instances += slot.table.instances.length + 1;
      inOneGo(this.#followRules(slot, NO_PAUSE));
    }
  }

  /** A table follows the lane groups, the place or the shares of those that warm up. */
  *#followRules(slot: Slot, pace: Pace): Steps<void> {
    const { key, index } = slot.table;
    const remembered = this.#remembered.get(serviceIdOf(key));
    // Who is in use may depend on who is in which lane: whether all of base has refused, or how many of a lane are ejected.
    if (remembered !== undefined && (yield* undisturbed(remembered, remembered.memory.followTagsInSteps(this.#clock.nowMs(), pace))))
      yield* this.#reviewInSteps(remembered, pace);
    if (slot.table.index === index) yield* this.#renewIndex(slot, pace);
  }

  /** Makes the index of a table anew, of the same instances. */
  *#renewIndex(slot: Slot, pace: Pace): Steps<void> {
    const { key, instances } = slot.table;
    const { index, generation } = yield* this.#indexInForce(key.name, instances, pace);
    slot.table = { ...slot.table, index };
    slot.generation = generation;
  }

  /**
   * Takes what the registry says about a service now. A snapshot never replaces what the registry said. What says the same as before, in
   * whatever order, changes nothing: the table stays the one it was. Lists are kept: who gives one changes it no more.
   */
  update(key: ServiceKey, instances: readonly Instance[], origin: TableOrigin = 'registry'): ServiceTable {
    this.finish(key);
    return inOneGo(this.#take(key, instances, origin, NO_PAUSE));
  }

  /**
   * As {@link update}; but a list of very many instances is taken a slice at a time, with other work in between. Until it is through the table
   * of before is in use, whole, and then the new one. `taken` is called with that: before this returns where the list is short. A list that comes while
   * another one is being taken waits for that; where several wait, the newest may take the place of the one before.
   */
  push(key: ServiceKey, instances: readonly Instance[], origin: TableOrigin = 'registry', taken?: Taken): void {
    const isUnderWay = this.#jobs.has(serviceIdOf(key));
    if (!isUnderWay && !this.#isMany(instances) && !this.#isMany(this.get(key)?.instances ?? instances)) {
      const table = this.update(key, instances, origin);
      taken?.(table);
      return;
    }
    const job = this.#jobOf(key);
    let list = job.waiting.at(-1);
    if (list === undefined || job.waiting.length < MAX_WAITING_LISTS) job.waiting.push((list = { told: instances, origin, taken: [] }));
    else if (origin !== 'snapshot' || list.origin === 'snapshot') Object.assign(list, { told: instances, origin });
    if (taken !== undefined) list.taken.push(taken);
  }

  /** Settles when the list that is being taken of a service is in use, or could not be taken; undefined: none is. Never rejects. */
  whenTaken(key: ServiceKey): Promise<void> | undefined {
    const job = this.#jobs.get(serviceIdOf(key));
    const taken = job?.isTaking === true ? job.taken : job?.waiting[0]?.taken;
    return taken === undefined ? undefined : new Promise((resolve) => taken.push(() => resolve()));
  }

  /** Does now what is still to be done for a service, however long that takes. */
  finish(key: ServiceKey): void {
    const id = serviceIdOf(key);
    // Who is told of a table may tell of another list: that is no longer what was to be done.
    let left = MOST_WAITING;
    for (let job = this.#jobs.get(id); left > 0 && job !== undefined && !job.isRunning; job = this.#jobs.get(id)) if (this.#step(id, job)) left--;
  }

  /** Ends what is under way: what has not been taken yet never is. */
  close(): void {
    this.#endSlices?.();
    this.#endSlices = undefined;
    const jobs = [...this.#jobs.values()];
    this.#jobs.clear();
    for (const { key, taken, waiting } of jobs) this.#tellTaken(key, [...taken, ...waiting.flatMap((list) => list.taken)]);
  }

  #isMany({ length }: readonly Instance[]): boolean {
    return length > this.#slicing.atOnce;
  }

  #jobOf(key: ServiceKey): Job {
    const id = serviceIdOf(key);
    let job = this.#jobs.get(id);
    if (job === undefined) {
      job = { key, steps: undefined, isRunning: false, isTaking: false, waiting: [], taken: [], wantsReview: false, wantsIndex: false };
      this.#jobs.set(id, job);
    }
    this.#endSlices ??= this.#clock.after(0, () => this.#slice());
    return job;
  }

  /** Works on what is to be done, for a while. All services share it: many slices in one turn of the event loop were no slices. */
  #slice(): void {
    const untilMs = this.#clock.nowMs() + this.#slicing.holdMs;
    this.#endSlices = undefined;
    for (const [id, job] of this.#jobs) {
      while (this.#jobs.get(id) === job) {
        const isOver = this.#step(id, job);
        if (this.#clock.nowMs() >= untilMs) {
          if (this.#jobs.size > 0) this.#endSlices ??= this.#clock.after(0, () => this.#slice());
          return;
        }
        if (isOver) break;
      }
    }
  }

  /** Does a step of a job. True: what was under way is over, and whoever waits has a turn. */
  #step(id: string, job: Job): boolean {
    job.isRunning = true;
    try {
      job.steps ??= this.#begin(job);
      if (job.steps.next().done !== true) return false;
    } catch (error) {
      // What is half heard is of no use: the next list is the first one.
      this.#forget(id);
      job.wantsReview = false;
      this.#options.onError?.(error);
    } finally {
      job.isRunning = false;
    }
    job.steps = undefined;
    job.isTaking = false;
    const { taken } = job;
    job.taken = [];
    if (this.#jobs.delete(id) && (job.waiting.length > 0 || job.wantsReview || job.wantsIndex)) this.#jobs.set(id, job);
    this.#tellTaken(job.key, taken);
    return true;
  }

  #forget(id: string): void {
    const remembered = this.#remembered.get(id);
    if (remembered === undefined) return;
    this.#remembered.delete(id);
    this.#dueMs.delete(remembered);
    if (remembered.hasSuspects) this.#suspected--;
  }

  #tellTaken(key: ServiceKey, taken: readonly Taken[]): void {
    for (const tell of taken) {
      try {
        tell(this.get(key));
      } catch (error) {
        this.#options.onError?.(error);
      }
    }
  }

  #begin(job: Job): Steps<unknown> {
    const pace = new Pace(this.#slicing.pieces);
    const { key } = job;
    const next = job.waiting.shift();
    if (next !== undefined) {
      job.isTaking = true;
      job.taken = next.taken;
      return this.#take(key, next.told, next.origin, pace);
    }
    if (job.wantsReview) {
      job.wantsReview = false;
      return this.#reviewInSteps(this.#remembered.get(serviceIdOf(key)) as Remembered, pace);
    }
    job.wantsIndex = false;
    return this.#followRules(this.#slotOf(key) as Slot, pace);
  }

  *#take(key: ServiceKey, instances: readonly Instance[], origin: TableOrigin, pace: Pace): Steps<ServiceTable> {
    const known = this.get(key);
    if (known !== undefined && origin === 'snapshot' && known.origin !== 'snapshot') return known;
    const used = yield* this.#believe(key, instances, origin, known, pace);
    // A word that changes nothing may end a doubt, and so the table.
    return used === undefined ? (this.get(key) as ServiceTable) : yield* this.#change(key, used, origin, pace);
  }

  /** The registry stopped answering, or answers again. Soon after that nothing it takes away is believed at once. */
  trouble(isReachable: boolean): void {
    const nowMs = this.#clock.nowMs();
    this.#isReachable = isReachable;
    this.#troubleAtMs = nowMs;
    for (const remembered of this.#remembered.values()) this.#noteTrouble(remembered, isReachable, nowMs);
    this.#wake();
  }

  #noteTrouble(remembered: Remembered, isReachable: boolean, nowMs: number): void {
    if (putOff(remembered, () => this.#noteTrouble(remembered, isReachable, nowMs))) return;
    remembered.memory.trouble(isReachable, nowMs);
    this.#watch(remembered);
  }

  /** An instance refused a connection: others are taken for a while, and it is not kept against the registry's word. */
  refused(key: ServiceKey, ip: string, port: number): void {
    const remembered = this.#remembered.get(serviceIdOf(key));
    if (remembered !== undefined && putOff(remembered, () => this.refused(key, ip, port))) return;
    if (remembered?.memory.refused(ip, port, this.#clock.nowMs()) === true) this.#review(remembered);
    this.#addresses.refused(ip, port);
  }

  /** An instance that had refused a connection took one. */
  answered(key: ServiceKey, ip: string, port: number): void {
    const remembered = this.#remembered.get(serviceIdOf(key));
    if (remembered !== undefined && putOff(remembered, () => this.answered(key, ip, port))) return;
    if (remembered?.memory.answered(ip, port) === true) this.#review(remembered);
    this.#addresses.answered(ip, port);
  }

  /** Whether an answer that is no server error could change anything: some instance has failed, is ejected, or is probed. */
  get hasSuspects(): boolean {
    return this.#suspected > 0;
  }

  /** An instance answered a call with this status. */
  responded(key: ServiceKey, ip: string, port: number, status: number): void {
    const remembered = this.#remembered.get(serviceIdOf(key));
    if (remembered === undefined || putOff(remembered, () => this.responded(key, ip, port, status))) return;
    const change = remembered.memory.responded(ip, port, isServerError(status), this.#clock.nowMs());
    this.#noteSuspects(remembered);
    if (change === undefined) return;
    this.#review(remembered);
    const { kind } = change;
    if (kind !== 'spared') this.#options.onEjection?.({ ...change, kind, key, ip, port, status });
  }

  #noteSuspects(remembered: Remembered): void {
    const { hasSuspects } = remembered.memory;
    if (hasSuspects === remembered.hasSuspects) return;
    remembered.hasSuspects = hasSuspects;
    this.#suspected += hasSuspects ? 1 : -1;
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
  *#believe(
    key: ServiceKey,
    told: readonly Instance[],
    origin: TableOrigin,
    known: ServiceTable | undefined,
    pace: Pace,
  ): Steps<readonly Instance[] | undefined> {
    const isSameOrigin = known !== undefined && (known.origin === 'snapshot') === (origin === 'snapshot');
    const id = serviceIdOf(key);
    let remembered = this.#remembered.get(id);
    const { holdMs } = this.#options;
    if (holdMs === undefined) return isSameOrigin && (yield* saySameInSteps(known.instances, told, pace)) ? undefined : told;
    const nowMs = this.#clock.nowMs();
    if (remembered === undefined) {
      remembered = {
        key,
        memory: new InstanceMemory(holdMs(), () => this.#tags.readerOf(key.name), this.#options.outlier),
        told,
        origin,
        isAsTold: true,
        isDoubted: false,
        hasSuspects: false,
        later: undefined,
      };
      remembered.memory.trouble(this.#isReachable, this.#troubleAtMs);
      this.#remembered.set(id, remembered);
    } else if (isSameOrigin && (yield* saySameInSteps(remembered.told, told, pace))) {
      remembered.memory.heardAgain(nowMs);
      if (remembered.isDoubted) yield* this.#reviewInSteps(remembered, pace);
      return undefined;
    }
    const wasAsTold = remembered.isAsTold;
    yield* this.#tell(remembered, told, origin, nowMs, pace);
    // Where nothing is doubted the list is kept that came, which others may have, too.
    remembered.isAsTold = remembered.memory.isAsTold(nowMs);
    const used = remembered.isAsTold ? told : yield* remembered.memory.instancesInSteps(nowMs, pace);
    this.#tellDoubt(remembered, used.length);
    // What was in use before is what was told before, which has been compared.
    if (remembered.isAsTold && wasAsTold) return used;
    return isSameOrigin && (yield* saySameInSteps(known.instances, used, pace)) ? undefined : used;
  }

  *#tell(remembered: Remembered, told: readonly Instance[], origin: TableOrigin, nowMs: number, pace: Pace): Steps<void> {
    remembered.told = told;
    remembered.origin = origin;
    yield* undisturbed(remembered, remembered.memory.tellInSteps(told, origin, nowMs, pace));
    this.#watch(remembered);
    this.#wake();
  }

  /** Something else is in use of a service than before, without a word of the registry. */
  #review(remembered: Remembered): void {
    const { key } = remembered;
    if (this.#jobs.has(serviceIdOf(key)) || this.#isMany(this.get(key)?.instances ?? [])) {
      this.#jobOf(key).wantsReview = true;
      // Until then; that sets it anew.
      this.#dueMs.delete(remembered);
    } else inOneGo(this.#reviewInSteps(remembered, NO_PAUSE));
  }

  *#reviewInSteps(remembered: Remembered, pace: Pace): Steps<void> {
    const { key, memory, origin, told } = remembered;
    const known = this.get(key);
    const nowMs = this.#clock.nowMs();
    const used = yield* memory.instancesInSteps(nowMs, pace);
    remembered.isAsTold = memory.isAsTold(nowMs);
    this.#tellDoubt(remembered, used.length);
    if (known !== undefined && !(yield* saySameInSteps(known.instances, used, pace)))
      yield* this.#change(key, remembered.isAsTold ? told : used, origin, pace);
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
    this.#noteSuspects(remembered);
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

  *#change(key: ServiceKey, instances: readonly Instance[], origin: TableOrigin, pace: Pace): Steps<ServiceTable> {
    const before = this.get(key);
    yield* this.#seeWarmups(before?.instances, instances, pace);
    let ports = before?.ports ?? NO_PORTS;
    if (instances.length > 0) ports = yield* portsOf(instances, pace);
    const slot: Slot = this.#slotOf(key) ?? { table: NO_TABLE, generation: -1, endWarmup: undefined, hosts: undefined };
    const isMany = this.#isMany(instances) || (before !== undefined && this.#isMany(before.instances));
    const hosts = isMany ? yield* hostsOf(instances, slot, pace) : undefined;
    const lost =
      hosts === undefined || before === undefined || this.#options.remembersGone !== true
        ? undefined
        : yield* this.#addresses.lostInSteps(before.instances, hosts, slot, pace);
    const { index, generation } = yield* this.#indexInForce(key.name, instances, pace);
    const table: ServiceTable = { key, instances, index, ports, origin };
    // From here on at once: the new table with its addresses, in the place of the one before.
    const past: Past = {
      readTag: () => this.#tags.readerOf(key.name),
      wouldTell: () => this.#remembered.get(serviceIdOf(key))?.memory.wouldTell(this.#clock.nowMs()) !== false,
    };
    if (before === undefined) this.#addSlot(key, slot);
    else this.#addresses.remove(before.instances, slot);
    slot.table = table;
    slot.generation = generation;
    if (hosts === undefined) {
      this.#addresses.add(instances, slot);
      if (before !== undefined && this.#options.remembersGone === true) this.#addresses.keepGone(before.instances, slot, past);
    } else {
      this.#addresses.addMany(hosts, slot);
      if (lost !== undefined) this.#addresses.keepGone(lost, slot, past);
    }
    this.#followWarmup(slot);
    for (const listener of this.#listeners) listener(table);
    return table;
  }

  /** An index under the lane groups in force at its end: others may come into force while it is made. */
  *#indexInForce(service: string, instances: readonly Instance[], pace: Pace): Steps<{ readonly index: TableIndex; readonly generation: number }> {
    for (;;) {
      const generation = this.#generation;
      const index = yield* this.#indexInSteps(service, instances, pace);
      if (generation === this.#generation) return { index, generation };
    }
  }

  #addSlot(key: ServiceKey, slot: Slot): void {
    let services = key.namespace === undefined ? this.#services : this.#elsewhere.get(key.namespace);
    if (services === undefined) this.#elsewhere.set(key.namespace as string, (services = new Map()));
    let groups = services.get(key.name);
    if (groups === undefined) services.set(key.name, (groups = new Map()));
    groups.set(key.group, slot);
    this.#slots.push(slot);
  }

  *#seeWarmups(before: readonly Instance[] | undefined, instances: readonly Instance[], pace: Pace): Steps<void> {
    const nowMs = this.#clock.nowMs();
    const seen = new Set<string>();
    for (let i = 0; i < instances.length; i++) {
      const instance = instances[i] as Instance;
      if (pace.isDue()) yield;
      const warmup = warmupOf(instance);
      if (warmup === undefined) continue;
      const id = warmupIdOf(instance, warmup);
      seen.add(id);
      if (!this.#firstSeenMs.has(id)) this.#firstSeenMs.set(id, nowMs);
    }
    if (this.#firstSeenMs.size === 0 || before === undefined) return;
    for (const instance of before) {
      if (pace.isDue()) yield;
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
    if (instances.length > 1 && this.#firstSeenMs.size > 0)
      for (const instance of instances) {
        const warmup = warmupOf(instance);
        if (warmup !== undefined && this.#ageMs(instance, warmup) < warmup.timeMs) stepMs = Math.min(stepMs, warmup.timeMs / WARMUP_STEPS);
      }
    if (stepMs === Infinity) return;
    slot.endWarmup = this.#clock.after(Math.max(MIN_WARMUP_STEP_MS, stepMs), () => {
      if (this.#isMany(slot.table.instances)) this.#jobOf(slot.table.key).wantsIndex = true;
      else inOneGo(this.#renewIndex(slot, NO_PAUSE));
      this.#followWarmup(slot);
    });
  }

  /** Builds the index of any list of instances of a service under the rules in force. */
  buildIndex(service: string, instances: readonly Instance[]): TableIndex {
    return inOneGo(this.#indexInSteps(service, instances, NO_PAUSE));
  }

  *#indexInSteps(service: string, instances: readonly Instance[], pace: Pace): Steps<TableIndex> {
    const rules = this.#rules;
    const fallback = this.#options.fallback ?? 'base';
    const readTag = this.#tags.readerOf(service);
    const indexRules: IndexRules = {
      tagOf: ({ metadata }) => readTag(metadata),
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
    const index =
      near.circle === 'off'
        ? yield* laneIndexInSteps(instances, indexRules, pace)
        : yield* nearIndexInSteps(instances, indexRules, near, this.#place, pace);
    const ejected: Instance[] = [];
    const refused: Instance[] = [];
    for (let i = 0; i < instances.length; i++) {
      const instance = instances[i] as Instance;
      if (pace.isDue()) yield;
      if (!instance.enabled || !(instance.weight > 0)) continue;
      if (instance.ejected === true) ejected.push(instance);
      if (instance.refused === true) refused.push(instance);
    }
    if (ejected.length === 0 && refused.length === 0) return index;
    return { ...index, ejected: yield* decideEach(ejected, index, pace), refused: yield* decideEach(refused, index, pace) };
  }

  /** The tag of an instance of a service by its metadata; undefined: base. */
  tagOf(service: string, instance: Pick<Instance, 'metadata'>): Tag | undefined {
    return this.#tags.tagOf(service, instance);
  }

  get(key: ServiceKey): ServiceTable | undefined {
    return this.#slotOf(key)?.table;
  }

  #slotOf(key: ServiceKey): Slot | undefined {
    const services = key.namespace === undefined ? this.#services : this.#elsewhere.get(key.namespace);
    return services?.get(key.name)?.get(key.group);
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

/** Stands in a slot that is not known yet: nobody finds one. */
const NO_TABLE = undefined as unknown as ServiceTable;

/** Works on the memory of a service; what calls show meanwhile is put off. */
function* undisturbed<T>(remembered: Remembered, steps: Steps<T>): Steps<T> {
  const later: Array<() => void> = [];
  remembered.later = later;
  try {
    return yield* steps;
  } finally {
    remembered.later = undefined;
    for (const work of later) work();
  }
}

/** What is told of a service whose memory hears a list just now is put off until it has. True: it is. */
function putOff({ later }: Remembered, work: () => void): boolean {
  if (later === undefined) return false;
  if (later.length < MAX_LATER) later.push(work);
  return true;
}

function* portsOf(instances: readonly Instance[], pace: Pace): Steps<ReadonlySet<number>> {
  const ports = new Set<number>();
  for (let i = 0; i < instances.length; i++) {
    ports.add((instances[i] as Instance).port);
    if (pace.isDue()) yield;
  }
  return ports;
}

/** An index whose lanes have their near instances only, where there are enough. What is known of the others' tags stays known. */
function* nearIndexInSteps(instances: readonly Instance[], rules: IndexRules, policy: NearPolicy, own: Place, pace: Pace): Steps<TableIndex> {
  const { tagOf, shareOf } = rules;
  const tags = new Map<Instance, Tag>();
  for (const instance of instances) {
    if (pace.isDue(4)) yield;
    const tag = tagOf(instance);
    if (tag !== undefined) tags.set(instance, tag);
  }
  const laneOf = (instance: Instance): Tag | undefined => laneServedBy(instance, { tags, rules });
  const isSettled = shareOf === undefined ? undefined : (instance: Instance): boolean => shareOf(instance) >= 1;
  const passed = yield* passOverInSteps(instances, { policy, own, laneOf, isSettled }, pace);
  if (passed.size === 0) return yield* laneIndexInSteps(instances, rules, pace);
  const far = new Map<Tag | undefined, FarInstances>();
  const isFar = new Set<Instance>();
  for (const [tag, those] of passed) {
    const addresses = new Set<string>();
    for (const instance of those) {
      isFar.add(instance);
      addresses.add(addressOf(instance));
      if (pace.isDue(4)) yield;
    }
    far.set(tag, { decision: yield* decideOf(tag, those, rules, pace), addresses });
  }
  const left = new Set<Instance>();
  for (const instance of instances) {
    if (!isFar.has(instance)) left.add(instance);
    if (pace.isDue(2)) yield;
  }
  return { ...(yield* laneIndexInSteps([...left], rules, pace)), tags, far };
}

/** By lane, what would be decided if these instances were all there is. */
function* decideEach(instances: readonly Instance[], index: LaneIndex, pace: Pace): Steps<ReadonlyMap<Tag | undefined, Decision>> {
  const lanes = new Map<Tag | undefined, Instance[]>();
  for (const instance of instances) {
    const tag = laneServedBy(instance, index);
    const lane = lanes.get(tag);
    if (lane === undefined) lanes.set(tag, [instance]);
    else lane.push(instance);
  }
  const decisions = new Map<Tag | undefined, Decision>();
  for (const [tag, lane] of lanes) decisions.set(tag, yield* decideOf(tag, lane, index.rules, pace));
  return decisions;
}

function* decideOf(tag: Tag | undefined, instances: readonly Instance[], { shareOf }: IndexRules, pace: Pace): Steps<Decision> {
  return { reason: tag === undefined ? 'base' : 'in-lane', instances, tag, chances: yield* chancesInSteps(instances, shareOf, pace) };
}

/** The lane whose calls an instance serves; undefined: base. */
function laneServedBy(instance: Instance, index: Pick<LaneIndex, 'tags' | 'rules'>): Tag | undefined {
  return isBaseInstance(instance, index) ? undefined : index.tags.get(instance);
}

/** Owners by host, then by port. Most hosts have one instance, which is then all there is of the host: a map of one for each would take more memory than all the rest. */
type Hosts = Map<string, Owner | Map<number, Owner | Owner[]>>;

function ownersIn(hosts: Hosts, host: string, port: number): Owner | Owner[] | undefined {
  const known = hosts.get(host);
  if (known === undefined) return undefined;
  return known instanceof Owner ? (known.instance.port === port ? known : undefined) : known.get(port);
}

/** The addresses of one service. Of one that is listed twice the later counts. */
function* hostsOf(instances: readonly Instance[], slot: Slot, pace: Pace): Steps<Hosts> {
  const hosts: Hosts = new Map();
  for (let i = 0; i < instances.length; i++) {
    const instance = instances[i] as Instance;
    const owner = new Owner(instance, slot);
    const known = hosts.get(instance.ip);
    if (known === undefined || (known instanceof Owner && known.instance.port === instance.port)) hosts.set(instance.ip, owner);
    else if (known instanceof Owner) {
      hosts.set(
        instance.ip,
        new Map([
          [known.instance.port, known],
          [instance.port, owner],
        ]),
      );
    } else known.set(instance.port, owner);
    if (pace.isDue(3)) yield;
  }
  return hosts;
}

/**
 * Whose an address is: host, then port, so that no key has to be put together at request time. It is kept up service by service. An
 * address that several services share is nobody's while they do, since it can't be told whose it is.
 *
 * A service of very many instances has a map of its own, which is made beside the one in use and takes its place at once.
 */
class Addresses {
  readonly #hosts: Hosts = new Map();
  /** Services that have a map of their own: as a rule none. */
  #many: readonly Slot[] = [];
  /** Those whose instance is gone, by address: first who was not called for the longest time. */
  readonly #gone = new Map<string, GoneOwner>();
  /** Those that one service has left while others have them still: a process may have registered as several, and leaves them one by one. */
  readonly #outlived = new Set<string>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  find(host: string, port: number): KnownAddress | undefined {
    let found = ownersIn(this.#hosts, host, port);
    for (let i = 0; i < this.#many.length; i++) {
      const owner = ownersIn((this.#many[i] as Slot).hosts as Hosts, host, port);
      if (owner === undefined) continue;
      if (found !== undefined) return undefined;
      found = owner;
    }
    return Array.isArray(found) ? undefined : found;
  }

  has(host: string): boolean {
    if (this.#hosts.has(host)) return true;
    for (let i = 0; i < this.#many.length; i++) if ((this.#many[i] as Slot).hosts?.has(host) === true) return true;
    return false;
  }

  add(instances: readonly Instance[], slot: Slot): void {
    for (let i = 0; i < instances.length; i++) {
      const instance = instances[i] as Instance;
      if (this.#gone.size > 0) this.#forget(instance);
      this.#put(new Owner(instance, slot));
    }
  }

  /** Puts a map of its own in force for a service. */
  addMany(hosts: Hosts, slot: Slot): void {
    for (const { instance } of Array.from(this.#gone.values())) if (ownersIn(hosts, instance.ip, instance.port) !== undefined) this.#forget(instance);
    slot.hosts = hosts;
    this.#many = [...this.#many, slot];
  }

  #put(owner: Owner): void {
    const { instance, slot } = owner;
    let ports = this.#hosts.get(instance.ip);
    if (ports === undefined) {
      this.#hosts.set(instance.ip, owner);
      return;
    }
    if (ports instanceof Owner) this.#hosts.set(instance.ip, (ports = new Map([[ports.instance.port, ports]])));
    const known = ports.get(instance.port);
    // Of an address that one service lists twice the later counts.
    const others = listOf(known).filter((other) => other.slot !== slot);
    ports.set(instance.port, others.length === 0 ? owner : [...others, owner]);
  }

  /** Takes out all that a service has. */
  remove(instances: readonly Address[], slot: Slot): void {
    if (slot.hosts === undefined) this.#remove(instances, slot);
    slot.hosts = undefined;
    if (this.#many.includes(slot)) this.#many = this.#many.filter((one) => one !== slot);
  }

  #remove(instances: readonly Address[], slot: Slot): void {
    for (const { ip, port } of instances) {
      const ports = this.#hosts.get(ip);
      if (ports === undefined) continue;
      if (ports instanceof Owner) {
        if (ports.slot === slot && ports.instance.port === port) this.#hosts.delete(ip);
        continue;
      }
      const [first, ...rest] = listOf(ports.get(port)).filter((owner) => owner.slot !== slot);
      if (first !== undefined) ports.set(port, rest.length === 0 ? first : [first, ...rest]);
      else if (ports.delete(port) && ports.size === 0) this.#hosts.delete(ip);
    }
  }

  /**
   * Of a service's instances of before, those to keep as gone ({@link keepGone}) once it has these addresses instead: no more than will be
   * kept, as {@link keepGone} takes no pauses; and those that others have, of which there are few.
   */
  *lostInSteps(before: readonly Instance[], hosts: Hosts, slot: Slot, pace: Pace): Steps<readonly Instance[]> {
    const lost: Instance[] = [];
    const shared: Instance[] = [];
    for (const instance of before) {
      if (pace.isDue(2)) yield;
      if (ownersIn(hosts, instance.ip, instance.port) !== undefined) continue;
      const isOutlived = this.#outlived.size > 0 && this.#outlived.has(addressOf(instance));
      if (isOutlived || this.#ownersAt(instance).some((owner) => owner.slot !== slot)) shared.push(instance);
      else lost.push(instance);
    }
    return [...shared, ...lost.slice(-MAX_GONE)];
  }

  /** Of a service's instances of before, keeps the addresses that nobody has any more, and that no other service had at the same time. */
  keepGone(before: readonly Instance[], slot: Slot, past: Past): void {
    for (const instance of before) {
      const owners = this.#ownersAt(instance);
      if (owners.length > 0) {
        if (!owners.some((owner) => owner.slot === slot)) this.#outlived.add(addressOf(instance));
        continue;
      }
      if (this.#outlived.delete(addressOf(instance))) continue;
      const owner = new GoneOwner(instance, slot, past, this.#nowMs);
      this.#put(owner);
      this.#gone.set(addressOf(instance), owner);
      if (this.#gone.size > MAX_GONE) this.#forget((this.#gone.values().next().value as GoneOwner).instance);
    }
  }

  /** An address refused a connection. */
  refused(ip: string, port: number): void {
    const gone = this.#gone.get(addressOf({ ip, port }));
    if (gone === undefined) return;
    gone.refusedAtMs = this.#nowMs();
    this.#gone.delete(addressOf({ ip, port }));
    this.#gone.set(addressOf({ ip, port }), gone);
  }

  /** Somebody listens at an address: long after its instance has gone it is somebody else's, if the registry would have told that it is back. */
  answered(ip: string, port: number): void {
    const gone = this.#gone.size === 0 ? undefined : this.#gone.get(addressOf({ ip, port }));
    if (gone?.isRecent === false && !gone.isUntold) this.#forget(gone.instance);
  }

  #ownersAt({ ip, port }: Address): readonly Owner[] {
    const owners = listOf(ownersIn(this.#hosts, ip, port));
    if (this.#many.length === 0) return owners;
    return [...owners, ...this.#many.flatMap(({ hosts }) => listOf(ownersIn(hosts as Hosts, ip, port)))];
  }

  #forget(address: Address): void {
    const gone = this.#gone.get(addressOf(address));
    if (gone === undefined) return;
    this.#gone.delete(addressOf(address));
    this.#remove([address], gone.slot);
  }
}

type Address = Pick<Instance, 'ip' | 'port'>;

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

  get tag(): Tag | undefined {
    return this.slot.table.index.tags.get(this.instance);
  }

  get gone(): GoneInstance | undefined {
    return undefined;
  }
}

/** What those that are gone are judged by. */
interface Past {
  /** The reader of tags in force. */
  readonly readTag: () => InstanceTagReader;
  /** As {@link InstanceMemory.wouldTell}. */
  readonly wouldTell: () => boolean;
}

/** Who had an address last. */
class GoneOwner extends Owner implements GoneInstance {
  refusedAtMs = -Infinity;
  readonly #past: Past;
  /** By which the tag was read. */
  #readTag: InstanceTagReader;
  #tag: Tag | undefined;
  readonly #nowMs: () => number;
  readonly #goneAtMs: number;

  constructor(instance: Instance, slot: Slot, past: Past, nowMs: () => number) {
    super(instance, slot);
    this.#past = past;
    this.#readTag = past.readTag();
    this.#tag = this.#readTag(instance.metadata);
    this.#nowMs = nowMs;
    this.#goneAtMs = nowMs();
  }

  override get tag(): Tag | undefined {
    const readTag = this.#past.readTag();
    if (readTag !== this.#readTag) {
      // Lane groups have come since, or others.
      this.#readTag = readTag;
      this.#tag = readTag(this.instance.metadata);
    }
    return this.#tag;
  }

  override get gone(): GoneInstance {
    return this;
  }

  get isRecent(): boolean {
    return this.#nowMs() - this.#goneAtMs < GONE_RECENTLY_MS;
  }

  get hasRefused(): boolean {
    return this.#nowMs() - this.refusedAtMs < GONE_REFUSED_MS;
  }

  get isUntold(): boolean {
    return !this.#past.wouldTell();
  }
}

function listOf(owners: Owner | Owner[] | undefined): readonly Owner[] {
  return owners === undefined ? [] : Array.isArray(owners) ? owners : [owners];
}

/** One start of one instance. */
function warmupIdOf({ ip, port }: Instance, { startedAtMs }: Warmup): string {
  return `${ip} ${port} ${startedAtMs}`;
}

/** A service as one text: the key of tables and snapshots. */
export function serviceIdOf(key: ServiceKey): string {
  const id = `${key.group}@@${key.name}`;
  return key.namespace === undefined ? id : `${key.namespace}@@${id}`;
}

/** Whether a call of `tag` may go to this instance under a decision for its service. */
export function isInRightLane(known: KnownAddress, decision: Decision, tag: Tag | undefined): boolean {
  const instanceTag = known.tag;
  if (decision.reason === 'in-lane') return instanceTag === tag;
  const isBase = isBaseTag(instanceTag, known.table.index.rules);
  // With nothing to go to instead, an untagged call to a base instance is the caller's own business (it may be unhealthy, and known to be).
  if (decision.reason === 'none') return tag === undefined && isBase;
  return isBase;
}

/** Whether an instance is base: it has no tag, or under `outside-enabled-lanes` one whose lane is not enabled. */
export function isBaseInstance(instance: Instance, index: Pick<LaneIndex, 'tags' | 'rules'>): boolean {
  return isBaseTag(index.tags.get(instance), index.rules);
}

/** The lane whose calls an address serves, or served; undefined: base. */
export function laneOfAddress({ tag, table }: KnownAddress): Tag | undefined {
  return isBaseTag(tag, table.index.rules) ? undefined : tag;
}

function isBaseTag(tag: Tag | undefined, rules: IndexRules): boolean {
  return tag === undefined || (rules.baseMode === 'outside-enabled-lanes' && !rules.isEnabledLane(tag));
}
