/** Conditions of entry rules in a form from which other gateways' languages can be generated. */
import type { Matcher, StringMatch } from '@lane/core/rules';
import { escapeRegex, portableRegex } from './regex.js';

export { escapeRegex } from './regex.js';

/** The part of a request that is compared. */
export type Subject =
  | { readonly kind: 'host' | 'path' | 'method' }
  | { readonly kind: 'header' | 'cookie' | 'query'; readonly name: string }
  | { readonly kind: 'clientIp' };

/** How it is compared. */
export type Comparison =
  | { readonly op: 'exact' | 'prefix' | 'suffix'; readonly value: string }
  /** RE2 syntax, without names of groups. `onlyRe2`: the part that means something else to PCRE or Java. */
  | { readonly op: 'regex'; readonly value: string; readonly onlyRe2: string | undefined }
  | { readonly op: 'in'; readonly values: readonly string[] }
  | { readonly op: 'present' };

/** One comparison; an absent value fails it, and so fulfils its negation. */
export interface Leaf {
  readonly kind: 'leaf';
  readonly subject: Subject;
  readonly comparison: Comparison;
  readonly negated: boolean;
}

/** A condition. */
export type Condition = Leaf | { readonly kind: 'all' | 'any'; readonly of: readonly Condition[] };

/** Converts a matcher; negations move to the leaves (De Morgan). */
export function conditionOf(matcher: Matcher, negated = false): Condition {
  if ('all' in matcher) return { kind: negated ? 'any' : 'all', of: matcher.all.map((one) => conditionOf(one, negated)) };
  if ('any' in matcher) return { kind: negated ? 'all' : 'any', of: matcher.any.map((one) => conditionOf(one, negated)) };
  if ('header' in matcher) return leaf({ kind: 'header', name: matcher.header.toLowerCase() }, matcher, negated);
  if ('cookie' in matcher) return leaf({ kind: 'cookie', name: matcher.cookie }, matcher, negated);
  if ('query' in matcher) return leaf({ kind: 'query', name: matcher.query }, matcher, negated);
  if ('host' in matcher) return leaf({ kind: 'host' }, lowered(matcher.host), negated);
  if ('path' in matcher) return leaf({ kind: 'path' }, matcher.path, negated);
  if ('method' in matcher) return leaf({ kind: 'method' }, lowered(matcher.method), negated);
  if ('clientIp' in matcher) return { kind: 'leaf', subject: { kind: 'clientIp' }, comparison: { op: 'in', values: matcher.clientIp.in }, negated };
  return conditionOf(matcher.not, !negated);
}

function leaf(subject: Subject, match: StringMatch, negated: boolean): Leaf {
  if (match.not !== undefined) return leaf(subject, match.not, !negated);
  const made = (comparison: Comparison, turned = negated): Leaf => ({ kind: 'leaf', subject, comparison, negated: turned });
  if (match.exact !== undefined) return made({ op: 'exact', value: match.exact });
  if (match.prefix !== undefined) return made({ op: 'prefix', value: match.prefix });
  if (match.suffix !== undefined) return made({ op: 'suffix', value: match.suffix });
  if (match.regex !== undefined) {
    const { text, onlyRe2 } = portableRegex(match.regex);
    return made({ op: 'regex', value: text, onlyRe2 });
  }
  if (match.in !== undefined) return made({ op: 'in', values: match.in });
  return made({ op: 'present' }, match.present === negated);
}

/** Host and method are compared case-insensitively. */
function lowered(match: StringMatch): StringMatch {
  const fold = (text: string): string => text.toLowerCase();
  if (match.not !== undefined) return { not: lowered(match.not) };
  if (match.exact !== undefined) return { exact: fold(match.exact) };
  if (match.prefix !== undefined) return { prefix: fold(match.prefix) };
  if (match.suffix !== undefined) return { suffix: fold(match.suffix) };
  if (match.in !== undefined) return { in: match.in.map(fold) };
  return match;
}

/** The most alternatives that are written out. */
const MAX_ALTERNATIVES = 64;

/** The condition as alternatives of comparisons that all must hold, for languages without nesting; undefined if there would be too many. */
export function alternativesOf(condition: Condition): ReadonlyArray<readonly Leaf[]> | undefined {
  if (condition.kind === 'leaf') return [[condition]];
  if (condition.kind === 'any') {
    const all: Array<readonly Leaf[]> = [];
    for (const one of condition.of) {
      const alternatives = alternativesOf(one);
      if (alternatives === undefined) return undefined;
      all.push(...alternatives);
    }
    return all.length > MAX_ALTERNATIVES ? undefined : all;
  }
  let all: Array<readonly Leaf[]> = [[]];
  for (const one of condition.of) {
    const alternatives = alternativesOf(one);
    if (alternatives === undefined) return undefined;
    all = all.flatMap((left) => alternatives.map((right) => [...left, ...right]));
    if (all.length > MAX_ALTERNATIVES) return undefined;
  }
  return all;
}

/** Whether a header can have this name (a token of RFC 9110, 5.6.2). */
export function isHeaderName(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name);
}

/** Why no target can express a condition; undefined: some can. */
export function unwritable(condition: Condition): string | undefined {
  for (const { subject, comparison } of leavesOf(condition)) {
    if (subject.kind === 'header' && !isHeaderName(subject.name)) return `no header can have the name ${JSON.stringify(subject.name)}`;
    const values = comparison.op === 'present' ? [] : comparison.op === 'in' ? comparison.values : [comparison.value];
    // Most configurations end at a NUL, and half a surrogate pair cannot be encoded.
    if (values.some((value) => value.includes('\0') || /\p{Surrogate}/u.test(value))) return 'a value with NUL or an unpaired surrogate';
  }
  return undefined;
}

/** All comparisons in a condition. */
export function leavesOf(condition: Condition): readonly Leaf[] {
  return condition.kind === 'leaf' ? [condition] : condition.of.flatMap(leavesOf);
}

/** A comparison as an unanchored regular expression. `textOf` writes a literal. */
export function searchedRegex(comparison: Exclude<Comparison, { op: 'present' }>, textOf: (text: string) => string = escapeRegex): string {
  switch (comparison.op) {
    case 'exact':
      return `^${textOf(comparison.value)}$`;
    case 'prefix':
      return `^${textOf(comparison.value)}`;
    case 'suffix':
      return `${textOf(comparison.value)}$`;
    case 'in':
      return `^(?:${comparison.values.map(textOf).join('|')})$`;
    case 'regex':
      return comparison.value;
  }
}

/** A comparison as a regular expression for the whole value. */
export function wholeRegex(comparison: Exclude<Comparison, { op: 'present' }>, textOf: (text: string) => string = escapeRegex): string {
  switch (comparison.op) {
    case 'exact':
      return textOf(comparison.value);
    case 'prefix':
      return `${textOf(comparison.value)}.*`;
    case 'suffix':
      return `.*${textOf(comparison.value)}`;
    case 'in':
      return `(?:${comparison.values.map(textOf).join('|')})`;
    case 'regex':
      return `.*(?:${comparison.value}).*`;
  }
}

/** A literal in a cookie or a query, where it may be percent-encoded: as it is, or encoded where it usually is. */
export function encodedText(kind: 'cookie' | 'query'): (text: string) => string {
  return (text) => {
    let pattern = '';
    for (const character of text) {
      if (/^[\w.~-]$/.test(character)) {
        pattern += escapeRegex(character);
        continue;
      }
      const bytes = [...new TextEncoder().encode(character)].map((byte) => `%${hexDigits(byte)}`).join('');
      const forms = [bytes];
      if (kind === 'query' && character === ' ') forms.unshift('\\+');
      else if (!(kind === 'query' && /[+&#]/.test(character)) && !(kind === 'cookie' && /[;, "]/.test(character)))
        forms.unshift(escapeRegex(character));
      pattern += forms.length === 1 ? (forms[0] as string) : `(?:${forms.join('|')})`;
    }
    return pattern;
  };
}

function hexDigits(byte: number): string {
  const hex = byte.toString(16).toUpperCase().padStart(2, '0');
  return [...hex].map((digit) => (/[A-F]/.test(digit) ? `[${digit}${digit.toLowerCase()}]` : digit)).join('');
}
