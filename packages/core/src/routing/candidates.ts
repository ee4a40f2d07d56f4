/** The next instance for a call after one that refused the connection. */
import type { Instance } from './instance.js';
import { pick, route, type Decision, type Reason } from './lane-index.js';
import type { TableIndex } from './service-tables.js';
import type { Tag } from '../names/tag.js';

/** An instance to try, and why it may serve. */
export interface Candidate {
  readonly instance: Instance;
  readonly reason: Reason;
}

/**
 * The next instance not yet `isTried`: one of the lane, unless the lane has used its tries; then one of base, if the lane's
 * fallback allows it. undefined: there is none. `random` returns a number in [0, 1).
 *
 * If near instances come first, the next one to try is far: whatever blocks one instance may block the whole zone, and the
 * lane has three tries. Ejected instances live and are tried before another lane; so are those that refused another call, which may have restarted.
 */
export function nextCandidate(
  index: TableIndex,
  tag: Tag | undefined,
  isTried: (instance: Instance) => boolean,
  isLaneSpent: boolean,
  random: () => number,
): Candidate | undefined {
  const decision = route(index, tag);
  if (decision.reason === 'fell-back-to-base' && !isLaneSpent) {
    const lost = index.refused?.get(tag);
    const instance = lost === undefined ? undefined : untried(lost, isTried, random);
    if (instance !== undefined) return { instance, reason: 'in-lane' };
  }
  if (decision.reason !== 'in-lane' || !isLaneSpent) {
    const instance = untriedOf(index, decision, isTried, random);
    if (instance !== undefined) return { instance, reason: decision.reason };
  }
  if (decision.reason !== 'in-lane' || tag === undefined) return undefined;
  const policy = index.rules.policyOf(tag);
  const instance = policy.use === 'lane' && policy.fallback === 'base' ? untriedOf(index, index.untagged, isTried, random) : undefined;
  return instance === undefined ? undefined : { instance, reason: 'fell-back-to-base' };
}

function untriedOf(
  { far, ejected }: TableIndex,
  decision: Decision,
  isTried: (instance: Instance) => boolean,
  random: () => number,
): Instance | undefined {
  if (decision.reason === 'none') return undefined;
  const lane = decision.reason === 'in-lane' ? decision.tag : undefined;
  const from = (some: Decision | undefined): Instance | undefined => (some === undefined ? undefined : untried(some, isTried, random));
  return from(far?.get(lane)?.decision) ?? from(decision) ?? from(ejected?.get(lane));
}

/** By weight if that finds one; else any, from a random position on. */
function untried(decision: Decision, isTried: (instance: Instance) => boolean, random: () => number): Instance | undefined {
  const { instances } = decision;
  const chosen = pick(decision, random);
  if (chosen === undefined || !isTried(chosen)) return chosen;
  const from = Math.floor(random() * instances.length);
  for (let i = 0; i < instances.length; i++) {
    const instance = instances[(from + i) % instances.length] as Instance;
    if (!isTried(instance)) return instance;
  }
  return undefined;
}
