/**
 * Explains rule by rule why a request gets into a lane or not. It is for people, not for the request path; a property test
 * compares it with the compiled rules.
 */
import { compileKey, compileMatcher } from './matchers.js';
import { isKeyWithin, isRandomWithin, shareOfKey } from './percentage.js';
import type { EntryMatch, EntryRule, Lane, LaneGroup, LaneGroupsDocument, Matcher, RequestKey, RequestView } from './types.js';

/**
 * The outcome of a rule. A closed set:
 * - `matched`: it puts the request into its lane
 * - `lane-disabled`: its lane is switched off, so it is not asked
 * - `no-match`: its condition does not hold; `failed` says which parts
 * - `outside-percentage`: its condition holds, and the request is not in its share
 * - `not-reached`: an earlier rule has matched
 */
export type RuleOutcome = 'matched' | 'lane-disabled' | 'no-match' | 'outside-percentage' | 'not-reached';

/** A rule of an entry service, and its outcome. */
export interface RuleTrial {
  readonly group: string;
  readonly lane: string;
  readonly tag: string;
  readonly rule: string;
  readonly outcome: RuleOutcome;
  /** If the outcome is `no-match`: the failed parts of the condition. */
  readonly failed?: readonly FailedPart[];
  /** If the outcome depended on a percentage. */
  readonly share?: RuleShare;
}

/** A part of a condition that does not hold. */
export interface FailedPart {
  /** Where in the rule: a JSON pointer, such as `/match/all/1`. */
  readonly path: string;
  readonly matcher: Matcher;
  /** The request's value there; undefined if it has none, or the part has several. */
  readonly actual: string | undefined;
}

/** How a percentage was decided. */
export interface RuleShare {
  readonly percent: number;
  /** What it sticks to; undefined: random. */
  readonly by: RequestKey | undefined;
  /** The value that it sticks to here; undefined: the request has none, so the choice was random. */
  readonly value: string | undefined;
  /** Where this value is among all, 0 to 99.99; it is in while the percentage is greater. undefined if the choice was random. */
  readonly position: number | undefined;
}

/** Everything tried for a request at a service, in order. */
export interface EntryExplanation {
  readonly service: string;
  /** Groups that have this service as an entry. Without any, no rules apply. */
  readonly groups: readonly string[];
  readonly trials: readonly RuleTrial[];
  readonly match: EntryMatch | undefined;
}

/** Explains which entry rule of a service puts a request into which lane. The document must be valid. `random` gives a number in [0, 1). */
export function explainEntry(document: LaneGroupsDocument, service: string, request: RequestView, random: () => number): EntryExplanation {
  const groups = document.groups.filter((group) => group.entry?.services.includes(service) === true);
  const trials: RuleTrial[] = [];
  let match: EntryMatch | undefined;
  for (const group of groups) {
    for (const lane of group.lanes) {
      for (const rule of lane.rules ?? []) {
        const trial = tryRule(group, lane, rule, match !== undefined, request, random);
        trials.push(trial);
        if (trial.outcome === 'matched') {
          match = { group: group.name, lane: lane.name, tag: lane.tag, fallback: lane.fallback, rule: rule.name };
        }
      }
    }
  }
  return { service, groups: groups.map(({ name }) => name), trials, match };
}

function tryRule(group: LaneGroup, lane: Lane, rule: EntryRule, isOver: boolean, request: RequestView, random: () => number): RuleTrial {
  const of = { group: group.name, lane: lane.name, tag: lane.tag, rule: rule.name };
  if (lane.enabled === false) return { ...of, outcome: 'lane-disabled' };
  if (isOver) return { ...of, outcome: 'not-reached' };
  const failed = rule.match === undefined ? [] : failedParts(rule.match, '/match', request);
  if (failed.length > 0) return { ...of, outcome: 'no-match', failed };
  if (rule.percent === undefined) return { ...of, outcome: 'matched' };
  const given = rule.by === undefined ? undefined : compileKey(rule.by)(request);
  const value = given === '' ? undefined : given;
  const isIn = value === undefined ? isRandomWithin(rule.percent, random) : isKeyWithin(rule.percent, rule.name, value);
  const position = value === undefined ? undefined : shareOfKey(rule.name, value);
  return { ...of, outcome: isIn ? 'matched' : 'outside-percentage', share: { percent: rule.percent, by: rule.by, value, position } };
}

/** The smallest failed parts of a condition; none if it holds. */
function failedParts(matcher: Matcher, path: string, request: RequestView): FailedPart[] {
  if (compileMatcher(matcher)(request)) return [];
  if ('all' in matcher) {
    return matcher.all.flatMap((part, i) => failedParts(part, `${path}/all/${i}`, request));
  }
  if ('any' in matcher) return matcher.any.flatMap((part, i) => failedParts(part, `${path}/any/${i}`, request));
  return [{ path, matcher, actual: actualOf(matcher, request) }];
}

function actualOf(matcher: Matcher, request: RequestView): string | undefined {
  if ('header' in matcher) return request.header(matcher.header.toLowerCase());
  if ('cookie' in matcher) return request.cookie(matcher.cookie);
  if ('query' in matcher) return request.query(matcher.query);
  if ('host' in matcher) return request.host === '' ? undefined : request.host;
  if ('path' in matcher) return request.path;
  if ('method' in matcher) return request.method;
  if ('clientIp' in matcher) return request.clientIp;
  return 'not' in matcher ? actualOf(matcher.not, request) : undefined;
}
