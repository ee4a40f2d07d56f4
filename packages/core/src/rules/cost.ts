/**
 * What the rules of an entry can cost a request at most. The model: all rules are tried, and each comparison is made. A regular
 * expression costs a step for each instruction of its program and each character of the value ({@link MAX_REGEX_INPUT} at most), since that is how often an
 * automaton of that many states can be advanced (re2js: Machine.step); all else costs a little that does not depend on the request.
 */
import { MAX_KEY_LENGTH } from './percentage.js';
import { MAX_REGEX_INPUT, regexProgramOf } from './matchers.js';
import type { EntryRule, LaneGroupsDocument, Matcher, Problem, StringMatch } from './types.js';

/** All rules of an entry together. */
export const MAX_COST_MS = 1;

/**
 * Between two measurements (`npm run bench -- rules`, Node 20, re2js 2.10): programs made to keep all of their states alive take 14 to 31 ns a step,
 * one with `(?i)` up to 39; what people write, such as `[a-z]+@example[.]com`, takes 0.2, as few of its states are alive at a time. So a
 * document of the first kind can cost four times what is computed, some 4 ms, and one of the second costs a fiftieth. To do better, states that can be
 * alive at once would have to be counted.
 */
const NS_PER_STEP = 10;
/** A look-up in the request, and one of the value. */
const COMPARISON_NS = 50;
const ADDRESS_NS = 500;
const NETWORK_NS = 20;
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
  if ('host' in matcher) return costOfMatch(matcher.host);
  if ('path' in matcher) return costOfMatch(matcher.path);
  if ('method' in matcher) return costOfMatch(matcher.method);
  if ('clientIp' in matcher) return ADDRESS_NS + NETWORK_NS * matcher.clientIp.in.length;
  if ('header' in matcher || 'cookie' in matcher || 'query' in matcher) return costOfMatch(matcher);
  return costOfMatcher(matcher.not);
}

function costOfMatch(match: StringMatch): number {
  if (match.not !== undefined) return costOfMatch(match.not);
  return match.regex === undefined ? COMPARISON_NS : COMPARISON_NS + NS_PER_STEP * regexSteps(match.regex);
}

/** How many steps a regular expression can take at most. */
export function regexSteps(source: string): number {
  const instructions = regexProgramOf(source);
  // Without repetitions, and only from the beginning, no more characters are looked at than there are instructions for them.
  const bare = source.replace(/\\./gs, 'x');
  const isBounded = bare.startsWith('^') && !/[*+]|,\}|\(\?[^:]/.test(bare) && !hasOuterAlternative(bare);
  return instructions * (isBounded ? Math.min(instructions, MAX_REGEX_INPUT) : MAX_REGEX_INPUT);
}

/** Whether a `|` stands outside of all groups. Brackets of a class may hide one that does not: then the answer is yes. */
function hasOuterAlternative(source: string): boolean {
  let depth = 0;
  for (const character of source) {
    if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === '[' || (character === '|' && depth <= 0)) return true;
  }
  return false;
}

function sum(numbers: readonly number[]): number {
  let total = 0;
  for (const one of numbers) total += one;
  return total;
}
