/** Rules as a sentence. */
import type { EntryRule, Matcher, RequestKey, StringMatch } from '@lane/core/rules';
import type { Text } from '../language/en.js';

/** A rule as a sentence. */
export function ruleInWords(rule: EntryRule, t: Text): string {
  const { words } = t.rule;
  const parts = [rule.match === undefined ? words.every : matcherInWords(rule.match, t)];
  if (rule.percent !== undefined) {
    parts.push(words.percent(words.percentOf(rule.percent)));
    if (rule.by !== undefined) parts.push(words.stickyBy(keyInWords(rule.by, t)));
  }
  return parts.join(words.comma);
}

function keyInWords({ header, cookie, query }: RequestKey, t: Text): string {
  const { kinds } = t.rule;
  if (header !== undefined) return `${kinds.header} ${header}`;
  if (cookie !== undefined) return `${kinds.cookie} ${cookie}`;
  return query === undefined ? kinds.clientIp : `${kinds.query} ${query}`;
}

/** A condition as a sentence. */
export function matcherInWords(matcher: Matcher, t: Text): string {
  const { words, kinds } = t.rule;
  if ('all' in matcher) return matcher.all.map((part) => grouped(part, t)).join(words.and);
  if ('any' in matcher) return matcher.any.map((part) => grouped(part, t)).join(words.or);
  if ('header' in matcher) return compared(`${kinds.header} ${matcher.header} `, matcher, t);
  if ('cookie' in matcher) return compared(`${kinds.cookie} ${matcher.cookie} `, matcher, t);
  if ('query' in matcher) return compared(`${kinds.query} ${matcher.query} `, matcher, t);
  if ('host' in matcher) return compared(kinds.host, matcher.host, t);
  if ('path' in matcher) return compared(kinds.path, matcher.path, t);
  if ('method' in matcher) return compared(kinds.method, matcher.method, t);
  if ('clientIp' in matcher) return words.in(kinds.clientIp, matcher.clientIp.in.join(words.between));
  return words.not(matcherInWords(matcher.not, t));
}

function grouped(matcher: Matcher, t: Text): string {
  const words = matcherInWords(matcher, t);
  return 'all' in matcher || 'any' in matcher ? `(${words})` : words;
}

function compared(subject: string, match: StringMatch, t: Text): string {
  const { words } = t.rule;
  const what = t.locale === 'en' ? subject.trim() : subject;
  if (match.exact !== undefined) return words.exact(what, match.exact);
  if (match.prefix !== undefined) return words.prefix(what, match.prefix);
  if (match.suffix !== undefined) return words.suffix(what, match.suffix);
  if (match.regex !== undefined) return words.regex(what, match.regex);
  if (match.in !== undefined) return words.in(what, match.in.join(words.between));
  if (match.present !== undefined) return match.present ? words.present(what) : words.absent(what);
  return match.not === undefined ? what : words.not(compared(subject, match.not, t));
}
