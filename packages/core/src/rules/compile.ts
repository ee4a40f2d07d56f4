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

/** Compiles a valid document, so that requests only need look-ups. */
export function compileLaneGroups(document: LaneGroupsDocument): LaneRules {
  const services = new Set<string>();
  /**
   * service → for each of its groups tag → lane; of several with the same tag the first counts. The services of a group share its map, as
   * services times lanes would take seconds to fill where there are many of both.
   */
  const lanes = new Map<string, Array<ReadonlyMap<Tag, CompiledLane>>>();
  const entries = new Map<string, CompiledRule[]>();
  const enabledTags = new Set<Tag>();
  /** Tags and stains of all groups; the first group that has one counts. */
  const all = new WireGroup();
  /** service, as one of the group's own or an entry → its groups. */
  const wireGroups = new Map<string, WireGroup[]>();
  /** service → the labels of each of its groups; put together when they are asked for, as services times groups may be many. */
  const polarisLabels = new Map<string, Array<readonly PolarisLabel[]>>();
  const baseModes = new Map<string, BaseMode>();
  /** A share's key, as text → its number in {@link firstMatch}. */
  const keySources = new Map<string, number>();

  for (const group of document.groups) {
    const byTag = new Map<Tag, CompiledLane>();
    const wireGroup = new WireGroup();
    for (const service of new Set([...group.services, ...(group.entry?.services ?? [])])) append(wireGroups, service, wireGroup);
    const labels = group.lanes.flatMap((lane) => labelOf(lane) ?? []);
    for (const service of group.services) {
      services.add(service);
      append(lanes, service, byTag);
      if (labels.length > 0) append(polarisLabels, service, labels);
      if (group.baseMode !== undefined && !baseModes.has(service)) baseModes.set(service, group.baseMode);
    }
    for (const lane of group.lanes) {
      const onWire: WireLane = Object.freeze({ group: group.name, polarisRule: lane.polaris?.name ?? lane.tag, fallback: lane.fallback });
      for (const known of [all, wireGroup]) known.add(lane.tag, onWire, stainsOf(group, lane));
      if (lane.enabled === false) continue;
      enabledTags.add(lane.tag);
      const compiled: CompiledLane = Object.freeze({ group: group.name, lane: lane.name, tag: lane.tag, fallback: lane.fallback });
      if (!byTag.has(lane.tag)) byTag.set(lane.tag, compiled);
      const rules = (lane.rules ?? []).map((rule) => compileRule(rule, compiled, keySources));
      if (rules.length === 0) continue;
      for (const service of group.entry?.services ?? []) {
        const known = entries.get(service);
        if (known === undefined) entries.set(service, [...rules]);
        else known.push(...rules);
      }
    }
  }

  const entryRules = new Map<string, EntryRules>();
  for (const [service, rules] of entries) entryRules.set(service, { match: (request, random) => firstMatch(rules, request, random) });

  return {
    document,
    services,
    polarisLabelsOf: (service) => joinedOf(polarisLabels.get(service)),
    groupOf: (tag) => all.lanes.get(tag)?.group,
    wireOf: (tag, from, to) => {
      const first = all.lanes.get(tag);
      if (first === undefined) return undefined;
      const callers = from === undefined ? undefined : wireGroups.get(from);
      const called = to === undefined ? undefined : wireGroups.get(to);
      return firstLane(tag, called, callers) ?? firstLane(tag, called) ?? firstLane(tag, callers) ?? first;
    },
    tagOfPolaris: (stain, service) => {
      for (const group of (service === undefined ? undefined : wireGroups.get(service)) ?? []) {
        const tag = group.stains.get(stain);
        if (tag !== undefined) return tag;
      }
      return all.stains.get(stain);
    },
    baseModeOf: (service) => baseModes.get(service),
    isDisabledTag: (tag) => all.lanes.has(tag) && !enabledTags.has(tag),
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

/** What lane groups say of tags on the wire. */
class WireGroup {
  /** tag → what is written of it. */
  readonly lanes = new Map<Tag, WireLane>();
  /** `group/rule`, or the value of a label → tag. */
  readonly stains = new Map<string, Tag>();

  /** Of what is there already the first stays. */
  add(tag: Tag, lane: WireLane, stains: readonly string[]): void {
    if (!this.lanes.has(tag)) this.lanes.set(tag, lane);
    for (const stain of stains) if (!this.stains.has(stain)) this.stains.set(stain, tag);
  }
}

/** What the first of the groups says of a tag, of those that are among `others`, too, where these are given. */
function firstLane(tag: Tag, groups: readonly WireGroup[] | undefined, others: readonly WireGroup[] | undefined = groups): WireLane | undefined {
  if (groups === undefined || others === undefined) return undefined;
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i] as WireGroup;
    if (others !== groups && !others.includes(group)) continue;
    const lane = group.lanes.get(tag);
    if (lane !== undefined) return lane;
  }
  return undefined;
}

function append<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

const NO_LABELS: readonly PolarisLabel[] = [];

/** Several lists as one, always the same object. Most services have one group, and share its list. */
function joinedOf(lists: Array<readonly PolarisLabel[]> | undefined): readonly PolarisLabel[] {
  if (lists === undefined) return NO_LABELS;
  if (lists.length > 1) lists.splice(0, lists.length, lists.flat());
  return lists[0] as readonly PolarisLabel[];
}

/** Polaris' label of a lane's instances; undefined: it equals ours, which is always read. */
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
  // By source: many rules use the same one, which is read once for all.
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
