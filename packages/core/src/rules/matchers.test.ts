import { describe, expect, test } from 'vitest';
import { compileKey, compileMatcher, compileRegex, compileStringMatch, MAX_REGEX_INPUT } from './matchers.js';
import { requestView, type RequestLike } from './request-view.js';
import type { Matcher, RequestKey, StringMatch } from './types.js';

const view = (given: Partial<RequestLike>): ReturnType<typeof requestView> =>
  requestView({ method: 'GET', url: '/', headers: {}, clientIp: undefined, ...given });

describe('a comparison', () => {
  // What it says of each of these values; undefined: the value is absent.
  const VALUES = [undefined, '', 'gray', 'GRAY', 'gray-1', 'a-gray', 'blue'] as const;

  test.each<[StringMatch, matching: readonly (typeof VALUES)[number][]]>([
    [{ exact: 'gray' }, ['gray']],
    [{ exact: '' }, ['']],
    [{ prefix: 'gray' }, ['gray', 'gray-1']],
    [{ suffix: 'gray' }, ['gray', 'a-gray']],
    [{ in: ['gray', 'blue'] }, ['gray', 'blue']],
    [{ in: [''] }, ['']],
    [{ regex: 'ra' }, ['gray', 'gray-1', 'a-gray']],
    [{ regex: '^gray$' }, ['gray']],
    [{ regex: '(?i)^gray$' }, ['gray', 'GRAY']],
    [{ regex: '^$' }, ['']],
    [{ present: true }, ['', 'gray', 'GRAY', 'gray-1', 'a-gray', 'blue']],
    [{ present: false }, [undefined]],
    [{ not: { exact: 'gray' } }, [undefined, '', 'GRAY', 'gray-1', 'a-gray', 'blue']],
    [{ not: { present: true } }, [undefined]],
    [{ not: { present: false } }, ['', 'gray', 'GRAY', 'gray-1', 'a-gray', 'blue']],
    [{ not: { regex: 'a' } }, [undefined, '', 'GRAY', 'blue']],
    [{ not: { not: { in: ['gray'] } } }, ['gray']],
  ])('%j holds for %j', (match, matching) => {
    expect(VALUES.filter(compileStringMatch(match))).toEqual(matching);
  });
});

describe('a condition', () => {
  const PLAIN: Partial<RequestLike> = {
    url: '/a/B?q=Gray&empty=',
    headers: { host: 'WWW.Example.com:80', 'x-user': 'Alice', cookie: 'Uid=Bob; none=' },
    method: 'POST',
    clientIp: '::ffff:10.1.2.3',
  };

  test.each<[Matcher, boolean]>([
    // Case matters in values, but for hosts and methods; and in names, but for headers.
    [{ host: { exact: 'www.EXAMPLE.com' } }, true],
    [{ host: { prefix: 'Www.' } }, true],
    [{ host: { suffix: '.COM' } }, true],
    [{ host: { in: ['a', 'WWW.example.com'] } }, true],
    [{ host: { regex: '^www\\.EXAMPLE\\.com$' } }, true],
    [{ host: { not: { exact: 'WWW.example.com' } } }, false],
    [{ method: { exact: 'post' } }, true],
    [{ method: { in: ['PUT', 'Post'] } }, true],
    [{ method: { regex: '^P' } }, true],
    [{ path: { exact: '/a/B' } }, true],
    [{ path: { exact: '/a/b' } }, false],
    [{ path: { suffix: '=' } }, false],
    [{ header: 'X-User', exact: 'Alice' }, true],
    [{ header: 'x-user', exact: 'alice' }, false],
    [{ cookie: 'Uid', exact: 'Bob' }, true],
    [{ cookie: 'uid', present: true }, false],
    [{ query: 'q', exact: 'Gray' }, true],
    [{ query: 'Q', present: true }, false],
    // An empty value is there.
    [{ query: 'empty', present: true }, true],
    [{ cookie: 'none', present: true }, true],
    [{ header: 'none', present: true }, false],
    [{ header: 'constructor', present: true }, false],
    [{ clientIp: { in: ['10.0.0.0/8'] } }, true],
    [{ clientIp: { in: ['fd00::/8', '11.0.0.0/8'] } }, false],
    [{ not: { clientIp: { in: ['10.0.0.0/8'] } } }, false],
    [{ all: [{ method: { exact: 'POST' } }, { path: { prefix: '/a' } }] }, true],
    [{ all: [{ method: { exact: 'POST' } }, { path: { prefix: '/b' } }] }, false],
    [{ any: [{ method: { exact: 'GET' } }, { path: { prefix: '/a' } }] }, true],
    [{ any: [{ method: { exact: 'GET' } }, { path: { prefix: '/b' } }] }, false],
    [{ not: { any: [{ method: { exact: 'GET' } }, { all: [{ path: { prefix: '/b' } }] }] } }, true],
  ])('%j is %s', (matcher, expected) => {
    expect(compileMatcher(matcher)(view(PLAIN))).toBe(expected);
  });

  test.each<[Matcher, boolean]>([
    [{ host: { present: true } }, false],
    [{ host: { present: false } }, true],
    [{ host: { not: { exact: 'a' } } }, true],
    [{ clientIp: { in: ['0.0.0.0/0', '::/0'] } }, false],
    [{ not: { clientIp: { in: ['0.0.0.0/0'] } } }, true],
  ])('on a request without host and client, %j is %s', (matcher, expected) => {
    expect(compileMatcher(matcher)(view({}))).toBe(expected);
  });
});

describe('a regular expression', () => {
  // Exponential, and quadratic, in engines that go back.
  test.each(['^(a+)+$', '^(a|a)*$', '^(.*a){12}$', 'a*a*a*a*b'])('%s takes linear time', (source) => {
    expect(compileRegex(source)(`${'a'.repeat(16_384)}!`)).toBe(false);
  });

  test.each(['(?=a)', '(?<!a)b', '(a)\\1', '(', '[b-a]', 'a**', 'a{1001}', '((a{100}){100}){100}'])('may not be %s', (source) => {
    expect(() => compileRegex(source)).toThrow(/error parsing regexp/);
  });
});

describe('a key', () => {
  const request = view({ url: '/?q=1', headers: { 'x-user': 'alice', cookie: 'uid=bob' }, clientIp: '10.0.0.1' });

  test.each<[RequestKey, string | undefined]>([
    [{ header: 'X-User' }, 'alice'],
    [{ header: 'x-other' }, undefined],
    [{ cookie: 'uid' }, 'bob'],
    [{ cookie: 'UID' }, undefined],
    [{ query: 'q' }, '1'],
    [{ query: 'r' }, undefined],
    [{ clientIp: true }, '10.0.0.1'],
  ])('%j is %j', (key, value) => expect(compileKey(key)(request)).toBe(value));

  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::ffff:a00:1', '::ffff:a00:1'],
    ['fd00::1', 'fd00::1'],
    [undefined, undefined],
  ])('of the client %s is %s, whatever the server listens on', (clientIp, value) => {
    expect(compileKey({ clientIp: true })(view({ clientIp }))).toBe(value);
  });
});

test('a value of more than 512 characters matches no regular expression; a shorter one may', () => {
  const matches = compileRegex('a$');
  expect(matches('a'.repeat(MAX_REGEX_INPUT))).toBe(true);
  expect(matches('a'.repeat(MAX_REGEX_INPUT + 1))).toBe(false);
});
