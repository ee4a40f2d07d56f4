/**
 * What is remembered of one service's instances, so that a registry that forgets takes no live instance away.
 *
 * A registry restarts, loses beats, or answers by mistake; the instances live on. So whatever a list takes away is looked at first:
 *
 * - **Silence about many is doubted.** A lane (or base) that vanishes as a whole, or most of the service at once, or anything soon after
 *   trouble with the registry: such instances stay in use as they were last known.
 * - **Silence about one is believed**: it deregistered, or crashed, and others of its lane are there.
 * - **A word about an instance is believed**: disabled, weight 0, another tag; unless it is said of all of them, or of a whole lane that all
 *   at once has no tag.
 * - **Doubt ends** when the instance is listed again, when the registry has said the same for the hold, or when the instance refuses
 *   connections.
 *
 * An instance that answers server errors again and again is ejected (outlier.ts): it lives, so others of its lane take its calls, and never
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
import { ejectionMs, mostEjected, NO_OUTLIERS, type OutlierPolicy } from './outlier.js';
import type { Tag } from '../names/tag.js';

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

interface Known {
  /** The newest word; undefined: it is not listed. */
  said: Instance | undefined;
  source: TableOrigin;
  listedAtMs: number;
  saidTag: Tag | undefined;
  /** The list that it was in last. */
  list: number;
  /** As it was last usable and believed. */
  believed: Instance;
  believedTag: Tag | undefined;
  doubt: Doubt | undefined;
  doubtedSinceMs: number;
  failedConnects: number;
  refusals: number;
  refusedUntilMs: number;
  /** Server errors in a row. */
  serverErrors: number;
  ejections: number;
  ejectedAtMs: number;
  ejectedUntilMs: number;
  /** Its ejection is over, and it has answered nothing yet. */
  isProbed: boolean;
  /** When it came back for good. */
  recoveredAtMs: number;
}

/** What is remembered of one service. */
export class InstanceMemory {
  readonly #holdMs: number;
  readonly #tagOf: (instance: Instance) => Tag | undefined;
  readonly #outlier: OutlierPolicy;
  readonly #known = new Map<string, Known>();
  /** Lists are counted, so that it is known who is not in the newest. */
  #list = 0;
  #toldAtMs = -Infinity;
  #troubleAtMs = -Infinity;
  #isReachable = true;

  /** `holdMs`: so long a registry has to say that instances are gone until that is believed; 0: it is believed at once. */
  constructor(holdMs: number, tagOf: (instance: Instance) => Tag | undefined, outlier: OutlierPolicy = NO_OUTLIERS) {
    this.#holdMs = holdMs;
    this.#tagOf = tagOf;
    this.#outlier = outlier;
  }

  /** Takes a whole list. Of an address that is listed twice the later counts. */
  tell(list: readonly Instance[], source: TableOrigin, nowMs: number): void {
    this.#expire(nowMs);
    const keepsBase = this.#keepsBase(nowMs);
    const before: Known[] = [];
    for (const known of this.#known.values()) if (isUsable(formOf(known)) && this.#isUsed(known, keepsBase, nowMs)) before.push(known);
    const saidBeforeMs = this.#toldAtMs;
    this.#toldAtMs = nowMs;
    this.#list++;
    for (const instance of list) this.#hear(instance, source, nowMs);
    const lanesNow = new Set<Tag | undefined>();
    for (const known of this.#known.values()) {
      if (known.list === this.#list) {
        if (isUsable(known.said as Instance)) lanesNow.add(known.saidTag);
      } else if (known.said !== undefined) {
        known.said = undefined;
        known.listedAtMs = saidBeforeMs;
      }
    }
    this.#judge(before, lanesNow, nowMs);
  }

  /** The same list was told again. */
  heardAgain(nowMs: number): void {
    this.#toldAtMs = nowMs;
    this.#expire(nowMs, true);
  }

  /** The registry stopped answering, or answers again: for a while it may not know everybody. */
  trouble(isReachable: boolean, nowMs: number): void {
    // Nobody said anything meanwhile.
    if (isReachable && !this.#isReachable) for (const known of this.#known.values()) known.doubtedSinceMs = nowMs;
    this.#isReachable = isReachable;
    this.#troubleAtMs = nowMs;
  }

  /** An instance refused a connection. True where that changes what is in use. */
  refused(ip: string, port: number, nowMs: number): boolean {
    const known = this.#known.get(`${ip} ${port}`);
    if (known === undefined || known.refusedUntilMs > nowMs) return false;
    // Of one that the registry doesn't list a single failure tells enough.
    if (++known.failedConnects < this.#outlier.connect && known.doubt === undefined) return false;
    known.refusedUntilMs = nowMs + Math.min(FIRST_REFUSAL_MS * 2 ** known.refusals++, MAX_REFUSAL_MS);
    // It says itself that it is gone.
    if (known.doubt !== undefined) believe(known);
    return true;
  }

  /** An instance took a connection. True where that changes what is in use. */
  answered(ip: string, port: number): boolean {
    const known = this.#known.get(`${ip} ${port}`);
    if (known === undefined) return false;
    known.failedConnects = 0;
    if (known.refusals === 0) return false;
    known.refusals = 0;
    known.refusedUntilMs = -Infinity;
    return true;
  }

  /** An instance answered a call. True where that changes what is in use. */
  responded(ip: string, port: number, isServerError: boolean, nowMs: number): boolean {
    const known = this.#known.get(`${ip} ${port}`);
    if (known === undefined || this.#outlier.serverErrors === 0) return false;
    this.#expire(nowMs);
    const isEjected = known.ejectedUntilMs > nowMs;
    if (!isServerError) {
      known.serverErrors = 0;
      if (!isEjected && !known.isProbed) return false;
      // Late answers of one that gets no calls any more say nothing; one that is kept, as its lane has nobody else, has just proved itself.
      if (isEjected && this.#ejected(nowMs).has(known)) return false;
      known.isProbed = false;
      known.ejectedUntilMs = -Infinity;
      known.recoveredAtMs = nowMs;
      return true;
    }
    if (isEjected) return false;
    if (++known.serverErrors < this.#outlier.serverErrors && !known.isProbed) return false;
    // Who has been well for as long as it was away starts anew.
    if (!known.isProbed && nowMs - known.recoveredAtMs > ejectionMs(this.#outlier, known.ejections)) known.ejections = 0;
    known.serverErrors = 0;
    known.isProbed = false;
    known.ejectedAtMs = nowMs;
    known.ejectedUntilMs = nowMs + ejectionMs(this.#outlier, known.ejections++);
    return true;
  }

  /** Whether the next good answer of an instance could change anything: it has failed, is ejected, or is probed. */
  awaitsAnswer(ip: string, port: number): boolean {
    const known = this.#known.get(`${ip} ${port}`);
    return known !== undefined && (known.serverErrors > 0 || known.ejectedUntilMs > -Infinity || known.isProbed);
  }

  /** Those that get no calls as they answered server errors. In each lane those first that were ejected first, up to the cap. */
  #ejected(nowMs: number): ReadonlySet<Known> {
    const ejected = new Set<Known>();
    const lanes = new Map<Tag | undefined, { alive: number; ejected: Known[] }>();
    for (const known of this.#known.values()) if (known.ejectedUntilMs > nowMs) lanes.set(formTagOf(known), { alive: 0, ejected: [] });
    if (lanes.size === 0) return ejected;
    for (const known of this.#known.values()) {
      const lane = lanes.get(formTagOf(known));
      if (lane === undefined || known.refusedUntilMs > nowMs || !isUsable(formOf(known))) continue;
      lane.alive++;
      if (known.ejectedUntilMs > nowMs) lane.ejected.push(known);
    }
    for (const lane of lanes.values()) {
      const longest = lane.ejected.sort((a, b) => a.ejectedAtMs - b.ejectedAtMs);
      for (const known of longest.slice(0, Math.max(0, mostEjected(this.#outlier, lane.alive)))) ejected.add(known);
    }
    return ejected;
  }

  /** When what is in use changes by itself; undefined: it doesn't. */
  get dueMs(): number | undefined {
    let dueMs = Infinity;
    for (const { doubt, doubtedSinceMs, refusedUntilMs, ejectedUntilMs } of this.#known.values()) {
      if (doubt !== undefined && this.#isReachable) dueMs = Math.min(dueMs, this.#doubtEndsMs(doubtedSinceMs));
      if (refusedUntilMs > -Infinity) dueMs = Math.min(dueMs, refusedUntilMs);
      if (ejectedUntilMs > -Infinity) dueMs = Math.min(dueMs, ejectedUntilMs);
    }
    return dueMs === Infinity ? undefined : dueMs;
  }

  /** The instances to use now. */
  instances(nowMs: number): readonly Instance[] {
    this.#expire(nowMs);
    const keepsBase = this.#keepsBase(nowMs);
    const ejected = this.#ejected(nowMs);
    const instances: Instance[] = [];
    for (const known of this.#known.values()) {
      const form = formOf(known);
      if (ejected.has(known)) instances.push({ ...form, healthy: false, ejected: true });
      else if (this.#isUsed(known, keepsBase, nowMs)) instances.push(known.isProbed ? { ...form, probed: true } : form);
      else if (known.said !== undefined) instances.push(form.healthy ? { ...form, healthy: false, refused: true } : form);
    }
    return instances;
  }

  #isUsed(known: Known, keepsBase: boolean, nowMs: number): boolean {
    return known.refusedUntilMs <= nowMs || (keepsBase && formTagOf(known) === undefined);
  }

  /** Base is what everybody falls back to: refusals never take all of it, so that callers are told by the connection itself. */
  #keepsBase(nowMs: number): boolean {
    for (const known of this.#known.values())
      if (known.refusedUntilMs <= nowMs && formTagOf(known) === undefined && isUsable(formOf(known))) return false;
    return true;
  }

  /** How many instances are in use against the last word. */
  get doubted(): number {
    let count = 0;
    for (const { doubt } of this.#known.values()) if (doubt !== undefined) count++;
    return count;
  }

  /** Whether what is in use is what was told last. */
  isAsTold(nowMs: number): boolean {
    for (const { doubt, refusedUntilMs, ejectedUntilMs, isProbed } of this.#known.values())
      if (doubt !== undefined || refusedUntilMs > nowMs || ejectedUntilMs > nowMs || isProbed) return false;
    return true;
  }

  /** All that are remembered, in use or not. */
  describe(nowMs: number): RememberedInstance[] {
    const ejected = this.#ejected(nowMs);
    return Array.from(this.#known, ([address, known]) => ({
      instance: known.said === undefined && known.refusedUntilMs > nowMs ? undefined : formOf(known),
      address: address.replace(' ', ':'),
      source: known.source,
      listedAtMs: known.said === undefined ? known.listedAtMs : this.#toldAtMs,
      doubt: known.doubt,
      doubtedSinceMs: known.doubt === undefined ? undefined : known.doubtedSinceMs,
      refusedUntilMs: known.refusedUntilMs > nowMs ? known.refusedUntilMs : undefined,
      ejectedUntilMs: ejected.has(known) ? known.ejectedUntilMs : undefined,
    }));
  }

  #hear(instance: Instance, source: TableOrigin, nowMs: number): void {
    const address = addressOf(instance);
    const tag = this.#tagOf(instance);
    const known = this.#known.get(address);
    if (known === undefined) {
      this.#known.set(address, {
        said: instance,
        saidTag: tag,
        list: this.#list,
        source,
        listedAtMs: nowMs,
        believed: instance,
        believedTag: tag,
        doubt: undefined,
        doubtedSinceMs: nowMs,
        failedConnects: 0,
        refusals: 0,
        refusedUntilMs: -Infinity,
        serverErrors: 0,
        ejections: 0,
        ejectedAtMs: -Infinity,
        ejectedUntilMs: -Infinity,
        isProbed: false,
        recoveredAtMs: -Infinity,
      });
      return;
    }
    // It has registered anew.
    if (known.said === undefined) known.refusedUntilMs = -Infinity;
    // It is back after it was away: what answered server errors was another start of it.
    if ((known.said === undefined || !isUsable(known.said)) && isUsable(instance)) {
      known.serverErrors = 0;
      known.ejections = 0;
      known.ejectedUntilMs = -Infinity;
      known.isProbed = false;
    }
    known.said = instance;
    known.saidTag = tag;
    known.list = this.#list;
    known.source = source;
  }

  /** Decides for each instance that was in use, as it was believed to be, whether what is now said of it is believed. */
  #judge(before: readonly Known[], lanesNow: ReadonlySet<Tag | undefined>, nowMs: number): void {
    const lost: Array<{ readonly known: Known; readonly doubt: Doubt }> = [];
    let silent = 0;
    let hasOtherBase = false;
    for (const known of before) {
      const doubt = lossOf(known);
      if (doubt === undefined) {
        // Somebody who was base before is so still.
        if (known.believedTag === undefined && known.saidTag === undefined) hasOtherBase = true;
        believe(known);
        continue;
      }
      lost.push({ known, doubt });
      if (doubt !== 'disabled' && known.doubt === undefined) silent++;
    }
    const isSoonAfterTrouble = nowMs - this.#troubleAtMs < this.#holdMs;
    const isMost = silent >= 2 && silent * 2 > before.length;
    const isAnybodyThere = lanesNow.size > 0;
    // Tags are lost by mistake where all are, and somebody else is base: else it is a promotion.
    const areAllUntagged = lanesNow.size === 1 && lanesNow.has(undefined) && hasOtherBase;
    for (const { known, doubt } of lost) {
      const isWholeLane = !lanesNow.has(known.believedTag);
      const isOver = known.doubt !== undefined && nowMs >= this.#doubtEndsMs(known.doubtedSinceMs);
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
      } else {
        believe(known);
      }
    }
    const judged = new Set(before);
    for (const [address, known] of this.#known) {
      // Those that were not in use, and are new or were known to be away, are as they are said to be.
      if (known.said !== undefined && !judged.has(known)) believe(known);
      if (known.said === undefined && known.doubt === undefined) this.#known.delete(address);
    }
  }

  #doubtEndsMs(sinceMs: number): number {
    return Math.min(Math.max(sinceMs, this.#troubleAtMs) + this.#holdMs, sinceMs + MAX_HOLDS * this.#holdMs);
  }

  /** `isTold`: by a word of somebody who can reach the registry, if not of the one who tells of trouble with it. */
  #expire(nowMs: number, isTold = false): void {
    for (const [address, known] of this.#known) {
      if (known.doubt !== undefined && (this.#isReachable || isTold) && nowMs >= this.#doubtEndsMs(known.doubtedSinceMs)) believe(known);
      if (known.refusedUntilMs <= nowMs) known.refusedUntilMs = -Infinity;
      if (known.ejectedUntilMs > -Infinity && known.ejectedUntilMs <= nowMs) {
        known.ejectedUntilMs = -Infinity;
        known.isProbed = true;
      }
      if (known.said === undefined && known.doubt === undefined) this.#known.delete(address);
    }
  }
}

function believe(known: Known): void {
  known.doubt = undefined;
  if (known.said === undefined) return;
  known.believed = known.said;
  known.believedTag = known.saidTag;
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

/** The key of an instance. */
function addressOf({ ip, port }: Instance): string {
  return `${ip} ${port}`;
}
