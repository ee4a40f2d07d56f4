/** Services × lanes: what serves where, now. */
import { isUsable, route, type Fallback, type Reason } from './lane-index.js';
import type { LaneGroup, LaneRules } from '../rules/types.js';
import { isBaseInstance, type ServiceTable } from './service-tables.js';
import type { Tag } from '../names/tag.js';

/** Number of instances, and of usable ones. */
export interface InstanceCount {
  readonly usable: number;
  readonly total: number;
}

/** What serves calls of a lane at a service: the lane's own instances, base, or nothing. */
export type ServedBy = 'lane' | 'base' | 'nothing';

/** A lane at a service. */
export interface LaneCell extends InstanceCount {
  readonly lane: string;
  readonly tag: Tag;
  readonly servedBy: ServedBy;
  readonly reason: Reason;
}

/** A service of a group, in all lanes. */
export interface ServiceStatus {
  readonly service: string;
  /** Whether this service is an entry of the group. */
  readonly isEntry: boolean;
  readonly base: InstanceCount;
  /** In the order of the group's lanes. */
  readonly lanes: readonly LaneCell[];
  /** Tags of instances for which the group has no lane. */
  readonly otherTags: ReadonlyArray<InstanceCount & { readonly tag: Tag }>;
}

/** A lane in the matrix's header. */
export interface LaneHead {
  readonly lane: string;
  readonly tag: Tag;
  readonly enabled: boolean;
  /** The lane's own setting; undefined: each caller's LANE_FALLBACK. */
  readonly fallback: Fallback | undefined;
  readonly rules: number;
}

/** A group: its lanes, its services, and what serves where. */
export interface GroupStatus {
  readonly group: string;
  readonly entries: readonly string[];
  readonly lanes: readonly LaneHead[];
  readonly services: readonly ServiceStatus[];
}

/**
 * The matrix of each group. `tableOf` returns a service's table, built under these rules; undefined if the registry does not know
 * the service.
 */
export function laneStatus(rules: LaneRules, tableOf: (service: string) => ServiceTable | undefined): readonly GroupStatus[] {
  return rules.document.groups.map((group) => ({
    group: group.name,
    entries: group.entry?.services ?? [],
    lanes: group.lanes.map(({ name, tag, enabled, fallback, rules: entryRules }) => ({
      lane: name,
      tag,
      enabled: enabled !== false,
      fallback,
      rules: entryRules?.length ?? 0,
    })),
    services: group.services.map((service) => serviceStatus(group, service, rules, tableOf(service))),
  }));
}

function serviceStatus(group: LaneGroup, service: string, rules: LaneRules, table: ServiceTable | undefined): ServiceStatus {
  const byTag = new Map<Tag, { usable: number; total: number }>();
  const base = { usable: 0, total: 0 };
  for (const instance of table?.instances ?? []) {
    const tag = table?.index.tags.get(instance);
    const usable = isUsable(instance) ? 1 : 0;
    if (table !== undefined && isBaseInstance(instance, table.index)) {
      base.usable += usable;
      base.total += 1;
    }
    if (tag === undefined) continue;
    let count = byTag.get(tag);
    if (count === undefined) byTag.set(tag, (count = { usable: 0, total: 0 }));
    count.usable += usable;
    count.total += 1;
  }
  const lanes = group.lanes.map(({ name, tag }): LaneCell => {
    // A tag that counts as none is routed as none.
    const reason = table === undefined ? 'none' : route(table.index, rules.isDisabledTag(tag) ? undefined : tag).reason;
    return { lane: name, tag, ...(byTag.get(tag) ?? { usable: 0, total: 0 }), servedBy: SERVED_BY[reason], reason };
  });
  const own = new Set(group.lanes.map(({ tag }) => tag));
  return {
    service,
    isEntry: group.entry?.services.includes(service) === true,
    base,
    lanes,
    otherTags: [...byTag].filter(([tag]) => !own.has(tag)).map(([tag, count]) => ({ tag, ...count })),
  };
}

const SERVED_BY: Readonly<Record<Reason, ServedBy>> = {
  'in-lane': 'lane',
  base: 'base',
  'fell-back-to-base': 'base',
  'lane-not-here': 'base',
  none: 'nothing',
};
