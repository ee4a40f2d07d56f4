/**
 * The most that an entry's rules can cost a request. The model: all rules are tried, and each comparison is made. A regular
 * expression costs what {@link regexWork} counts. Everything else has a small constant cost, and each part of a request is parsed
 * once for all rules.
 */
import { MAX_REGEX_INPUT } from './matchers.js';
import { regexWork } from './regex-work.js';
import type { EntryRule, LaneGroupsDocument, Matcher, Problem, RequestKey, StringMatch } from './types.js';

/** All rules of an entry together. */
export const MAX_COST_MS = 1;

/**
 * Measured (`npm run bench -- rules`, Node 20, re2js 2.10, a busy machine): a step takes 18 to 48 ns of CPU time, most of all with `(?i)` and letters
 * whose other forms have to be looked up; a character of a scan 11; all that comes before the first of them 2 µs.
 */
const NS_PER_STEP = 50;
const NS_PER_SCANNED = 15;
const REGEX_NS = 2000;
/**
 * The rest, measured by the same for requests that make the most of it (16 KB of head), in entries of a thousand rules, took three quarters of this at most. A look-up
 * in the request, and one of the value: up to 91 ns.
 */
const COMPARISON_NS = 150;
/** A character of a value that is compared from its start or end: 8; compared as a whole: 0.1. */
const NS_PER_COMPARED = 10;
const NS_PER_EQUAL = 0.5;
/** The address is parsed once for all rules. */
const ADDRESS_NS = 200;
const NETWORK_NS = 100;
/** A hash of a key of as many characters as are hashed for each rule, and its look-up: 330. */
const SHARE_NS = 400;
/** Once for all rules: parameters 99 µs, of many escapes; cookies 43; of keys that shares stick to 16 KB, 40 µs; a cookie with escapes 0.6 µs. */
const READ_NS = { query: 200_000, cookies: 100_000, keys: 100_000, cookie: 800 };

/** The parts of a request that rules read, each parsed once; a cookie by its name. */
type Read = Exclude<keyof typeof READ_NS, 'cookie'> | `=${string}`;

interface RuleCost {
  readonly ns: number;
  readonly reads: ReadonlySet<Read>;
}

/** The cost of rules for one request. */
export class Cost {
  ns = 0;
  readonly #reads = new Set<Read>();

  add({ ns, reads }: RuleCost): void {
    this.ns += ns;
    for (const read of reads) {
      if (this.#reads.has(read)) continue;
      this.#reads.add(read);
      this.ns += read.startsWith('=') ? READ_NS.cookie : READ_NS[read as keyof typeof READ_NS];
    }
  }
}

/** Problems of a valid document whose rules cost an entry's requests more than {@link MAX_COST_MS}: the most expensive rule is named. */
export function costProblems(document: LaneGroupsDocument): Problem[] {
  const entries = new Map<string, { total: Cost; most: number; path: string; rule: string }>();
  document.groups.forEach((group, g) => {
    const services = group.entry?.services ?? [];
    if (services.length === 0) return;
    group.lanes.forEach((lane, l) =>
      (lane.rules ?? []).forEach((rule, r) => {
        const cost = costOfRule(rule);
        for (const service of services) {
          const entry = entries.get(service) ?? { total: new Cost(), most: -1, path: '', rule: '' };
          entries.set(service, entry);
          entry.total.add(cost);
          if (cost.ns > entry.most) Object.assign(entry, { most: cost.ns, path: `/groups/${g}/lanes/${l}/rules/${r}`, rule: rule.name });
        }
      }),
    );
  });
  const problems: Problem[] = [];
  for (const [service, { total, most, path, rule }] of entries) {
    if (total.ns <= MAX_COST_MS * 1e6) continue;
    const message = `the rules of the entry ${JSON.stringify(service)} can cost a request ${milliseconds(total.ns)}, and ${MAX_COST_MS} ms is the most: of that, rule ${JSON.stringify(rule)} costs ${milliseconds(most)}. Shorten its regular expressions, let them begin with ^ and be without repetitions, or compare by "in", "prefix" or "suffix"`;
    if (!problems.some((one) => one.path === path)) problems.push({ path, message });
  }
  return problems;
}

function milliseconds(ns: number): string {
  return `${(ns / 1e6).toPrecision(2)} ms`;
}

/** What one rule costs beside what it reads, in nanoseconds, and what that is. */
export function costOfRule({ match, percent, by }: EntryRule): RuleCost {
  const reads = new Set<Read>();
  if (by !== undefined) {
    reads.add('keys');
    noteRead(by, reads);
  }
  return { ns: (match === undefined ? 0 : costOfMatcher(match, reads)) + (percent === undefined ? 0 : SHARE_NS), reads };
}

function noteRead({ cookie, query }: RequestKey, reads: Set<Read>): void {
  if (query !== undefined) reads.add('query');
  if (cookie !== undefined) reads.add('cookies').add(`=${cookie}`);
}

function costOfMatcher(matcher: Matcher, reads: Set<Read>): number {
  if ('all' in matcher) return sum(matcher.all.map((one) => costOfMatcher(one, reads)));
  if ('any' in matcher) return sum(matcher.any.map((one) => costOfMatcher(one, reads)));
  if ('host' in matcher) return costOfMatch(matcher.host, true);
  if ('path' in matcher) return costOfMatch(matcher.path);
  if ('method' in matcher) return costOfMatch(matcher.method, true);
  if ('clientIp' in matcher) return ADDRESS_NS + NETWORK_NS * matcher.clientIp.in.length;
  if ('header' in matcher || 'cookie' in matcher || 'query' in matcher) {
    noteRead(matcher as RequestKey, reads);
    return costOfMatch(matcher);
  }
  return costOfMatcher(matcher.not, reads);
}

function costOfMatch(match: StringMatch, ignoreCase = false): number {
  if (match.not !== undefined) return costOfMatch(match.not, ignoreCase);
  if (match.regex !== undefined) return COMPARISON_NS + costOfRegex(match.regex, ignoreCase);
  return COMPARISON_NS + NS_PER_COMPARED * (match.prefix ?? match.suffix ?? '').length + NS_PER_EQUAL * (match.exact ?? '').length;
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
