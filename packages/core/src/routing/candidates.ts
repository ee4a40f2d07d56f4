/**
 * Which instance a call is tried on, where some of those that may serve it are better left alone: they refused a connection a moment ago, or
 * have refused this very call. Without such instances nothing here costs more than a look.
 */
import type { Instance } from './instance.js';
import { pick, route, type Decision, type LaneIndex, type Reason } from './lane-index.js';
import type { Tag } from '../names/tag.js';

/** Instances that are passed over as long as there are others. */
export interface Avoided {
  /** Whether there are none: asked first. */
  readonly isEmpty: boolean;
  has(instance: Instance): boolean;
}

/** Nothing is avoided. */
export const NOTHING_AVOIDED: Avoided = Object.freeze({ isEmpty: true, has: () => false });

/** An instance to try, and why it may serve. */
export interface Candidate {
  readonly instance: Instance;
  readonly reason: Reason;
}

/**
 * The decision for a call. A lane of which every instance is avoided counts as one without instances: base serves where the lane's fallback
 * allows it and an instance of base is not avoided. Otherwise the avoided ones stay in use: a lane is never emptied by what is avoided.
 */
export function decide(index: LaneIndex, tag: Tag | undefined, avoided: Avoided): Decision {
  const decision = route(index, tag);
  if (avoided.isEmpty || decision.reason !== 'in-lane' || !areAvoided(decision.instances, avoided)) return decision;
  return fallsBackToBase(index, tag) && !areAvoided(index.untagged.instances, avoided)
    ? { reason: 'fell-back-to-base', instances: index.untagged.instances, tag, chances: index.untagged.chances }
    : decision;
}

/** One instance of a decision, by weight; one that is avoided only where all are. */
export function pickUnlessAvoided(decision: Decision, avoided: Avoided, random: () => number): Instance | undefined {
  const instance = pick(decision, random);
  if (instance === undefined || avoided.isEmpty || !avoided.has(instance)) return instance;
  return otherThan(decision, avoided, random) ?? instance;
}

/**
 * The next instance to try, none of which `skipped` has: one of the lane, unless the lane has had its tries, then one of base where the
 * lane's fallback allows it. undefined: there is none.
 */
export function nextCandidate(
  index: LaneIndex,
  tag: Tag | undefined,
  skipped: Avoided,
  isLaneSpent: boolean,
  random: () => number,
): Candidate | undefined {
  const decision = route(index, tag);
  if (!isLaneSpent) {
    const instance = otherThan(decision, skipped, random);
    if (instance !== undefined) return { instance, reason: decision.reason };
  }
  if (decision.reason !== 'in-lane' || !fallsBackToBase(index, tag)) return undefined;
  const instance = otherThan(index.untagged, skipped, random);
  return instance === undefined ? undefined : { instance, reason: 'fell-back-to-base' };
}

function fallsBackToBase(index: LaneIndex, tag: Tag | undefined): boolean {
  const policy = tag === undefined ? undefined : index.rules.policyOf(tag);
  return policy?.use === 'lane' && policy.fallback === 'base';
}

function areAvoided(instances: readonly Instance[], avoided: Avoided): boolean {
  for (const instance of instances) if (!avoided.has(instance)) return false;
  return true;
}

/** By weight where that gives one; else any, from a random place on. */
function otherThan(decision: Decision, avoided: Avoided, random: () => number): Instance | undefined {
  const { instances } = decision;
  const chosen = pick(decision, random);
  if (chosen === undefined || !avoided.has(chosen)) return chosen;
  const from = Math.floor(random() * instances.length);
  for (let i = 0; i < instances.length; i++) {
    const instance = instances[(from + i) % instances.length] as Instance;
    if (!avoided.has(instance)) return instance;
  }
  return undefined;
}
