/** What the order of entry rules makes of them: the first that matches counts, so that an earlier one takes what a later one asks for by name. */
import type { EntryRule, LaneGroupsDocument } from './types.js';

/** A rule that takes requests of a later, explicit one. */
export interface TakingRule {
  /** `group/lane/rule` of the rule that takes. */
  readonly taker: string;
  /** `group/lane/rule` of the rule that does not get them all. */
  readonly robbed: string;
  /** The entry service at which both are asked. */
  readonly service: string;
  /** 0 to 100: the share that is taken. */
  readonly percent: number;
}

/**
 * Finds rules for a share of all requests, or for all of them, that stand before a rule for certain requests of another lane: of those, too, the
 * share goes to the earlier lane. Rules with a condition of their own are not compared.
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

/** Told of a rule that takes what a later one asks for, with the remedy. */
export function tellTaking({ taker, robbed, percent }: TakingRule): string {
  const lane = (rule: string): string => rule.slice(0, rule.lastIndexOf('/'));
  return `rule ${taker} takes ${percent} % of all requests, and is asked before rule ${robbed}: so many of its requests go to lane ${lane(taker)}. Put lane ${lane(robbed)} before lane ${lane(taker)}`;
}

function isExplicit({ match, percent }: EntryRule): boolean {
  return match !== undefined && (percent === undefined || percent === 100);
}

/** The share of all requests that a rule takes, whatever they are; 0: it looks at them. */
function takesOfAll({ match, percent = 100 }: EntryRule): number {
  return match === undefined ? percent : 0;
}
