/** Effects of the order of entry rules: the first match counts, so an earlier rule may take requests that a later one names. */
import type { EntryRule, LaneGroupsDocument } from './types.js';

/** A rule that takes requests of a later, explicit one. */
export interface TakingRule {
  /** `group/lane/rule` of the rule that takes. */
  readonly taker: string;
  /** `group/lane/rule` of the rule that loses them. */
  readonly robbed: string;
  /** The entry service where both apply. */
  readonly service: string;
  /** 0 to 100: the share that is taken. */
  readonly percent: number;
}

/**
 * Finds rules for all requests, or a share of them, that precede a rule for certain requests of another lane: the share of those
 * goes to the earlier lane, too. Earlier rules with a condition are not compared.
 */
export function takingRules({ groups }: LaneGroupsDocument): readonly TakingRule[] {
  const found: TakingRule[] = [];
  const services = new Set(groups.flatMap(({ entry }) => entry?.services ?? []));
  for (const service of services) {
    const rules = groups
      .filter(({ entry }) => entry?.services.includes(service) === true)
      .flatMap((group) =>
        group.lanes
          .filter(({ enabled }) => enabled !== false)
          .flatMap((lane) => (lane.rules ?? []).map((rule) => ({ tag: lane.tag, name: `${group.name}/${lane.name}/${rule.name}`, rule }))),
      );
    rules.forEach((later, i) => {
      if (!isExplicit(later.rule)) return;
      const taker = rules.slice(0, i).find((earlier) => earlier.tag !== later.tag && takesOfAll(earlier.rule) > 0);
      if (taker !== undefined && !found.some(({ robbed }) => robbed === later.name))
        found.push({ taker: taker.name, robbed: later.name, service, percent: takesOfAll(taker.rule) });
    });
  }
  return found;
}

/** Describes a rule that takes requests of a later one, with the remedy. */
export function tellTaking({ taker, robbed, percent }: TakingRule): string {
  const lane = (rule: string): string => rule.slice(0, rule.lastIndexOf('/'));
  return `rule ${taker} takes ${percent} % of all requests, and is asked before rule ${robbed}: that share of its requests goes to lane ${lane(taker)}. Put lane ${lane(robbed)} before lane ${lane(taker)}`;
}

function isExplicit({ match, percent }: EntryRule): boolean {
  return match !== undefined && (percent === undefined || percent === 100);
}

/** The share of all requests that a rule takes unconditionally; 0: it has a condition. */
function takesOfAll({ match, percent = 100 }: EntryRule): number {
  return match === undefined ? percent : 0;
}
