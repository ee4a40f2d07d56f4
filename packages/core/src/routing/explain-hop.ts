/** Explains to people which instances a call may go to. It uses the same verdict that a call gets. */
import type { Instance } from './instance.js';
import { route, type Decision, type Fallback, type Reason } from './lane-index.js';
import { judgeByName, type Redirect, type Unavailable } from './verdict.js';
import { isBaseInstance, type ServiceTable } from './service-tables.js';
import type { Tag } from '../names/tag.js';

/**
 * The role of an instance for a call. A closed set:
 * - `serves`: the call may go there
 * - `unhealthy`, `disabled`, `no-weight` (0): it can't serve anybody
 * - `base-not-used`: a base instance, while the lane serves, or without a fallback to base
 * - `lane-not-here`: it has the tag, but no lane group has an enabled lane of it with this service
 * - `other-lane`: it has another tag than the call
 */
export type InstanceRole = 'serves' | 'unhealthy' | 'disabled' | 'no-weight' | 'base-not-used' | 'lane-not-here' | 'other-lane';

/** An instance of the called service, and its role. */
export interface ExplainedInstance {
  readonly instance: Instance;
  readonly tag: Tag | undefined;
  readonly role: InstanceRole;
  /** Its share of such calls, 0 to 1. */
  readonly share: number;
}

/** A call to a service in a lane, explained. */
export interface HopExplanation {
  readonly service: string;
  readonly tag: Tag | undefined;
  /** The verdict on such a call by name. */
  readonly verdict: (Redirect | Unavailable)['kind'];
  readonly reason: Reason;
  /** The fallback if the lane has no instance; undefined for untagged calls, and if the lane is not here. */
  readonly fallback: Fallback | undefined;
  readonly instances: readonly ExplainedInstance[];
}

/** Explains which instances of a service a call with this tag may go to. */
export function explainHop(table: ServiceTable, tag: Tag | undefined): HopExplanation {
  const { index, key, instances } = table;
  const { kind, reason } = judgeByName(table, tag);
  const decision = route(index, tag);
  const policy = tag === undefined ? undefined : index.rules.policyOf(tag);
  const shareOf = sharesOf(decision);
  return {
    service: key.name,
    tag,
    verdict: kind,
    reason,
    fallback: policy?.use === 'lane' ? policy.fallback : undefined,
    instances: instances.map((instance) => ({
      instance,
      tag: index.tags.get(instance),
      role: roleOf(instance, table, tag, decision),
      share: shareOf(instance),
    })),
  };
}

function roleOf(instance: Instance, table: ServiceTable, tag: Tag | undefined, decision: Decision): InstanceRole {
  if (decision.instances.includes(instance)) return 'serves';
  if (!instance.healthy) return 'unhealthy';
  if (!instance.enabled) return 'disabled';
  if (!(instance.weight > 0)) return 'no-weight';
  if (isBaseInstance(instance, table.index)) return 'base-not-used';
  return tag !== undefined && table.index.tags.get(instance) === tag ? 'lane-not-here' : 'other-lane';
}

function sharesOf({ instances }: Decision): (instance: Instance) => number {
  // Divided by the largest first, like the alias table: a sum of finite weights can be infinite.
  const largest = instances.reduce((most, { weight }) => Math.max(most, weight), 0);
  const part = ({ weight }: Instance): number => (largest === Infinity ? (weight === Infinity ? 1 : 0) : weight / largest);
  const total = instances.reduce((sum, instance) => sum + part(instance), 0);
  return (instance) => (instances.includes(instance) ? part(instance) / total : 0);
}
