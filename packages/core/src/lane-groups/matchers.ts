import { compileCidrs } from './cidrs.js';
import type { Matcher, RequestKey, RequestView, StringMatch } from './types.js';

/** A condition made ready to be asked. */
export type RequestTest = (request: RequestView) => boolean;

type ValueTest = (value: string | undefined) => boolean;

/** Compiles a condition: regular expressions and networks are prepared here, not at request time. The document must be valid. */
export function compileMatcher(matcher: Matcher): RequestTest {
  if ('all' in matcher) {
    const tests = matcher.all.map(compileMatcher);
    return (request) => tests.every((test) => test(request));
  }
  if ('any' in matcher) {
    const tests = matcher.any.map(compileMatcher);
    return (request) => tests.some((test) => test(request));
  }
  if ('header' in matcher) return onValue(matcher, (name) => (request) => request.header(name), matcher.header.toLowerCase());
  if ('cookie' in matcher) return onValue(matcher, (name) => (request) => request.cookie(name), matcher.cookie);
  if ('query' in matcher) return onValue(matcher, (name) => (request) => request.query(name), matcher.query);
  if ('host' in matcher) {
    const test = compileStringMatch(matcher.host, true);
    return (request) => test(request.host);
  }
  if ('path' in matcher) {
    const test = compileStringMatch(matcher.path);
    return (request) => test(request.path);
  }
  if ('method' in matcher) {
    const test = compileStringMatch(matcher.method, true);
    return (request) => test(request.method.toLowerCase());
  }
  if ('clientIp' in matcher) {
    const contains = compileCidrs(matcher.clientIp.in);
    return ({ clientIp }) => clientIp !== undefined && contains(clientIp);
  }
  const test = compileMatcher(matcher.not);
  return (request) => !test(request);
}

function onValue(match: StringMatch, reader: (name: string) => (request: RequestView) => string | undefined, name: string): RequestTest {
  const test = compileStringMatch(match);
  const read = reader(name);
  return (request) => test(read(request));
}

/** Compiles a comparison. With `ignoreCase` the values that are compared are expected in lower case. An absent value matches only `present: false` and negations. */
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
    return (value) => (value !== undefined && value !== '') === present;
  }
  if (match.regex !== undefined) {
    const find = compileRegex(match.regex, ignoreCase);
    return (value) => value !== undefined && find(value);
  }
  const test = compileStringMatch(match.not as StringMatch, ignoreCase);
  return (value) => !test(value);
}

type Re2 = typeof import('re2js');

/**
 * Compiles a regular expression of RE2 syntax, which runs in linear time: a rule must not be able to stop a service.
 * Throws what re2js throws for one that is none.
 */
export function compileRegex(source: string, ignoreCase = false): (value: string) => boolean {
  // Loaded only for documents with a regular expression: it is as large as the rest of the agent.
  const { RE2JS } = require('re2js') as Re2;
  const pattern = RE2JS.compile(source, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  return (value) => pattern.matcher(value).find();
}

/** Reads a named value of a request. */
export function readKey(request: RequestView, key: RequestKey): string | undefined {
  if (key.header !== undefined) return request.header(key.header.toLowerCase());
  if (key.cookie !== undefined) return request.cookie(key.cookie);
  if (key.query !== undefined) return request.query(key.query);
  return request.clientIp;
}
