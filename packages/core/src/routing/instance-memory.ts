/**
 * What is remembered of one service's instances, so that a registry that forgets takes no live instance away.
 *
 * A registry restarts, loses beats, or answers by mistake; the instances live on. So whatever a list takes away is looked at first:
 *
 * - **Silence about many is doubted.** A lane (or base) that vanishes as a whole, or most of the service at once, or anything soon after
 *   trouble with the registry: such instances stay in use as they were last known.
 * - **Silence about one is believed**: it deregistered, or crashed, and others of its lane are there. So is the last of a lane whose others
 *   left one by one just before: that is a scale-down.
 * - **A word about an instance is believed**: disabled, weight 0, another tag; unless it is said of all of them, or of a whole lane that all
 *   at once has no tag.
 * - **Doubt ends** when the instance is listed again, when the registry has said the same for the hold, or when the instance refuses
 *   connections.
 *
 * What an error costs: an instance that is gone and kept costs one refused connection, as the call then goes elsewhere; one that lives
 * and was taken out on purpose gets its requests for the hold more. Push-empty protection of Nacos' Java client (since 2.1) is the
 * first of these rules, for whole services only: `NamingPushRequestHandler`, `ServiceInfoHolder.isEmptyOrErrorPush`.
 *
 * Time is a parameter: milliseconds of any clock that doesn't go back.
 */
import { isUsable } from './lane-index.js';
import type { Instance } from './instance.js';
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
}

interface Known {
  /** The newest word; undefined: it is not listed. */
  said: Instance | undefined;
  source: TableOrigin;
  listedAtMs: number;
  /** As it was last usable and believed. */
  believed: Instance;
  doubt: Doubt | undefined;
  doubtedSinceMs: number;
  refusals: number;
  refusedUntilMs: number;
}

/** What is remembered of one service. */
export class InstanceMemory {
  readonly #holdMs: number;
  readonly #tagOf: (instance: Instance) => Tag | undefined;
  readonly #known = new Map<string, Known>();
  /** By lane: when one of its instances left that was believed to. */
  readonly #departedAtMs = new Map<Tag | undefined, number>();
  #toldAtMs = -Infinity;
  #troubleAtMs = -Infinity;
  #isReachable = true;

  /** `holdMs`: so long a registry has to say that instances are gone until that is believed. */
  constructor(holdMs: number, tagOf: (instance: Instance) => Tag | undefined) {
    this.#holdMs = holdMs;
    this.#tagOf = tagOf;
  }

  /** Takes a whole list, and gives the instances to use. Of an address that is listed twice the later counts. */
  tell(list: readonly Instance[], source: TableOrigin, nowMs: number): readonly Instance[] {
    this.#expire(nowMs);
    const before = this.#inUse(nowMs);
    const listed = new Map(list.map((instance) => [addressOf(instance), instance]));
    for (const [address, known] of this.#known) {
      if (known.said === undefined || listed.has(address)) continue;
      known.listedAtMs = this.#toldAtMs;
      known.said = undefined;
    }
    this.heardAgain(nowMs);
    for (const [address, instance] of listed) this.#hear(address, instance, source, nowMs);
    this.#judge(before, [...listed.values()], nowMs);
    return this.instances(nowMs);
  }

  /** The same list was told again. */
  heardAgain(nowMs: number): void {
    this.#toldAtMs = nowMs;
    // Somebody answers, even if another way to the registry is closed.
    if (!this.#isReachable) this.trouble(true, nowMs);
  }

  /** The registry stopped answering, or answers again: for a while it may not know everybody. */
  trouble(isReachable: boolean, nowMs: number): void {
    this.#isReachable = isReachable;
    this.#troubleAtMs = nowMs;
  }

  /** An instance refused a connection. True where that changes what is in use. */
  refused(ip: string, port: number, nowMs: number): boolean {
    const known = this.#known.get(`${ip} ${port}`);
    if (known === undefined || known.refusedUntilMs > nowMs) return false;
    known.refusedUntilMs = nowMs + Math.min(FIRST_REFUSAL_MS * 2 ** known.refusals++, MAX_REFUSAL_MS);
    return true;
  }

  /** An instance took a connection. True where that changes what is in use. */
  answered(ip: string, port: number): boolean {
    const known = this.#known.get(`${ip} ${port}`);
    if (known === undefined || known.refusals === 0) return false;
    known.refusals = 0;
    known.refusedUntilMs = -Infinity;
    return true;
  }

  /** When what is in use changes by itself; undefined: it doesn't. */
  get dueMs(): number | undefined {
    let dueMs = Infinity;
    for (const { doubt, doubtedSinceMs, refusedUntilMs } of this.#known.values()) {
      if (doubt !== undefined && this.#isReachable) dueMs = Math.min(dueMs, this.#doubtEndsMs(doubtedSinceMs));
      if (refusedUntilMs > -Infinity) dueMs = Math.min(dueMs, refusedUntilMs);
    }
    return dueMs === Infinity ? undefined : dueMs;
  }

  /** The instances to use now. */
  instances(nowMs: number): readonly Instance[] {
    this.#expire(nowMs);
    const all = [...this.#known.values()];
    const isRefused = (known: Known): boolean => known.refusedUntilMs > nowMs;
    const isBase = (known: Known): boolean => this.#tagOf(formOf(known)) === undefined;
    // Base is what everybody falls back to: refusals never take all of it, so that callers are told by the connection itself.
    const keepsBase = !all.some((known) => isBase(known) && !isRefused(known) && isUsable(formOf(known)));
    const instances: Instance[] = [];
    for (const known of all) {
      const form = formOf(known);
      if (!isRefused(known) || (keepsBase && isBase(known))) instances.push(form);
      else if (known.said !== undefined) instances.push(form.healthy ? { ...form, healthy: false } : form);
    }
    return instances;
  }

  /** How many instances are in use against the last word. */
  get doubted(): number {
    let count = 0;
    for (const { doubt } of this.#known.values()) if (doubt !== undefined) count++;
    return count;
  }

  /** Whether what is in use is what was told last. */
  isAsTold(nowMs: number): boolean {
    for (const { doubt, refusedUntilMs } of this.#known.values()) if (doubt !== undefined || refusedUntilMs > nowMs) return false;
    return true;
  }

  /** All that are remembered, in use or not. */
  describe(nowMs: number): RememberedInstance[] {
    return Array.from(this.#known, ([address, known]) => ({
      instance: known.said === undefined && known.refusedUntilMs > nowMs ? undefined : formOf(known),
      address: address.replace(' ', ':'),
      source: known.source,
      listedAtMs: known.said === undefined ? known.listedAtMs : this.#toldAtMs,
      doubt: known.doubt,
      doubtedSinceMs: known.doubt === undefined ? undefined : known.doubtedSinceMs,
      refusedUntilMs: known.refusedUntilMs > nowMs ? known.refusedUntilMs : undefined,
    }));
  }

  #hear(address: string, instance: Instance, source: TableOrigin, nowMs: number): void {
    const known = this.#known.get(address);
    if (known === undefined) {
      this.#known.set(address, {
        said: instance,
        source,
        listedAtMs: nowMs,
        believed: instance,
        doubt: undefined,
        doubtedSinceMs: nowMs,
        refusals: 0,
        refusedUntilMs: -Infinity,
      });
      return;
    }
    // It has registered anew.
    if (known.said === undefined) known.refusedUntilMs = -Infinity;
    known.said = instance;
    known.source = source;
  }

  /** Decides for each instance in use whether what is now said of it is believed. `before`: by address, as they were in use. */
  #judge(before: ReadonlyMap<string, Instance>, list: readonly Instance[], nowMs: number): void {
    const usableNow = list.filter(isUsable);
    const lanesNow = new Set(usableNow.map((instance) => this.#tagOf(instance)));
    const lost: Array<{ known: Known; tag: Tag | undefined; doubt: Doubt }> = [];
    let silent = 0;
    for (const [address, instance] of before) {
      const known = this.#known.get(address) as Known;
      const tag = this.#tagOf(instance);
      const doubt = this.#lossOf(known, tag);
      if (doubt === undefined) {
        known.doubt = undefined;
        known.believed = known.said as Instance;
        continue;
      }
      lost.push({ known, tag, doubt });
      if (doubt !== 'disabled' && known.doubt === undefined) silent++;
    }
    const isSoonAfterTrouble = nowMs - this.#troubleAtMs < this.#holdMs;
    const isMost = silent >= 2 && silent * 2 > before.size;
    const isAnybodyThere = usableNow.length > 0;
    // Tags are lost by mistake where all are, and somebody else is base: else it is a promotion.
    const areAllUntagged = lanesNow.size === 1 && lanesNow.has(undefined) && this.#hasOtherBase(before, usableNow);
    for (const { known, tag, doubt } of lost) {
      const isWholeLane = !lanesNow.has(tag);
      const isDoubted =
        doubt === 'disabled'
          ? !isAnybodyThere || known.doubt !== undefined
          : doubt === 'untagged'
            ? isWholeLane && areAllUntagged
            : known.doubt !== undefined || isSoonAfterTrouble || isMost || (isWholeLane && !(silent === 1 && this.#isScalingDown(tag, nowMs)));
      if (isDoubted) {
        if (known.doubt === undefined) known.doubtedSinceMs = nowMs;
        known.doubt = doubt;
      } else {
        if (doubt === 'absent') this.#departedAtMs.set(tag, nowMs);
        believe(known);
      }
    }
    // Those that were not in use, and are new or were known to be away, are as they are said to be.
    for (const [address, known] of this.#known) {
      if (!before.has(address) && known.said !== undefined) believe(known);
      if (known.said === undefined && known.doubt === undefined) this.#known.delete(address);
    }
  }

  /** What would take an instance in use away; undefined: nothing does. */
  #lossOf({ said }: Known, tag: Tag | undefined): Doubt | undefined {
    if (said === undefined) return 'absent';
    if (!said.enabled || !(said.weight > 0)) return 'disabled';
    if (!said.healthy) return 'unhealthy';
    return tag !== undefined && this.#tagOf(said) === undefined ? 'untagged' : undefined;
  }

  /** Whether somebody who was base before is so still. */
  #hasOtherBase(before: ReadonlyMap<string, Instance>, usableNow: readonly Instance[]): boolean {
    return usableNow.some((instance) => {
      const earlier = before.get(addressOf(instance));
      return earlier !== undefined && this.#tagOf(earlier) === undefined;
    });
  }

  #isScalingDown(tag: Tag | undefined, nowMs: number): boolean {
    return nowMs - (this.#departedAtMs.get(tag) ?? -Infinity) < this.#holdMs;
  }

  /** The usable instances in use, by address. */
  #inUse(nowMs: number): Map<string, Instance> {
    return new Map(
      this.instances(nowMs)
        .filter(isUsable)
        .map((instance) => [addressOf(instance), instance]),
    );
  }

  #doubtEndsMs(sinceMs: number): number {
    return Math.min(Math.max(sinceMs, this.#troubleAtMs) + this.#holdMs, sinceMs + MAX_HOLDS * this.#holdMs);
  }

  #expire(nowMs: number): void {
    for (const [address, known] of this.#known) {
      if (known.doubt !== undefined && this.#isReachable && nowMs >= this.#doubtEndsMs(known.doubtedSinceMs)) believe(known);
      if (known.refusedUntilMs <= nowMs) known.refusedUntilMs = -Infinity;
      if (known.said === undefined && known.doubt === undefined) this.#known.delete(address);
    }
  }
}

function believe(known: Known): void {
  known.doubt = undefined;
  if (known.said !== undefined) known.believed = known.said;
}

/** How an instance is used: as it was last believed, while what is said of it now is doubted. */
function formOf({ doubt, believed, said }: Known): Instance {
  return doubt === undefined ? (said ?? believed) : believed;
}

/** The key of an instance. */
function addressOf({ ip, port }: Instance): string {
  return `${ip} ${port}`;
}
