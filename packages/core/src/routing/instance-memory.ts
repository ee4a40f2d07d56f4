/**
 * What is remembered of one service's instances, so that a registry that forgets takes no live instance away.
 *
 * A registry restarts, loses beats, or answers by mistake; the instances live on. So whatever a list takes away is looked at first:
 *
 * - **Silence about many is doubted.** A lane (or base) that vanishes as a whole, or most of the service, with those in doubt already, or
 *   anything soon after trouble with the registry: such instances stay in use as they were last known.
 * - **Silence about one is believed**: it deregistered, or crashed, and others of its lane are there. So instances go
 *   in a scale-down and a rolling restart, and who was believed to be gone doesn't count when others go silent later.
 * - **A word about an instance is believed**: disabled, weight 0, another tag; unless it is said of all of them, or of a whole lane that all
 *   at once has no tag.
 * - **Doubt ends** when the instance is listed again, when the registry has said the same for the hold, or when the instance refuses
 *   connections.
 *
 * An instance that answers server errors while others of its lane don't is ejected (outlier.ts): it lives, so those take its calls, and never
 * base. What is said of it in lists is judged as if it were not.
 *
 * So a scale-down to nothing is told from forgetting by its order: who is drained is disabled first, which is a word, and gone later. A last
 * instance that goes without a word is doubted, as nobody can tell.
 *
 * What an error costs: an instance that is gone and kept costs one refused connection, as the call then goes elsewhere; one that lives
 * and was taken out on purpose gets its requests for the hold more. Push-empty protection of Nacos' Java client (since 2.1) is the
 * first of these rules, for whole services only: `NamingPushRequestHandler`, `ServiceInfoHolder.isEmptyOrErrorPush`.
 *
 * Time is a parameter: milliseconds of any clock that doesn't go back.
 */
import { isUsable } from './lane-index.js';
import type { Instance } from './instance.js';
import { ejectionMs, failuresNeeded, mostEjected, NO_OUTLIERS, Tally, type OutlierPolicy } from './outlier.js';
import { addressOf } from './say-same.js';
import { inOneGo, NO_PAUSE, type Pace, type Steps } from './steps.js';
import type { Tag } from '../names/tag.js';
import type { InstanceTagReader } from '../wire/formats.js';

/** Who told a list: the registry itself, the app's own client of it, or an earlier run of this process. */
export type TableOrigin = 'registry' | 'sdk' | 'snapshot';

/** At most so many times the hold trouble that doesn't end can keep an instance in use. */
const MAX_HOLDS = 3;

/** The first time that an instance which refused a connection is left alone; doubled at each further refusal. */
const FIRST_REFUSAL_MS = 5_000;
const MAX_REFUSAL_MS = 60_000;

/** What the registry says of an instance in use that it would take away. */
export type Doubt = 'absent' | 'unhealthy' | 'disabled' | 'untagged';

/** One instance as it is remembered, for status and explanations. */
export interface RememberedInstance {
  /** As it is in use; undefined: it is not, as it refused connections and isn't listed. */
  readonly instance: Instance | undefined;
  readonly address: string;
  /** Who listed it last. */
  readonly source: TableOrigin;
  /** When it was listed last. */
  readonly listedAtMs: number;
  /** Why it would be taken away, if the registry were believed; undefined: nothing is in doubt. */
  readonly doubt: Doubt | undefined;
  readonly doubtedSinceMs: number | undefined;
  /** Until when it is left alone, as it refused connections. */
  readonly refusedUntilMs: number | undefined;
  /** Until when it is ejected, as it answered server errors. */
  readonly ejectedUntilMs: number | undefined;
}

/** What an answer has changed of an instance. */
export interface EjectionChange {
  /** `ejected`: it gets no calls for a while. `back`: it gets its share again. `spared`: neither, though something else is in use than before. */
  readonly kind: 'ejected' | 'back' | 'spared';
  readonly tag: Tag | undefined;
  /** So long it gets none. */
  readonly forMs: number;
  /** Server errors in a row that it has answered. */
  readonly failures: number;
  /** Answers of the others of its lane, of which the older count less. */
  readonly others: { readonly good: number; readonly bad: number };
}

/** What the instances of a lane answer, all that get calls together. */
interface LaneAnswers {
  readonly tally: Tally;
  /** Good answers, ever. */
  goods: number;
  /** Server errors, ever. */
  bads: number;
  /** As of the last list. */
  instances: number;
}

interface Known {
  readonly address: string;
  /** The newest word; undefined: it is not listed. */
  said: Instance | undefined;
  source: TableOrigin;
  /** Of one that is no longer listed. Of the others, which are nearly all, no time is kept: each takes room of its own in the heap. */
  listedAtMs: number | undefined;
  saidTag: Tag | undefined;
  /** The list that it was in last. */
  list: number;
  /** The list before which it was in use, and could serve. */
  usedBefore: number;
  /** As it was last usable and believed. */
  believed: Instance;
  believedTag: Tag | undefined;
  doubt: Doubt | undefined;
  doubtedSinceMs: number | undefined;
  /** What calls have shown; undefined: nothing that matters, as of nearly all. */
  calls: Calls | undefined;
}

/** What calls of this process have shown of an instance. */
interface Calls {
  failedConnects: number;
  refusals: number;
  refusedUntilMs: number;
  /** Server errors in a row. */
  serverErrors: number;
  /** Its lane's good answers, as the first of those came. */
  goodsBefore: number;
  /** Its lane's server errors, as the first of those came. */
  badsBefore: number;
  ejections: number;
  ejectedAtMs: number;
  ejectedUntilMs: number;
  /** Its ejection is over, and it has answered nothing yet. */
  isProbed: boolean;
  /** When it came back for good. */
  recoveredAtMs: number;
  /** It was ejected, and that was said. */
  isSaidEjected: boolean;
  /** What it has answered, as long as its lane was watched. */
  readonly tally: Tally;
  /** The lane that has this in its own. */
  answersFor: LaneAnswers | undefined;
}

/** What is remembered of one service. */
export class InstanceMemory {
  readonly #holdMs: number;
  readonly #tagReader: () => InstanceTagReader;
  /** By which the tags were read that are remembered. */
  #readTag: InstanceTagReader;
  readonly #outlier: OutlierPolicy;
  readonly #known = new Map<string, Known>();
  /** As the last list has them: the next one has most of them at the same place, where nothing needs to be looked up. */
  #listed: readonly Known[] = [];
  readonly #doubted = new Set<Known>();
  /** Those of which calls have shown something. */
  readonly #called = new Set<Known>();
  readonly #answers = new Map<Tag | undefined, LaneAnswers>();
  /** Those that have failed, are ejected, or are probed: while there are any, all answers count. */
  readonly #suspects = new Set<Known>();
  /** Lists are counted, so that it is known who is not in the newest. */
  #list = 0;
  #toldAtMs = -Infinity;
  #troubleAtMs = -Infinity;
  #isReachable = true;

  /**
   * `holdMs`: so long a registry has to say that instances are gone until that is believed; 0: it is believed at once. `tagReader` gives the
   * reader of tags in force: another one where the lane groups, which may come after the instances, give the service other labels.
   */
  constructor(holdMs: number, tagReader: () => InstanceTagReader, outlier: OutlierPolicy = NO_OUTLIERS) {
    this.#holdMs = holdMs;
    this.#tagReader = tagReader;
    this.#readTag = tagReader();
    this.#outlier = outlier;
  }

  /** Takes a whole list. Of an address that is listed twice the later counts. */
  tell(list: readonly Instance[], source: TableOrigin, nowMs: number): void {
    inOneGo(this.tellInSteps(list, source, nowMs, NO_PAUSE));
  }

  /** As {@link tell}, a step at a time. Until it is through nothing else may be asked of this, or told it. */
  *tellInSteps(list: readonly Instance[], source: TableOrigin, nowMs: number, pace: Pace): Steps<void> {
    yield* this.followTagsInSteps(nowMs, pace);
    this.#expire(nowMs);
    const keepsBase = this.#keepsBase(nowMs);
    const saidBeforeMs = this.#toldAtMs;
    this.#toldAtMs = nowMs;
    this.#list++;
    const before: Known[] = [];
    const all = this.#all();
    for (let i = 0; i < all.length; i++) {
      const known = all[i] as Known;
      if (isUsable(formOf(known)) && isUsed(known, keepsBase, nowMs)) {
        known.usedBefore = this.#list;
        before.push(known);
      }
      if (pace.isDue()) yield;
    }
    const listed: Known[] = [];
    for (let i = 0; i < list.length; i++) {
      listed.push(this.#hear(list[i] as Instance, this.#listed[i], source, nowMs));
      // Hearing of one is several times the work of looking at one.
      if (pace.isDue(4)) yield;
    }
    this.#listed = listed;
    const lanesNow = new Set<Tag | undefined>();
    const heard = this.#all();
    for (let i = 0; i < heard.length; i++) {
      const known = heard[i] as Known;
      if (known.list === this.#list) {
        if (isUsable(known.said as Instance)) lanesNow.add(known.saidTag);
      } else if (known.said !== undefined) {
        known.said = undefined;
        known.listedAtMs = saidBeforeMs;
      }
      if (pace.isDue()) yield;
    }
    yield* this.#judge(before, heard, lanesNow, nowMs, pace);
    yield* this.#countLanes(pace);
  }

  /** The same list was told again. */
  heardAgain(nowMs: number): void {
    this.#toldAtMs = nowMs;
    this.#expire(nowMs, true);
  }

  /** Whether the registry would have told of an instance that came: it is not away, nor was a moment ago, and nothing that it says is doubted. */
  wouldTell(nowMs: number): boolean {
    return this.#isReachable && !this.#isSoonAfterTrouble(nowMs) && this.#doubted.size === 0;
  }

  #isSoonAfterTrouble(nowMs: number): boolean {
    return nowMs - this.#troubleAtMs < this.#holdMs;
  }

  /** The registry stopped answering, or answers again: for a while it may not know everybody. */
  trouble(isReachable: boolean, nowMs: number): void {
    // Nobody said anything meanwhile.
    if (isReachable && !this.#isReachable) for (const known of this.#doubted) known.doubtedSinceMs = nowMs;
    this.#isReachable = isReachable;
    this.#troubleAtMs = nowMs;
  }

  /** Reads the tags again if another reader is in force, as if it had been in force from the start. True if any tag changed. */
  followTags(nowMs: number): boolean {
    return inOneGo(this.followTagsInSteps(nowMs, NO_PAUSE));
  }

  /** As {@link followTags}, a step at a time. */
  *followTagsInSteps(nowMs: number, pace: Pace): Steps<boolean> {
    const readTag = this.#tagReader();
    if (readTag === this.#readTag) return false;
    this.#readTag = readTag;
    let isChanged = false;
    for (const known of this.#known.values()) {
      if (pace.isDue(4)) yield;
      // Between two steps yet another reader may have come into force, and have read all tags.
      const saidTag = known.said === undefined ? known.saidTag : this.#readTag(known.said.metadata);
      const believedTag = this.#readTag(known.believed.metadata);
      if (saidTag === known.saidTag && believedTag === known.believedTag) continue;
      const before = formTagOf(known);
      isChanged = true;
      known.saidTag = saidTag;
      known.believedTag = believedTag;
      // By its present labels it reports its tag.
      if (known.doubt === 'untagged' && lossOf(known) !== 'untagged') this.#believe(known);
      // Its answers as an instance of another lane mean nothing in this one.
      if (known.calls !== undefined && formTagOf(known) !== before) leaveLane(known.calls, nowMs);
    }
    if (isChanged) yield* this.#countLanes(pace);
    return isChanged;
  }

  /** An instance refused a connection. True where that changes what is in use. */
  refused(ip: string, port: number, nowMs: number): boolean {
    const known = this.#known.get(addressOf({ ip, port }));
    if (known === undefined) return false;
    const calls = this.#callsOf(known);
    if (calls.refusedUntilMs > nowMs) return false;
    // Of one that the registry doesn't list a single failure tells enough.
    if (++calls.failedConnects < this.#outlier.connect && known.doubt === undefined) return false;
    calls.refusedUntilMs = nowMs + Math.min(FIRST_REFUSAL_MS * 2 ** calls.refusals++, MAX_REFUSAL_MS);
    // It says itself that it is gone.
    if (known.doubt !== undefined) this.#believe(known);
    return true;
  }

  /** An instance took a connection. True where that changes what is in use. */
  answered(ip: string, port: number): boolean {
    const calls = this.#called.size === 0 ? undefined : this.#known.get(addressOf({ ip, port }))?.calls;
    if (calls === undefined) return false;
    calls.failedConnects = 0;
    if (calls.refusals === 0) return false;
    calls.refusals = 0;
    calls.refusedUntilMs = -Infinity;
    return true;
  }

  /** An instance answered a call. Gives what that changes, if anything. */
  responded(ip: string, port: number, isServerError: boolean, nowMs: number): EjectionChange | undefined {
    if (this.#outlier.serverErrors === 0 || (!isServerError && this.#suspects.size === 0)) return undefined;
    this.followTags(nowMs);
    const known = this.#known.get(addressOf({ ip, port }));
    if (known === undefined) return undefined;
    const calls = this.#callsOf(known);
    endEjection(calls, nowMs);
    const isEjected = calls.ejectedUntilMs > nowMs;
    // Late answers of one that gets no calls any more say nothing; one that is kept, as its lane has nobody else, has just proved itself.
    if (isEjected && (isServerError || this.#ejected(nowMs).has(known))) return undefined;
    const lane = this.#laneOf(known, calls, nowMs);
    if (isServerError) return this.#failed(known, calls, lane, nowMs);
    calls.tally.count(false, nowMs);
    lane.tally.count(false, nowMs);
    lane.goods++;
    if (!this.#suspects.delete(known)) return undefined;
    calls.serverErrors = 0;
    if (!isEjected && !calls.isProbed) return undefined;
    calls.isProbed = false;
    calls.ejectedUntilMs = -Infinity;
    calls.recoveredAtMs = nowMs;
    const kind = calls.isSaidEjected ? 'back' : 'spared';
    calls.isSaidEjected = false;
    return changeOf(kind, known, calls, lane, 0);
  }

  #failed(known: Known, calls: Calls, lane: LaneAnswers, nowMs: number): EjectionChange | undefined {
    // Nobody could take its calls, nor be compared with it.
    if (lane.instances < 2 && !calls.isProbed) return undefined;
    this.#suspects.add(known);
    calls.tally.count(true, nowMs);
    lane.tally.count(true, nowMs);
    const failures = ++calls.serverErrors;
    if (failures === 1) {
      calls.goodsBefore = lane.goods;
      calls.badsBefore = lane.bads;
    }
    lane.bads++;
    if (failures < failuresNeeded(calls.isProbed ? 1 : this.#outlier.serverErrors, othersThan(calls, lane))) return undefined;
    // What the others answered before it began to fail says nothing of what has broken since, and may have for all of them.
    if (!calls.isProbed && failures < failuresNeeded(this.#outlier.serverErrors, othersSince(calls, lane))) return undefined;
    // Who has been well for as long as it was away starts anew.
    if (!calls.isProbed && nowMs - calls.recoveredAtMs > ejectionMs(this.#outlier, calls.ejections)) calls.ejections = 0;
    calls.isProbed = false;
    calls.ejectedAtMs = nowMs;
    const forMs = ejectionMs(this.#outlier, calls.ejections++);
    calls.ejectedUntilMs = nowMs + forMs;
    const isOut = this.#ejected(nowMs).has(known);
    if (isOut) calls.isSaidEjected = true;
    const change = changeOf(isOut ? 'ejected' : 'spared', known, calls, lane, forMs);
    calls.serverErrors = 0;
    // Whoever is judged next is compared with those that get calls.
    leaveLane(calls, nowMs);
    return change;
  }

  #callsOf(known: Known): Calls {
    if (known.calls === undefined) {
      this.#called.add(known);
      known.calls = {
        failedConnects: 0,
        refusals: 0,
        refusedUntilMs: -Infinity,
        serverErrors: 0,
        goodsBefore: 0,
        badsBefore: 0,
        ejections: 0,
        ejectedAtMs: -Infinity,
        ejectedUntilMs: -Infinity,
        isProbed: false,
        recoveredAtMs: -Infinity,
        isSaidEjected: false,
        tally: new Tally(),
        answersFor: undefined,
      };
    }
    return known.calls;
  }

  /** Whether good answers could change anything: somebody has failed, is ejected, or is probed. */
  get hasSuspects(): boolean {
    return this.#suspects.size > 0;
  }

  #laneOf(known: Known, calls: Calls, nowMs: number): LaneAnswers {
    const tag = formTagOf(known);
    let lane = this.#answers.get(tag);
    if (lane === undefined) this.#answers.set(tag, (lane = noAnswers(0)));
    if (calls.answersFor !== lane) {
      leaveLane(calls, nowMs);
      calls.answersFor = lane;
      calls.goodsBefore = lane.goods;
      calls.badsBefore = lane.bads - calls.serverErrors;
    }
    calls.tally.fade(nowMs);
    lane.tally.fade(nowMs);
    return lane;
  }

  /** Counts the instances of each lane; lanes that are gone are forgotten. */
  *#countLanes(pace: Pace): Steps<void> {
    if (this.#outlier.serverErrors === 0) return;
    for (const lane of this.#answers.values()) lane.instances = 0;
    const all = this.#all();
    for (let i = 0; i < all.length; i++) {
      const tag = formTagOf(all[i] as Known);
      const lane = this.#answers.get(tag);
      if (lane === undefined) this.#answers.set(tag, noAnswers(1));
      else lane.instances++;
      if (pace.isDue()) yield;
    }
    for (const [tag, { instances }] of this.#answers) if (instances === 0) this.#answers.delete(tag);
  }

  /** Those that get no calls as they answered server errors. In each lane those first that were ejected first, up to the cap. */
  #ejected(nowMs: number): ReadonlySet<Known> {
    const ejected = new Set<Known>();
    const lanes = new Map<Tag | undefined, { alive: number; ejected: Known[] }>();
    for (const known of this.#called) if (isEjected(known, nowMs)) lanes.set(formTagOf(known), { alive: 0, ejected: [] });
    if (lanes.size === 0) return ejected;
    for (const known of this.#known.values()) {
      const lane = lanes.get(formTagOf(known));
      if (lane === undefined || isRefused(known, nowMs) || !isUsable(formOf(known))) continue;
      lane.alive++;
      if (isEjected(known, nowMs)) lane.ejected.push(known);
    }
    for (const lane of lanes.values()) {
      const longest = lane.ejected.sort((a, b) => (a.calls?.ejectedAtMs ?? 0) - (b.calls?.ejectedAtMs ?? 0));
      for (const known of longest.slice(0, Math.max(0, mostEjected(this.#outlier, lane.alive)))) ejected.add(known);
    }
    return ejected;
  }

  /** When what is in use changes by itself; undefined: it doesn't. */
  get dueMs(): number | undefined {
    let dueMs = Infinity;
    if (this.#isReachable) for (const known of this.#doubted) dueMs = Math.min(dueMs, this.#doubtEndsMs(known));
    for (const { calls } of this.#called) {
      const { refusedUntilMs, ejectedUntilMs } = calls as Calls;
      if (refusedUntilMs > -Infinity) dueMs = Math.min(dueMs, refusedUntilMs);
      if (ejectedUntilMs > -Infinity) dueMs = Math.min(dueMs, ejectedUntilMs);
    }
    return dueMs === Infinity ? undefined : dueMs;
  }

  /** The instances to use now. */
  instances(nowMs: number): readonly Instance[] {
    return inOneGo(this.instancesInSteps(nowMs, NO_PAUSE));
  }

  /** As {@link instances}, a step at a time. What calls show meanwhile may be in it or not. */
  *instancesInSteps(nowMs: number, pace: Pace): Steps<readonly Instance[]> {
    yield* this.followTagsInSteps(nowMs, pace);
    this.#expire(nowMs);
    const keepsBase = this.#keepsBase(nowMs);
    const ejected = this.#ejected(nowMs);
    const instances: Instance[] = [];
    const all = this.#all();
    for (let i = 0; i < all.length; i++) {
      const known = all[i] as Known;
      const form = formOf(known);
      if (ejected.has(known)) instances.push({ ...form, healthy: false, ejected: true });
      else if (isUsed(known, keepsBase, nowMs)) instances.push(known.calls?.isProbed === true ? { ...form, probed: true } : form);
      else if (known.said !== undefined) instances.push(form.healthy ? { ...form, healthy: false, refused: true } : form);
      if (pace.isDue()) yield;
    }
    return instances;
  }

  /** Base is what everybody falls back to: refusals never take all of it, so that callers are told by the connection itself. */
  #keepsBase(nowMs: number): boolean {
    for (const known of this.#known.values()) if (!isRefused(known, nowMs) && formTagOf(known) === undefined && isUsable(formOf(known))) return false;
    return true;
  }

  /** How many instances are in use against the last word. */
  get doubted(): number {
    return this.#doubted.size;
  }

  /** Whether what is in use is what was told last. */
  isAsTold(nowMs: number): boolean {
    if (this.#doubted.size > 0) return false;
    for (const known of this.#called) if (isRefused(known, nowMs) || isEjected(known, nowMs) || known.calls?.isProbed === true) return false;
    return true;
  }

  /** All that are remembered, in use or not. */
  describe(nowMs: number): RememberedInstance[] {
    this.followTags(nowMs);
    const ejected = this.#ejected(nowMs);
    return Array.from(this.#known, ([address, known]) => ({
      instance: known.said === undefined && isRefused(known, nowMs) ? undefined : formOf(known),
      address: address.replace(' ', ':'),
      source: known.source,
      listedAtMs: (known.said === undefined ? known.listedAtMs : undefined) ?? this.#toldAtMs,
      doubt: known.doubt,
      doubtedSinceMs: known.doubt === undefined ? undefined : known.doubtedSinceMs,
      refusedUntilMs: isRefused(known, nowMs) ? known.calls?.refusedUntilMs : undefined,
      ejectedUntilMs: ejected.has(known) ? known.calls?.ejectedUntilMs : undefined,
    }));
  }

  /**
   * All as a list. Loops over all instances count its indices: until they are compiled, each step of `for … of` is an object for the collector,
   * which doubles the garbage of a list.
   */
  #all(): readonly Known[] {
    return Array.from(this.#known.values());
  }

  /** `likely`: who it may be. */
  #hear(instance: Instance, likely: Known | undefined, source: TableOrigin, nowMs: number): Known {
    const tag = this.#readTag(instance.metadata);
    const isLikely = likely?.said?.port === instance.port && likely.said.ip === instance.ip;
    const address = isLikely ? likely.address : addressOf(instance);
    const known = isLikely ? likely : this.#known.get(address);
    if (known === undefined) {
      const first: Known = {
        address,
        said: instance,
        saidTag: tag,
        list: this.#list,
        usedBefore: 0,
        source,
        listedAtMs: undefined,
        believed: instance,
        believedTag: tag,
        doubt: undefined,
        doubtedSinceMs: undefined,
        calls: undefined,
      };
      this.#known.set(address, first);
      return first;
    }
    const { calls } = known;
    if (calls !== undefined) {
      // It has registered anew.
      if (known.said === undefined) calls.refusedUntilMs = -Infinity;
      // It is back after it was away: what answered server errors was another start of it.
      if ((known.said === undefined || !isUsable(known.said)) && isUsable(instance)) {
        calls.serverErrors = 0;
        calls.ejections = 0;
        calls.ejectedUntilMs = -Infinity;
        calls.isProbed = false;
        calls.isSaidEjected = false;
        this.#suspects.delete(known);
        leaveLane(calls, nowMs);
      }
    }
    known.said = instance;
    known.saidTag = tag;
    known.list = this.#list;
    known.source = source;
    return known;
  }

  /** Decides for each instance that was in use, as it was believed to be, whether what is now said of it is believed. */
  *#judge(before: readonly Known[], heard: readonly Known[], lanesNow: ReadonlySet<Tag | undefined>, nowMs: number, pace: Pace): Steps<void> {
    const lost: Array<{ readonly known: Known; readonly doubt: Doubt }> = [];
    let silent = 0;
    let newlySilent = 0;
    let hasOtherBase = false;
    for (let i = 0; i < before.length; i++) {
      const known = before[i] as Known;
      if (pace.isDue()) yield;
      const doubt = lossOf(known);
      if (doubt === undefined) {
        // Somebody who was base before is so still.
        if (known.believedTag === undefined && known.saidTag === undefined) hasOtherBase = true;
        this.#believe(known);
        continue;
      }
      lost.push({ known, doubt });
      if (doubt === 'disabled') continue;
      silent++;
      if (known.doubt === undefined) newlySilent++;
    }
    const isSoonAfterTrouble = this.#isSoonAfterTrouble(nowMs);
    // With those in doubt already: what is missing in one list and the next is as much as what is missing at once.
    const isMost = newlySilent >= 2 && silent * 2 > before.length;
    const isAnybodyThere = lanesNow.size > 0;
    // Tags are lost by mistake where all are, and somebody else is base: else it is a promotion.
    const areAllUntagged = lanesNow.size === 1 && lanesNow.has(undefined) && hasOtherBase;
    for (const { known, doubt } of lost) {
      if (pace.isDue()) yield;
      const isWholeLane = !lanesNow.has(known.believedTag);
      const isOver = known.doubt !== undefined && nowMs >= this.#doubtEndsMs(known);
      const isDoubted =
        this.#holdMs > 0 &&
        !isOver &&
        (doubt === 'disabled'
          ? !isAnybodyThere || known.doubt !== undefined
          : doubt === 'untagged'
            ? isWholeLane && areAllUntagged
            : known.doubt !== undefined || isSoonAfterTrouble || isMost || isWholeLane);
      if (isDoubted) {
        if (known.doubt === undefined) known.doubtedSinceMs = nowMs;
        known.doubt = doubt;
        this.#doubted.add(known);
      } else {
        this.#believe(known);
      }
    }
    for (let i = 0; i < heard.length; i++) {
      const known = heard[i] as Known;
      // Those that were not in use, and are new or were known to be away, are as they are said to be.
      if (known.said !== undefined && known.usedBefore !== this.#list) this.#believe(known);
      if (known.said === undefined && known.doubt === undefined) this.#forget(known, nowMs);
      if (pace.isDue()) yield;
    }
  }

  #believe(known: Known): void {
    if (known.doubt !== undefined) this.#doubted.delete(known);
    known.doubt = undefined;
    if (known.said === undefined) return;
    known.believed = known.said;
    known.believedTag = known.saidTag;
  }

  #forget(known: Known, nowMs: number): void {
    this.#known.delete(known.address);
    this.#doubted.delete(known);
    this.#called.delete(known);
    this.#suspects.delete(known);
    if (known.calls !== undefined) leaveLane(known.calls, nowMs);
  }

  #doubtEndsMs({ doubtedSinceMs = -Infinity }: Known): number {
    return Math.min(Math.max(doubtedSinceMs, this.#troubleAtMs) + this.#holdMs, doubtedSinceMs + MAX_HOLDS * this.#holdMs);
  }

  /** `isTold`: by a word of somebody who can reach the registry, if not of the one who tells of trouble with it. */
  #expire(nowMs: number, isTold = false): void {
    if (this.#isReachable || isTold)
      for (const known of this.#doubted) {
        if (nowMs < this.#doubtEndsMs(known)) continue;
        this.#believe(known);
        if (known.said === undefined) this.#forget(known, nowMs);
      }
    for (const known of this.#called) {
      const calls = known.calls as Calls;
      if (calls.refusedUntilMs <= nowMs) calls.refusedUntilMs = -Infinity;
      endEjection(calls, nowMs);
      // It refused a connection, and was believed to be gone.
      if (known.said === undefined && known.doubt === undefined) this.#forget(known, nowMs);
    }
  }
}

function isRefused({ calls }: Known, nowMs: number): boolean {
  return calls !== undefined && calls.refusedUntilMs > nowMs;
}

function isEjected({ calls }: Known, nowMs: number): boolean {
  return calls !== undefined && calls.ejectedUntilMs > nowMs;
}

function isUsed(known: Known, keepsBase: boolean, nowMs: number): boolean {
  return !isRefused(known, nowMs) || (keepsBase && formTagOf(known) === undefined);
}

function changeOf(kind: EjectionChange['kind'], known: Known, calls: Calls, lane: LaneAnswers, forMs: number): EjectionChange {
  return { kind, tag: formTagOf(known), forMs, failures: calls.serverErrors, others: othersThan(calls, lane) };
}

/** An ejection that is over begins the probation. */
function endEjection(calls: Calls, nowMs: number): void {
  if (calls.ejectedUntilMs === -Infinity || calls.ejectedUntilMs > nowMs) return;
  calls.ejectedUntilMs = -Infinity;
  calls.isProbed = true;
}

/** What an instance has answered counts for its lane no more. */
function leaveLane(calls: Calls, nowMs: number): void {
  calls.answersFor?.tally.subtract(calls.tally, nowMs);
  calls.answersFor = undefined;
  calls.tally.clear();
}

/** The answers of a lane of so many instances, as long as there are none. */
function noAnswers(instances: number): LaneAnswers {
  return { tally: new Tally(), goods: 0, bads: 0, instances };
}

function othersThan(calls: Calls, lane: LaneAnswers): EjectionChange['others'] {
  return { good: Math.max(0, lane.tally.good - calls.tally.good), bad: Math.max(0, lane.tally.bad - calls.tally.bad) };
}

/** The same since its server errors in a row began: it has answered nothing else meanwhile. */
function othersSince(calls: Calls, lane: LaneAnswers): EjectionChange['others'] {
  return { good: lane.goods - calls.goodsBefore, bad: Math.max(0, lane.bads - calls.badsBefore - calls.serverErrors) };
}

/** How an instance is used: as it was last believed, while what is said of it now is doubted. */
function formOf({ doubt, believed, said }: Known): Instance {
  return doubt === undefined ? (said ?? believed) : believed;
}

function formTagOf({ doubt, believedTag, said, saidTag }: Known): Tag | undefined {
  return doubt === undefined && said !== undefined ? saidTag : believedTag;
}

/** What would take an instance in use away; undefined: nothing does. */
function lossOf(known: Known): Doubt | undefined {
  const { said, saidTag } = known;
  if (said === undefined) return 'absent';
  if (!said.enabled || !(said.weight > 0)) return 'disabled';
  if (!said.healthy) return 'unhealthy';
  return known.believedTag !== undefined && saidTag === undefined ? 'untagged' : undefined;
}
