import type { Tag } from '../names/tag.js';
import { compileKey, compileMatcher, type RequestReader, type RequestTest } from './matchers.js';
import { isKeyWithin, isRandomWithin } from './percentage.js';
import type { CompiledLane, EntryMatch, EntryRule, EntryRules, LaneGroupsDocument, LaneRules, RequestView } from './types.js';

/** Makes a valid document ready for use: what requests ask is a look-up from here on. */
export function compileLaneGroups(document: LaneGroupsDocument): LaneRules {
  const services = new Set<string>();
  /** service → tag → lane; of several groups with the same service and tag the first counts. */
  const lanes = new Map<string, Map<Tag, CompiledLane>>();
  const entries = new Map<string, CompiledRule[]>();
  const enabledTags = new Set<Tag>();
  /** tag → name of the first group that has it. */
  const groups = new Map<Tag, string>();

  for (const group of document.groups) {
    for (const service of group.services) services.add(service);
    for (const lane of group.lanes) {
      if (!groups.has(lane.tag)) groups.set(lane.tag, group.name);
      if (lane.enabled === false) continue;
      enabledTags.add(lane.tag);
      const compiled: CompiledLane = Object.freeze({ group: group.name, lane: lane.name, tag: lane.tag, fallback: lane.fallback });
      for (const service of group.services) {
        let byTag = lanes.get(service);
        if (byTag === undefined) lanes.set(service, (byTag = new Map()));
        if (!byTag.has(lane.tag)) byTag.set(lane.tag, compiled);
      }
      const rules = (lane.rules ?? []).map((rule) => compileRule(rule, compiled));
      if (rules.length === 0) continue;
      for (const service of group.entry?.services ?? []) {
        const all = entries.get(service);
        if (all === undefined) entries.set(service, [...rules]);
        else all.push(...rules);
      }
    }
  }

  const entryRules = new Map<string, EntryRules>();
  for (const [service, rules] of entries) entryRules.set(service, { match: (request, random) => firstMatch(rules, request, random) });

  return {
    document,
    services,
    groupOf: (tag) => groups.get(tag),
    isDisabledTag: (tag) => groups.has(tag) && !enabledTags.has(tag),
    laneOf: (service, tag) => lanes.get(service)?.get(tag),
    entryOf: (service) => entryRules.get(service),
  };
}

interface CompiledRule {
  readonly test: RequestTest | undefined;
  readonly percent: number | undefined;
  readonly key: RequestReader | undefined;
  readonly match: EntryMatch;
}

function compileRule(rule: EntryRule, lane: CompiledLane): CompiledRule {
  return {
    test: rule.match === undefined ? undefined : compileMatcher(rule.match),
    percent: rule.percent,
    key: rule.by === undefined ? undefined : compileKey(rule.by),
    match: Object.freeze({ ...lane, rule: rule.name }),
  };
}

function firstMatch(rules: readonly CompiledRule[], request: RequestView, random: () => number): EntryMatch | undefined {
  for (const { test, percent, key, match } of rules) {
    if (test !== undefined && !test(request)) continue;
    if (percent === undefined) return match;
    const value = key === undefined ? undefined : key(request);
    // An empty value would put all who have it on one side.
    if (value === undefined || value === '' ? isRandomWithin(percent, random) : isKeyWithin(percent, match.rule, value)) return match;
  }
  return undefined;
}
