/**
 * What the rules of an entry can cost a request at most. The model: all rules are tried, and each comparison is made. A regular
 * expression costs what {@link regexWork} counts; all else costs a little that does not depend on the request.
 */
import { MAX_KEY_LENGTH } from './percentage.js';
import { MAX_REGEX_INPUT } from './matchers.js';
import { regexWork } from './regex-work.js';
import type { EntryRule, LaneGroupsDocument, Matcher, Problem, StringMatch } from './types.js';

/** All rules of an entry together. */
export const MAX_COST_MS = 1;

/**
 * Measured (`npm run bench -- rules`, Node 20, re2js 2.10, a busy machine): a step takes 18 to 48 ns of CPU time, most of all with `(?i)` and letters
 * whose other forms have to be looked up; a character of a scan 11; all that comes before the first of them 2 µs.
 */
const NS_PER_STEP = 50;
const NS_PER_SCANNED = 15;
const REGEX_NS = 2000;
/** A look-up in the request, and one of the value. */
const COMPARISON_NS = 50;
/** A character of a value that is compared from its beginning or end. */
const NS_PER_COMPARED = 10;
/** The address is parsed once for all rules. */
const ADDRESS_NS = 200;
const NETWORK_NS = 100;
/** A hash of a key, two characters at a time. */
const SHARE_NS = MAX_KEY_LENGTH;

/** Problems of a valid document whose rules cost an entry's requests more than {@link MAX_COST_MS}: the most expensive rule is named. */
export function costProblems(document: LaneGroupsDocument): Problem[] {
  const entries = new Map<string, { total: number; most: number; path: string; rule: string }>();
  document.groups.forEach((group, g) => {
    const services = group.entry?.services ?? [];
    if (services.length === 0) return;
    group.lanes.forEach((lane, l) =>
      (lane.rules ?? []).forEach((rule, r) => {
        const cost = costOfRule(rule);
        for (const service of services) {
          const entry = entries.get(service) ?? { total: 0, most: -1, path: '', rule: '' };
          entries.set(service, entry);
          entry.total += cost;
          if (cost > entry.most) Object.assign(entry, { most: cost, path: `/groups/${g}/lanes/${l}/rules/${r}`, rule: rule.name });
        }
      }),
    );
  });
  const problems: Problem[] = [];
  for (const [service, { total, most, path, rule }] of entries) {
    if (total <= MAX_COST_MS * 1e6) continue;
    const message = `the rules of the entry ${JSON.stringify(service)} can cost a request ${milliseconds(total)}, and ${MAX_COST_MS} ms is the most: of that, rule ${JSON.stringify(rule)} costs ${milliseconds(most)}. Shorten its regular expressions, let them begin with ^ and be without repetitions, or compare by "in", "prefix" or "suffix"`;
    if (!problems.some((one) => one.path === path)) problems.push({ path, message });
  }
  return problems;
}

function milliseconds(ns: number): string {
  return `${(ns / 1e6).toPrecision(2)} ms`;
}

/** In nanoseconds. */
function costOfRule(rule: EntryRule): number {
  return (rule.match === undefined ? 0 : costOfMatcher(rule.match)) + (rule.percent === undefined ? 0 : SHARE_NS);
}

function costOfMatcher(matcher: Matcher): number {
  if ('all' in matcher) return sum(matcher.all.map(costOfMatcher));
  if ('any' in matcher) return sum(matcher.any.map(costOfMatcher));
  if ('host' in matcher) return costOfMatch(matcher.host, true);
  if ('path' in matcher) return costOfMatch(matcher.path);
  if ('method' in matcher) return costOfMatch(matcher.method, true);
  if ('clientIp' in matcher) return ADDRESS_NS + NETWORK_NS * matcher.clientIp.in.length;
  if ('header' in matcher || 'cookie' in matcher || 'query' in matcher) return costOfMatch(matcher);
  return costOfMatcher(matcher.not);
}

function costOfMatch(match: StringMatch, ignoreCase = false): number {
  if (match.not !== undefined) return costOfMatch(match.not, ignoreCase);
  if (match.regex !== undefined) return COMPARISON_NS + costOfRegex(match.regex, ignoreCase);
  return COMPARISON_NS + NS_PER_COMPARED * (match.prefix ?? match.suffix ?? '').length;
}

/** In nanoseconds, for any value. */
export function costOfRegex(source: string, ignoreCase: boolean): number {
  const { steps, scans } = regexWork(source, ignoreCase, (MAX_COST_MS * 1e6) / NS_PER_STEP);
  return REGEX_NS + NS_PER_STEP * steps + NS_PER_SCANNED * MAX_REGEX_INPUT * scans;
}

function sum(numbers: readonly number[]): number {
  let total = 0;
  for (const one of numbers) total += one;
  return total;
}
