import type { Instance } from './instance.js';
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
  const tags = new Map<Instance, Tag>();
  const lanes = new Map<Tag, Instance[]>();
  const refused = new Map<Tag, Instance[]>();
  const base: Instance[] = [];
  for (const instance of instances) {
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
  const baseChances = buildChances(base, rules.shareOf);
  const untagged = decide(base.length === 0 ? 'none' : 'base', base, undefined, baseChances);
  const byTag = new Map<Tag, Decision>();
  for (const [tag, lane] of lanes) byTag.set(tag, decideTag(tag, lane, untagged, rules, refused.get(tag)));
  return { tags, untagged, byTag, rules };
}

/** `refused`: of the lane, those that refused connections. Where nothing else may serve, the connection itself tells the caller. */
function decideTag(tag: Tag, lane: readonly Instance[], untagged: Decision, rules: IndexRules, refused: readonly Instance[] = []): Decision {
  const policy = rules.policyOf(tag);
  if (policy.use === 'base') {
    return untagged.instances.length === 0 ? decide('none', [], tag, NO_CHANCES) : decide('lane-not-here', untagged.instances, tag, untagged.chances);
  }
  if (lane.length > 0) return decide('in-lane', lane, tag, buildChances(lane, rules.shareOf));
  if (policy.fallback === 'none' || untagged.instances.length === 0) {
    return refused.length === 0 ? decide('none', [], tag, NO_CHANCES) : decide('in-lane', refused, tag, buildChances(refused, rules.shareOf));
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
  const decision = decideTag(tag, [], index.untagged, index.rules);
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
  const { length } = instances;
  if (length <= 1) return NO_CHANCES;
  const probability = new Float64Array(length).fill(1);
  const alias = new Uint32Array(length);
  // By the largest first: a sum of finite weights can itself be infinite.
  const largest = instances.reduce((most, instance) => Math.max(most, instance.weight), 0);
  const ofLargest = ({ weight }: Instance): number => (largest === Infinity ? (weight === Infinity ? 1 : 0) : weight / largest);
  const shares = instances.map((instance) => ofLargest(instance) * (shareOf?.(instance) ?? 1));
  const total = shares.reduce((sum, share) => sum + share, 0);
  const scaled = shares.map((share) => (share * length) / total);
  const small: number[] = [];
  const large: number[] = [];
  for (let i = 0; i < length; i++) ((scaled[i] as number) < 1 ? small : large).push(i);
  while (small.length > 0 && large.length > 0) {
    const less = small.pop() as number;
    const more = large[large.length - 1] as number;
    probability[less] = scaled[less] as number;
    alias[less] = more;
    scaled[more] = (scaled[more] as number) + (scaled[less] as number) - 1;
    if ((scaled[more] as number) < 1) small.push(large.pop() as number);
  }
  // What remains is 1 up to rounding.
  for (const rest of small) alias[rest] = rest;
  return { probability, alias };
}
