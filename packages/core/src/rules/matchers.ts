import { compileCidrs } from './cidrs.js';
import type { Matcher, RequestKey, RequestView, StringMatch } from './types.js';

/** A compiled condition. */
export type RequestTest = (request: RequestView) => boolean;

/** Reads a value of a request; undefined if it is absent. */
export type RequestReader = (request: RequestView) => string | undefined;

type ValueTest = (value: string | undefined) => boolean;

/** Compiles a condition: regular expressions and networks are prepared here, not at request time. The document must be valid. */
export function compileMatcher(matcher: Matcher): RequestTest {
  if ('all' in matcher) return allOf(matcher.all.map(compileMatcher));
  if ('any' in matcher) return anyOf(matcher.any.map(compileMatcher));
  if ('header' in matcher) return onValue(compileKey({ header: matcher.header }), compileStringMatch(matcher));
  if ('cookie' in matcher) return onValue(compileKey({ cookie: matcher.cookie }), compileStringMatch(matcher));
  if ('query' in matcher) return onValue(compileKey({ query: matcher.query }), compileStringMatch(matcher));
  // A view reports an unknown host as an empty string.
  if ('host' in matcher) return onValue((request) => request.host || undefined, compileStringMatch(matcher.host, true));
  if ('path' in matcher) return onValue((request) => request.path, compileStringMatch(matcher.path));
  if ('method' in matcher) return onValue(methodOf, compileStringMatch(matcher.method, true));
  if ('clientIp' in matcher) {
    const contains = compileCidrs(matcher.clientIp.in);
    return ({ clientIp }) => clientIp !== undefined && contains(clientIp);
  }
  const test = compileMatcher(matcher.not);
  return (request) => !test(request);
}

function allOf(tests: readonly RequestTest[]): RequestTest {
  return (request) => {
    for (const test of tests) if (!test(request)) return false;
    return true;
  };
}

function anyOf(tests: readonly RequestTest[]): RequestTest {
  return (request) => {
    for (const test of tests) if (test(request)) return true;
    return false;
  };
}

/** The last method read: all rules of a request use the same one, and over HTTP/2 it may be of any length. */
const lastMethod = { text: '', lower: '' };

function methodOf({ method }: RequestView): string {
  if (method !== lastMethod.text) {
    lastMethod.lower = method.toLowerCase();
    lastMethod.text = method;
  }
  return lastMethod.lower;
}

function onValue(read: RequestReader, test: ValueTest): RequestTest {
  return (request) => test(read(request));
}

/**
 * Compiles a comparison. With `ignoreCase`, compared values must be in lower case. An absent value matches only
 * `present: false` and negations; an empty one is present.
 */
export function compileStringMatch(match: StringMatch, ignoreCase = false): ValueTest {
  const fold = (text: string): string => (ignoreCase ? text.toLowerCase() : text);
  if (match.exact !== undefined) {
    const exact = fold(match.exact);
    return (value) => value === exact;
  }
  if (match.prefix !== undefined) {
    const prefix = fold(match.prefix);
    return (value) => value !== undefined && value.startsWith(prefix);
  }
  if (match.suffix !== undefined) {
    const suffix = fold(match.suffix);
    return (value) => value !== undefined && value.endsWith(suffix);
  }
  if (match.in !== undefined) {
    const values = new Set(match.in.map(fold));
    return (value) => value !== undefined && values.has(value);
  }
  if (match.present !== undefined) {
    const { present } = match;
    return (value) => (value !== undefined) === present;
  }
  if (match.regex !== undefined) {
    const find = compileRegex(match.regex, ignoreCase);
    return (value) => value !== undefined && find(value);
  }
  const test = compileStringMatch(match.not as StringMatch, ignoreCase);
  return (value) => !test(value);
}

/** Longer values match no regular expression: linear time is not short, and clients choose the length. */
export const MAX_REGEX_INPUT = 512;

/**
 * Compiles a regular expression in RE2 syntax, which runs in linear time: a rule must not be able to stall a service.
 * Throws re2js' error for an invalid one.
 */
export function compileRegex(source: string, ignoreCase = false): (value: string) => boolean {
  const pattern = compileRe2(source, ignoreCase);
  // Not test(): its automaton caches megabytes of states, and is slower for values crafted to reach new ones.
  return (value) => value.length <= MAX_REGEX_INPUT && pattern.matcher(value).find();
}

/** A compiled expression of re2js, as far as we use it: our declarations must not need its own, which nobody installs. */
export interface Re2 {
  matcher(value: string): { find(): boolean };
  programSize(): number;
  /** Internals, which is why package.json pins the version. */
  re2(): {
    readonly prog: object;
    readonly cond: number;
    readonly dfa: { readonly classBounds: Iterable<number> };
    readonly prefilter: object | null;
    readonly prefixComplete: boolean;
    readonly numSubexp: number;
  };
}

/** A re2js expression. Throws like {@link compileRegex}. */
export function compileRe2(source: string, ignoreCase: boolean): Re2 {
  // Loaded only for documents with a regular expression: it costs 8 to 10 ms, and is as large as the rest of the agent.
  const { RE2JS } = require('#re2js') as typeof import('re2js');
  return RE2JS.compile(source, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
}

/** Creates a reader of a named value. */
export function compileKey(key: RequestKey): RequestReader {
  const { header, cookie, query } = key;
  if (header !== undefined) {
    const name = header.toLowerCase();
    return (request) => request.header(name);
  }
  if (cookie !== undefined) return (request) => request.cookie(cookie);
  if (query !== undefined) return (request) => request.query(query);
  return clientOf;
}

/** IPv4 as such, even if a dual-stack socket reports it as IPv6: a client stays in its share, whatever the server listens on. */
function clientOf({ clientIp }: RequestView): string | undefined {
  return clientIp?.startsWith('::ffff:') === true && clientIp.includes('.') ? clientIp.slice('::ffff:'.length) : clientIp;
}
