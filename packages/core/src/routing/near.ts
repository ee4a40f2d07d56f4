/**
 * Near first: calls stay in the caller's zone, then in its region, as long as enough instances of the lane are there.
 *
 * The lane is decided before, and is never left: of a lane (or of base) those instances that are far are passed over when its table is
 * built, so that a request costs nothing. Where too few are near, the next wider circle serves: the zone, the region, everywhere.
 *
 * Thresholds are those of Sermant's tag routing (sermant-router, `AbstractRuleStrategy.getMatchInstances` and its `Policy`): near instances
 * serve where there are fewer than `minAllInstances` in all, or where at least `triggerThreshold` percent of all are near. Different: `least`
 * is new; the share is 20 % unless it is said otherwise (Sermant: 0), so that a zone's last instance does not get all calls of its zone;
 * and it is asked for each lane by itself, after the lane has been decided.
 */
import { isUsable } from './lane-index.js';
import type { Instance } from './instance.js';
import type { Pace, Steps } from './steps.js';
import type { Tag } from '../names/tag.js';
import { placeOf, type NearPolicy, type Place } from './near-policy.js';

/** What {@link passOverInSteps} needs to know. */
export interface NearRules {
  readonly policy: NearPolicy;
  /** Where the caller is. */
  readonly own: Place;
  /** The lane whose calls an instance serves; undefined: base. */
  readonly laneOf: (instance: Instance) => Tag | undefined;
  /** Whether an instance takes its whole share: one that warms up or is probed can't stand for its zone. Absent: all do. */
  readonly isSettled?: ((instance: Instance) => boolean) | undefined;
}

/** The narrowest circle of an instance: the zone, the region, or everywhere. */
const IN_ZONE = 0;
const IN_REGION = 1;
const ELSEWHERE = 2;

/**
 * The instances that get no calls, as there are enough near ones in their lane; by lane, base being undefined. Of a lane that has instances
 * that can serve, some are always left; those that can't serve are never among them. A step at a time.
 */
export function* passOverInSteps(
  instances: readonly Instance[],
  rules: NearRules,
  pace: Pace,
): Steps<ReadonlyMap<Tag | undefined, readonly Instance[]>> {
  const { policy, own, laneOf, isSettled } = rules;
  const passed = new Map<Tag | undefined, readonly Instance[]>();
  if (circlesOf(policy, own).length === 0) return passed;
  const lanes = new Map<Tag | undefined, Instance[]>();
  for (const instance of instances) {
    if (pace.isDue()) yield;
    if (!isUsable(instance)) continue;
    const tag = laneOf(instance);
    const lane = lanes.get(tag);
    if (lane === undefined) lanes.set(tag, [instance]);
    else lane.push(instance);
  }
  for (const [tag, lane] of lanes) {
    const far = yield* farInSteps(lane, policy, own, isSettled, pace);
    if (far.length > 0) passed.set(tag, far);
  }
  return passed;
}

/** Those of a lane outside of the narrowest circle that is populated well enough. */
function* farInSteps(
  lane: readonly Instance[],
  policy: NearPolicy,
  own: Place,
  isSettled: NearRules['isSettled'],
  pace: Pace,
): Steps<readonly Instance[]> {
  const circles = new Uint8Array(lane.length);
  for (let i = 0; i < lane.length; i++) {
    circles[i] = circleOf(placeOf((lane[i] as Instance).metadata), own);
    if (pace.isDue(4)) yield;
  }
  for (const circle of circlesOf(policy, own)) {
    let near = 0;
    for (let i = 0; i < lane.length; i++) {
      if ((circles[i] as number) <= circle && (isSettled === undefined || isSettled(lane[i] as Instance))) near++;
      if (pace.isDue()) yield;
    }
    if (near >= Math.max(1, policy.least) && (lane.length < policy.few || near / lane.length >= policy.share))
      return lane.filter((_, i) => (circles[i] as number) > circle);
  }
  return [];
}

/** Circles to try, the narrowest first: those of which it is known what is inside. */
function circlesOf({ circle }: NearPolicy, own: Place): readonly number[] {
  const circles: number[] = [];
  if (circle === 'zone' && own.zone !== undefined) circles.push(IN_ZONE);
  if (circle !== 'off' && own.region !== undefined) circles.push(IN_REGION);
  return circles;
}

function circleOf({ zone, region }: Place, own: Place): number {
  // Zones of two regions may have the same name.
  const isOtherRegion = region !== undefined && own.region !== undefined && region !== own.region;
  if (isOtherRegion) return ELSEWHERE;
  if (zone !== undefined && zone === own.zone) return IN_ZONE;
  return region !== undefined && region === own.region ? IN_REGION : ELSEWHERE;
}
