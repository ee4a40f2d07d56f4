import type { Instance } from './instance.js';
import { inOneGo, NO_PAUSE, type Pace, type Steps } from './steps.js';
import type { Tag } from '../names/tag.js';

/** What serves a tagged request where the lane has no instance: the base (`base`) or nothing (`none`). */
export type Fallback = 'base' | 'none';

/** Which instances are base: those without a tag, or also those whose lane is not enabled. */
export type BaseMode = 'untagged' | 'outside-enabled-lanes';

/**
 * Why a request may use just these instances. A closed set, spoken of by `explain`, metrics, spans and tests:
 * - `base`: an untagged request, served by base instances
 * - `in-lane`: a tagged request, served by its lane
 * - `fell-back-to-base`: a tagged request whose lane has no usable instance here
 * - `lane-not-here`: lane groups are known and none that has this service has an enabled lane of this tag; base serves
 * - `none`: nothing may serve it
 */
export type Reason = 'base' | 'in-lane' | 'fell-back-to-base' | 'lane-not-here' | 'none';

/** The instances a request may use, and why; prebuilt and shared, so never changed. */
export interface Decision {
  readonly reason: Reason;
  readonly instances: readonly Instance[];
  /** Where `reason` is `none`: what was looked for. */
  readonly tag: Tag | undefined;
  readonly chances: Chances;
}

/** What the lane groups say about one service and tag. */
export type LanePolicy = { readonly use: 'lane'; readonly fallback: Fallback } | { readonly use: 'base' };

/** What building an index needs to know beyond the instances. */
export interface IndexRules {
  /** The tag of an instance, or undefined for base. */
  readonly tagOf: (instance: Instance) => Tag | undefined;
  /** What holds for this service and a tag. */
  readonly policyOf: (tag: Tag) => LanePolicy;
  /** Whether the lane groups name an enabled lane of this tag with this service; matters for `outside-enabled-lanes`. */
  readonly isEnabledLane: (tag: Tag) => boolean;
  readonly baseMode: BaseMode;
  /** The share of its weight that an instance has now, above 0 and up to 1; absent: each has all of it. */
  readonly shareOf?: ((instance: Instance) => number) | undefined;
}

/** Everything that requests to one service need: built when the registry pushes or the lane groups change. */
export interface LaneIndex {
  /** The tag of every instance that has one, whether usable or not. */
  readonly tags: ReadonlyMap<Instance, Tag>;
  readonly untagged: Decision;
  readonly byTag: ReadonlyMap<Tag, Decision>;
  readonly rules: IndexRules;
}

/** A table for weighted choice in constant time (the alias method: A. J. Walker 1974, M. D. Vose 1991). */
export interface Chances {
  readonly probability: Float64Array;
  readonly alias: Uint32Array;
}

const NO_CHANCES: Chances = { probability: new Float64Array(0), alias: new Uint32Array(0) };

/** Whether an instance can serve at all: healthy, enabled and of weight above 0. */
export function isUsable(instance: Instance): boolean {
  return instance.healthy && instance.enabled && instance.weight > 0;
}

/** Builds the index of one service. Costs time in proportion to the instances; requests then cost one look-up. */
export function buildLaneIndex(instances: readonly Instance[], rules: IndexRules): LaneIndex {
  return inOneGo(laneIndexInSteps(instances, rules, NO_PAUSE));
}

/** As {@link buildLaneIndex}, a step at a time. */
export function* laneIndexInSteps(instances: readonly Instance[], rules: IndexRules, pace: Pace): Steps<LaneIndex> {
  const tags = new Map<Instance, Tag>();
  const lanes = new Map<Tag, Instance[]>();
  const refused = new Map<Tag, Instance[]>();
  const base: Instance[] = [];
  // Counts indices, as all loops over all instances: until they are compiled, each step of `for … of` is an object for the collector.
  for (let i = 0; i < instances.length; i++) {
    const instance = instances[i] as Instance;
    if (pace.isDue(4)) yield;
    const tag = rules.tagOf(instance);
    if (tag !== undefined) tags.set(instance, tag);
    const usable = isUsable(instance);
    const isBase = tag === undefined || (rules.baseMode === 'outside-enabled-lanes' && !rules.isEnabledLane(tag));
    if (usable && isBase) base.push(instance);
    if (tag === undefined) continue;
    let lane = lanes.get(tag);
    if (lane === undefined) lanes.set(tag, (lane = []));
    if (usable) lane.push(instance);
    else if (instance.refused === true && instance.enabled && instance.weight > 0) {
      const others = refused.get(tag);
      if (others === undefined) refused.set(tag, [instance]);
      else others.push(instance);
    }
  }
  const baseChances = yield* chancesInSteps(base, rules.shareOf, pace);
  const untagged = decide(base.length === 0 ? 'none' : 'base', base, undefined, baseChances);
  const byTag = new Map<Tag, Decision>();
  for (const [tag, lane] of lanes) byTag.set(tag, yield* tagInSteps(tag, lane, untagged, rules, refused.get(tag), pace));
  return { tags, untagged, byTag, rules };
}

/** `refused`: of the lane, those that refused connections. Where nothing else may serve, the connection itself tells the caller. */
function* tagInSteps(
  tag: Tag,
  lane: readonly Instance[],
  untagged: Decision,
  rules: IndexRules,
  refused: readonly Instance[] | undefined,
  pace: Pace,
): Steps<Decision> {
  const policy = rules.policyOf(tag);
  if (policy.use === 'base') {
    return untagged.instances.length === 0 ? decide('none', [], tag, NO_CHANCES) : decide('lane-not-here', untagged.instances, tag, untagged.chances);
  }
  if (lane.length > 0) return decide('in-lane', lane, tag, yield* chancesInSteps(lane, rules.shareOf, pace));
  if (policy.fallback === 'none' || untagged.instances.length === 0) {
    return refused === undefined
      ? decide('none', [], tag, NO_CHANCES)
      : decide('in-lane', refused, tag, yield* chancesInSteps(refused, rules.shareOf, pace));
  }
  return decide('fell-back-to-base', untagged.instances, tag, untagged.chances);
}

function decide(reason: Reason, instances: readonly Instance[], tag: Tag | undefined, chances: Chances): Decision {
  return Object.freeze({ reason, instances: Object.freeze(instances), tag, chances });
}

/** Tags that clients make up must not fill the memory: past this many per service, a decision is made anew each time. */
const MAX_REMEMBERED_TAGS = 256;

/** The decision for a request: one look-up. A tag that no instance carries is decided at its first request and remembered. */
export function route(index: LaneIndex, tag: Tag | undefined): Decision {
  if (tag === undefined) return index.untagged;
  const known = index.byTag.get(tag);
  if (known !== undefined) return known;
  const decision = inOneGo(tagInSteps(tag, [], index.untagged, index.rules, undefined, NO_PAUSE));
  if (index.byTag.size < MAX_REMEMBERED_TAGS) (index.byTag as Map<Tag, Decision>).set(tag, decision);
  return decision;
}

/** Chooses one instance of a decision by weight, in constant time. `random` gives a number in [0, 1). Undefined where there is none. */
export function pick(decision: Decision, random: () => number): Instance | undefined {
  const { length } = decision.instances;
  if (length <= 1) return decision.instances[0];
  const position = random() * length;
  const column = Math.min(Math.floor(position), length - 1);
  const { probability, alias } = decision.chances;
  const chosen = position - column < (probability[column] as number) ? column : (alias[column] as number);
  return decision.instances[chosen];
}

/** Builds the alias table of some instances by their weights, of which each has a share (above 0 and up to 1; by default all of it). */
export function buildChances(instances: readonly Instance[], shareOf?: IndexRules['shareOf']): Chances {
  return inOneGo(chancesInSteps(instances, shareOf, NO_PAUSE));
}

/** As {@link buildChances}, a step at a time. */
export function* chancesInSteps(instances: readonly Instance[], shareOf: IndexRules['shareOf'], pace: Pace): Steps<Chances> {
  const { length } = instances;
  if (length <= 1) return NO_CHANCES;
  // By the largest first: a sum of finite weights can itself be infinite.
  let largest = 0;
  for (let i = 0; i < length; i++) {
    largest = Math.max(largest, (instances[i] as Instance).weight);
    if (pace.isDue()) yield;
  }
  const scaled = new Float64Array(length);
  let total = 0;
  for (let i = 0; i < length; i++) {
    const instance = instances[i] as Instance;
    const { weight } = instance;
    const share = (largest === Infinity ? (weight === Infinity ? 1 : 0) : weight / largest) * (shareOf === undefined ? 1 : shareOf(instance));
    scaled[i] = share;
    total += share;
    if (pace.isDue()) yield;
  }
  // Those that have less than an even share from the left, those that have more from the right.
  const waiting = new Uint32Array(length);
  let small = 0;
  let large = length;
  for (let i = 0; i < length; i++) {
    const share = ((scaled[i] as number) * length) / total;
    scaled[i] = share;
    if (share < 1) waiting[small++] = i;
    else waiting[--large] = i;
    if (pace.isDue()) yield;
  }
  const probability = new Float64Array(length).fill(1);
  const alias = new Uint32Array(length);
  while (small > 0 && large < length) {
    const less = waiting[--small] as number;
    const more = waiting[large] as number;
    probability[less] = scaled[less] as number;
    alias[less] = more;
    const left = (scaled[more] as number) + (scaled[less] as number) - 1;
    scaled[more] = left;
    if (left < 1) {
      large++;
      waiting[small++] = more;
    }
    if (pace.isDue()) yield;
  }
  // What remains is 1 up to rounding.
  for (; small > 0; small--) alias[waiting[small - 1] as number] = waiting[small - 1] as number;
  return { probability, alias };
}
