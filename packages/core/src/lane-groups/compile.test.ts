import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileCidrs } from './cidrs.js';
import { compileLaneGroups } from './compile.js';
import { parseLaneGroups } from './parse.js';
import { hashText, isKeyWithin } from './percentage.js';
import { requestView, type RequestLike } from './request-view.js';
import type { EntryRule, LaneGroupsDocument, LaneRules, Matcher } from './types.js';

const NEVER = (): number => 0.999999;

function request(given: Partial<RequestLike> = {}): ReturnType<typeof requestView> {
  return requestView({ method: 'GET', url: '/', headers: {}, clientIp: undefined, ...given });
}

function rulesOf(document: LaneGroupsDocument): LaneRules {
  const parsed = parseLaneGroups(document);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return compileLaneGroups(parsed.document);
}

function withRules(...rules: EntryRule[]): LaneRules {
  return rulesOf({ version: 1, groups: [{ name: 'shop', services: ['a'], entry: { services: ['a'] }, lanes: [{ name: 'gray', tag: 'gray', rules }] }] });
}

describe('a condition', () => {
  test.each<[Matcher, Partial<RequestLike>, boolean]>([
    [{ host: { exact: 'www.example.com' } }, { headers: { host: 'WWW.Example.com:8000' } }, true],
    [{ host: { exact: 'WWW.EXAMPLE.COM' } }, { headers: { host: 'www.example.com' } }, true],
    [{ host: { exact: 'www.example.com' } }, { headers: { host: 'example.com' } }, false],
    [{ host: { suffix: '.example.com' } }, { headers: { host: 'a.example.com' } }, true],
    [{ host: { exact: '::1' } }, { headers: { host: '[::1]:80' } }, true],
    [{ path: { prefix: '/a' } }, { url: '/a/b?c=d' }, true],
    [{ path: { exact: '/a' } }, { url: '/a?c=d' }, true],
    [{ path: { exact: '/a' } }, { url: 'http://proxy.example/a?x' }, true],
    [{ path: { prefix: '/a' } }, { url: '/b' }, false],
    [{ path: { regex: '^/orders/\\d+$' } }, { url: '/orders/42' }, true],
    [{ path: { regex: '^/orders/\\d+$' } }, { url: '/orders/x' }, false],
    [{ method: { in: ['post', 'PUT'] } }, { method: 'POST' }, true],
    [{ method: { exact: 'post' } }, { method: 'GET' }, false],
    [{ header: 'X-User', in: ['alice', 'bob'] }, { headers: { 'x-user': 'bob' } }, true],
    [{ header: 'x-user', exact: 'Alice' }, { headers: { 'x-user': 'alice' } }, false],
    [{ header: 'x-user', exact: 'a, b' }, { headers: { 'x-user': ['a', 'b'] } }, true],
    [{ header: 'x-user', present: true }, { headers: { 'x-user': 'x' } }, true],
    [{ header: 'x-user', present: true }, {}, false],
    [{ header: 'x-user', present: false }, {}, true],
    [{ header: 'x-user', not: { exact: 'alice' } }, {}, true],
    [{ header: 'x-user', not: { exact: 'alice' } }, { headers: { 'x-user': 'alice' } }, false],
    [{ cookie: 'uid', exact: 'a b' }, { headers: { cookie: 'x=1; uid=a%20b; uid=c' } }, true],
    [{ cookie: 'uid', present: true }, { headers: { cookie: 'uidx=1' } }, false],
    [{ query: 'q', prefix: 'a' }, { url: '/?p=1&q=ab' }, true],
    [{ query: 'q', exact: 'a b' }, { url: '/?q=a+b' }, true],
    [{ clientIp: { in: ['10.0.0.0/8'] } }, { clientIp: '10.1.2.3' }, true],
    [{ clientIp: { in: ['10.0.0.0/8'] } }, { clientIp: '::ffff:10.1.2.3' }, true],
    [{ clientIp: { in: ['10.0.0.0/8'] } }, { clientIp: '11.1.2.3' }, false],
    [{ clientIp: { in: ['fd00::/8', '192.0.2.7'] } }, { clientIp: 'fd12::1' }, true],
    [{ clientIp: { in: ['192.0.2.7'] } }, { clientIp: '192.0.2.7' }, true],
    [{ clientIp: { in: ['192.0.2.7'] } }, {}, false],
    [{ all: [{ path: { prefix: '/a' } }, { header: 'h', exact: '1' }] }, { url: '/a', headers: { h: '1' } }, true],
    [{ all: [{ path: { prefix: '/a' } }, { header: 'h', exact: '1' }] }, { url: '/a' }, false],
    [{ any: [{ path: { prefix: '/a' } }, { header: 'h', exact: '1' }] }, { url: '/a' }, true],
    [{ not: { path: { prefix: '/a' } } }, { url: '/b' }, true],
  ])('%j on %j is %s', (match, given, expected) => {
    expect(withRules({ name: 'r', match }).entryOf('a')?.match(request(given), NEVER) !== undefined).toBe(expected);
  });

  test('a regular expression that would take for ever elsewhere is over at once', () => {
    const rules = withRules({ name: 'r', match: { path: { regex: '^/(a+)+$' } } });
    expect(rules.entryOf('a')?.match(request({ url: `/${'a'.repeat(20_000)}!` }), NEVER)).toBeUndefined();
  });
});

describe('lane groups', () => {
  const rules = rulesOf({
    version: 1,
    groups: [
      {
        name: 'shop',
        services: ['a', 'b', 'c'],
        entry: { services: ['a'] },
        lanes: [
          { name: 'off', tag: 'off', enabled: false, rules: [{ name: 'all', percent: 100 }] },
          { name: 'gray', tag: 'gray', fallback: 'none', rules: [{ name: 'staff', match: { header: 'x-user', exact: 'alice' } }] },
          { name: 'blue', tag: 'blue', rules: [{ name: 'staff too', match: { header: 'x-user', present: true } }] },
        ],
      },
      { name: 'pay', services: ['c', 'd'], entry: { services: ['a'] }, lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'rest', match: { path: { prefix: '/pay' } } }] }, { name: 'was-off', tag: 'half', enabled: true }] },
      { name: 'old', services: ['e'], lanes: [{ name: 'half', tag: 'half', enabled: false }] },
    ],
  });

  test.each([
    [{ headers: { 'x-user': 'alice' } }, 'shop/gray/staff'],
    [{ headers: { 'x-user': 'bob' } }, 'shop/blue/staff too'],
    [{ headers: { 'x-user': 'bob' }, url: '/pay' }, 'shop/blue/staff too'],
    [{ url: '/pay' }, 'pay/gray/rest'],
    [{}, undefined],
  ])('%j enters by %s: lanes and rules in document order, disabled lanes never', (given, expected) => {
    const match = rules.entryOf('a')?.match(request(given), NEVER);
    expect(match && `${match.group}/${match.lane}/${match.rule}`).toBe(expected);
  });

  test('only entry services have entry rules', () => {
    expect(rules.entryOf('b')).toBeUndefined();
    expect(rulesOf({ version: 1, groups: [] }).entryOf('a')).toBeUndefined();
  });

  test.each([
    ['a', 'gray', 'shop', 'none'],
    ['c', 'gray', 'shop', 'none'],
    ['d', 'gray', 'pay', undefined],
    ['d', 'half', 'pay', undefined],
    ['e', 'half', undefined, undefined],
    ['a', 'off', undefined, undefined],
    ['a', 'unknown', undefined, undefined],
    ['z', 'gray', undefined, undefined],
  ])('service %s and tag %s: lane of group %s, fallback %s', (service, tag, group, fallback) => {
    const lane = rules.laneOf(service, tag);
    expect([lane?.group, lane?.fallback]).toEqual([group, fallback]);
  });

  test('a tag counts as none where all its lanes are disabled, and only there', () => {
    expect([rules.isDisabledTag('off'), rules.isDisabledTag('half'), rules.isDisabledTag('gray'), rules.isDisabledTag('unknown')]).toEqual([true, false, false, false]);
  });

  test('all services of all groups are known', () => expect([...rules.services].sort()).toEqual(['a', 'b', 'c', 'd', 'e']));
});

describe('a percentage', () => {
  test('sticks to its key: the hash is the same in every process', () => {
    expect(['', 'a', 'ab', 'five-percent\0alice', '灰度'].map((text) => hashText(text))).toEqual(GOLDEN);
  });
  const GOLDEN = ['', 'a', 'ab', 'five-percent\0alice', '灰度'].map(murmur3Reference);

  test('of a key is in or out for good; without a key it is random', () => {
    const rules = withRules({ name: 'half', percent: 50, by: { cookie: 'uid' } });
    const isIn = (uid: string | undefined, random: number): boolean => rules.entryOf('a')?.match(request(uid === undefined ? {} : { headers: { cookie: `uid=${uid}` } }), () => random) !== undefined;
    for (const uid of ['alice', 'bob', 'carol']) expect(isIn(uid, 0)).toBe(isIn(uid, 0.99));
    expect([isIn(undefined, 0.499), isIn(undefined, 0.5)]).toEqual([true, false]);
    expect([isIn('', 0.499), isIn('', 0.5)]).toEqual([true, false]);
  });

  test('never takes a key out when it is raised; 0 takes none, 100 all', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 0, max: 10_000 }), (rule, key, a, b) => {
        const [low, high] = a < b ? [a / 100, b / 100] : [b / 100, a / 100];
        if (isKeyWithin(low, rule, key)) expect(isKeyWithin(high, rule, key)).toBe(true);
        expect([isKeyWithin(0, rule, key), isKeyWithin(100, rule, key)]).toEqual([false, true]);
      }),
    );
  });

  test.each([0.5, 5, 37.25, 90])('of %d has that share of the keys, whatever the rule', (percent) => {
    for (const rule of ['five-percent', 'another']) {
      let within = 0;
      for (let i = 0; i < 100_000; i++) if (isKeyWithin(percent, rule, `user-${i}`)) within++;
      // Six standard deviations.
      const deviation = Math.sqrt(percent * (100 - percent) * 10) * 6;
      expect(Math.abs(within - percent * 1000)).toBeLessThan(deviation);
    }
  });

  test('of two rules choose independently', () => {
    let both = 0;
    for (let i = 0; i < 100_000; i++) if (isKeyWithin(50, 'one', `user-${i}`) && isKeyWithin(50, 'two', `user-${i}`)) both++;
    expect(Math.abs(both - 25_000)).toBeLessThan(1_000);
  });
});

test('networks are compared in their own family', () => {
  const contains = compileCidrs(['0.0.0.0/0']);
  expect([contains('1.2.3.4'), contains('::1'), contains('no address')]).toEqual([true, false, false]);
});

/** MurmurHash3 x86_32 over bytes, written from its description; text as UTF-16, low byte first. */
function murmur3Reference(text: string): number {
  const bytes = Buffer.from(text, 'utf16le');
  let h = 0;
  const mix = (k: number): number => {
    const m = Math.imul(k, 0xcc9e2d51);
    return Math.imul((m << 15) | (m >>> 17), 0x1b873593);
  };
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) {
    h ^= mix(bytes.readInt32LE(i));
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  let k = 0;
  for (let j = bytes.length - 1; j >= i; j--) k = (k << 8) | (bytes[j] as number);
  if (bytes.length > i) h ^= mix(k);
  h ^= bytes.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
