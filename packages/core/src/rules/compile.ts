import type { Tag } from '../names/tag.js';
import { LANE_METADATA_KEY } from '../names/metadata-key.js';
import type { BaseMode } from '../routing/lane-index.js';
import { compileKey, compileMatcher, type RequestReader, type RequestTest } from './matchers.js';
import { isRandomWithin, KeyShares, condensedKey } from './percentage.js';
import type {
  CompiledLane,
  EntryMatch,
  EntryRule,
  EntryRules,
  Lane,
  LaneGroup,
  LaneGroupsDocument,
  LaneRules,
  PolarisLabel,
  RequestView,
  WireLane,
} from './types.js';

/** Makes a valid document ready for use: what requests ask is a look-up from here on. */
export function compileLaneGroups(document: LaneGroupsDocument): LaneRules {
  const services = new Set<string>();
  /**
   * service → for each of its groups tag → lane; of several with the same tag the first counts. The services of a group share its map, as
   * services times lanes would take seconds to fill where there are many of both.
   */
  const lanes = new Map<string, Array<ReadonlyMap<Tag, CompiledLane>>>();
  const entries = new Map<string, CompiledRule[]>();
  const enabledTags = new Set<Tag>();
  /** tag → what is written of it, by the first group that has it. */
  const onWire = new Map<Tag, WireLane>();
  const polarisLabels: PolarisLabel[] = [];
  /** `group/rule`, or the value of a label → tag. */
  const polarisStains = new Map<string, Tag>();
  const baseModes = new Map<string, BaseMode>();
  /** What a share sticks to, as text → its number in {@link firstMatch}. */
  const keySources = new Map<string, number>();

  for (const group of document.groups) {
    const byTag = new Map<Tag, CompiledLane>();
    for (const service of group.services) {
      services.add(service);
      const ofService = lanes.get(service);
      if (ofService === undefined) lanes.set(service, [byTag]);
      else ofService.push(byTag);
      if (group.baseMode !== undefined && !baseModes.has(service)) baseModes.set(service, group.baseMode);
    }
    for (const lane of group.lanes) {
      const polarisLabel = labelOf(lane);
      if (polarisLabel !== undefined) polarisLabels.push(polarisLabel);
      for (const stain of stainsOf(group, lane)) if (!polarisStains.has(stain)) polarisStains.set(stain, lane.tag);
      const { tag, fallback } = lane;
      if (!onWire.has(tag)) onWire.set(tag, Object.freeze({ group: group.name, polarisRule: lane.polaris?.name ?? tag, polarisLabel, fallback }));
      if (lane.enabled === false) continue;
      enabledTags.add(lane.tag);
      const compiled: CompiledLane = Object.freeze({ group: group.name, lane: lane.name, tag: lane.tag, fallback: lane.fallback });
      if (!byTag.has(lane.tag)) byTag.set(lane.tag, compiled);
      const rules = (lane.rules ?? []).map((rule) => compileRule(rule, compiled, keySources));
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
    polarisLabels,
    groupOf: (tag) => onWire.get(tag)?.group,
    wireOf: (tag) => onWire.get(tag),
    tagOfPolaris: (stain) => polarisStains.get(stain),
    baseModeOf: (service) => baseModes.get(service),
    isDisabledTag: (tag) => onWire.has(tag) && !enabledTags.has(tag),
    laneOf: (service, tag) => {
      const groups = lanes.get(service);
      if (groups === undefined) return undefined;
      for (const byTag of groups) {
        const lane = byTag.get(tag);
        if (lane !== undefined) return lane;
      }
      return undefined;
    },
    entryOf: (service) => entryRules.get(service),
  };
}

/** The label by which Polaris knows a lane's instances; undefined: it is ours, which is always read. */
function labelOf({ tag, polaris }: Lane): PolarisLabel | undefined {
  if (polaris?.key === undefined && polaris?.values === undefined) return undefined;
  return Object.freeze({ key: polaris.key ?? LANE_METADATA_KEY, values: polaris.values ?? [tag], tag });
}

function stainsOf(group: LaneGroup, { polaris }: Lane): readonly string[] {
  return [...(polaris?.name === undefined ? [] : [`${group.name}/${polaris.name}`]), ...(polaris?.values ?? [])];
}

interface CompiledRule {
  readonly test: RequestTest | undefined;
  readonly percent: number | undefined;
  readonly key: { readonly read: RequestReader; readonly source: number; readonly shares: KeyShares } | undefined;
  readonly match: EntryMatch;
}

function compileRule({ name, match, percent, by }: EntryRule, lane: CompiledLane, keySources: Map<string, number>): CompiledRule {
  return {
    test: match === undefined ? undefined : compileMatcher(match),
    percent,
    key: by === undefined ? undefined : { read: compileKey(by), source: numberOf(JSON.stringify(by), keySources), shares: new KeyShares(name) },
    match: Object.freeze({ ...lane, rule: name }),
  };
}

function numberOf(text: string, numbers: Map<string, number>): number {
  const number = numbers.get(text) ?? numbers.size;
  numbers.set(text, number);
  return number;
}

function firstMatch(rules: readonly CompiledRule[], request: RequestView, random: () => number): EntryMatch | undefined {
  // By source: many rules stick to one, which is read once for all of them.
  let keys: string[] | undefined;
  for (const { test, percent, key, match } of rules) {
    if (test !== undefined && !test(request)) continue;
    if (percent === undefined) return match;
    let value = '';
    if (key !== undefined) {
      keys ??= [];
      value = keys[key.source] ??= condensedKey(key.read(request) ?? '');
    }
    // An empty value would put all who have it on one side.
    if (key === undefined || value === '' ? isRandomWithin(percent, random) : key.shares.isWithin(percent, value)) return match;
  }
  return undefined;
}
