import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileLaneGroups } from './compile.js';
import { parseLaneGroups } from './parse.js';
import { isKeyWithin } from './percentage.js';
import { requestView, type RequestLike } from './request-view.js';
import type { EntryRule, Lane, LaneGroup, LaneGroupsDocument, LaneRules, Matcher } from './types.js';

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
  return rulesOf({
    version: 1,
    groups: [{ name: 'shop', services: ['a'], entry: { services: ['a'] }, lanes: [{ name: 'gray', tag: 'gray', rules }] }],
  });
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

  test('a regular expression that would take forever elsewhere finishes at once', () => {
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
      {
        name: 'pay',
        services: ['c', 'd'],
        entry: { services: ['a'] },
        lanes: [
          { name: 'gray', tag: 'gray', rules: [{ name: 'rest', match: { path: { prefix: '/pay' } } }] },
          { name: 'was-off', tag: 'half', enabled: true },
        ],
      },
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

  test('a tag counts as none where all its lanes are disabled, and nowhere else', () => {
    expect([rules.isDisabledTag('off'), rules.isDisabledTag('half'), rules.isDisabledTag('gray'), rules.isDisabledTag('unknown')]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  test('all services of all groups are known', () => expect([...rules.services].toSorted()).toEqual(['a', 'b', 'c', 'd', 'e']));
});

/** Whether a rule takes a request in. */
function isIn(rule: Omit<EntryRule, 'name'>, given: Partial<RequestLike>, random: number): boolean {
  return (
    withRules({ name: 'share', ...rule })
      .entryOf('a')
      ?.match(request(given), () => random) !== undefined
  );
}

/** A request that has one value everywhere. */
function having(key: string): Partial<RequestLike> {
  return { url: `/?u=${key}`, headers: { 'x-user': key, cookie: `uid=${key}` }, clientIp: key };
}

function isEnabled({ enabled }: Lane): boolean {
  return enabled !== false;
}

describe('a percentage', () => {
  test('by a key is permanently in or out; with a missing or empty key it is random', () => {
    const sticky = { percent: 50, by: { cookie: 'uid' } };
    for (const uid of ['alice', 'bob', 'carol', 'dave']) {
      const inside = isKeyWithin(50, 'share', uid);
      for (const random of [0, 0.999]) expect(isIn(sticky, { headers: { cookie: `uid=${uid}` } }, random)).toBe(inside);
    }
    for (const given of [{}, { headers: { cookie: 'uid=' } }, { headers: { cookie: 'other=alice' } }]) {
      expect([isIn(sticky, given, 0.4999), isIn(sticky, given, 0.5)]).toEqual([true, false]);
    }
  });

  test.each([{ header: 'X-User' }, { cookie: 'uid' }, { query: 'u' }, { clientIp: true as const }])('sticks to %j', (by) => {
    const keys = Array.from({ length: 40 }, (_, i) => `10.0.0.${i}`);
    expect(keys.filter((key) => isIn({ percent: 50, by }, having(key), 0))).toEqual(keys.filter((key) => isKeyWithin(50, 'share', key)));
  });

  test('without a key is random', () => {
    expect([isIn({ percent: 5 }, {}, 0.0499), isIn({ percent: 5 }, {}, 0.05)]).toEqual([true, false]);
  });

  test('of 0 never matches, of 100 always', () => {
    for (const by of [undefined, { cookie: 'uid' }]) {
      const rule = (percent: number): Omit<EntryRule, 'name'> => (by === undefined ? { percent } : { percent, by });
      for (const given of [{}, { headers: { cookie: 'uid=alice' } }])
        expect([isIn(rule(0), given, 0), isIn(rule(100), given, 0.999999)]).toEqual([false, true]);
    }
  });

  test('and a condition must both hold', () => {
    const both = { match: { path: { prefix: '/a' } }, percent: 50 };
    expect([isIn(both, { url: '/a' }, 0), isIn(both, { url: '/b' }, 0), isIn(both, { url: '/a' }, 0.9)]).toEqual([true, false, false]);
  });

  test('draws no chance for a rule whose condition fails, nor with a key', () => {
    let draws = 0;
    const random = (): number => {
      draws++;
      return 0.99;
    };
    const rules = withRules(
      { name: 'other', match: { path: { exact: '/b' } }, percent: 50 },
      { name: 'sticky', percent: 0, by: { header: 'h' } },
      { name: 'random', percent: 50 },
    );
    rules.entryOf('a')?.match(request({ headers: { h: 'x' } }), random);
    expect(draws).toBe(1);
  });
});

describe('for any document', () => {
  const header = fc.constantFrom('x', 'y');
  const value = fc.constantFrom('1', '2');
  const rule: fc.Arbitrary<EntryRule> = fc.record({ name: fc.constantFrom('r1', 'r2', 'r3'), match: fc.record({ header, exact: value }) });
  const lane: fc.Arbitrary<Lane> = fc.record(
    {
      name: fc.constantFrom('l1', 'l2', 'l3'),
      tag: fc.constantFrom('gray', 'blue', 'red'),
      enabled: fc.boolean(),
      rules: fc.uniqueArray(rule, { maxLength: 3, selector: ({ name }) => name }),
    },
    { requiredKeys: ['name', 'tag'] },
  );
  const lanes = fc.uniqueArray(lane, { maxLength: 3, comparator: (a, b) => a.name === b.name || a.tag === b.tag });
  const services = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 });
  const group: fc.Arbitrary<LaneGroup> = fc.record(
    { name: fc.constantFrom('g1', 'g2', 'g3'), services, entry: fc.record({ services }), lanes },
    { requiredKeys: ['name', 'services', 'lanes'] },
  );
  const documents: fc.Arbitrary<LaneGroupsDocument> = fc.record({
    version: fc.constant(1 as const),
    groups: fc.uniqueArray(group, { maxLength: 3, selector: ({ name }) => name }),
  });
  const headers = fc.dictionary(header, value);

  test('the first matching rule in document order, of an enabled lane, in a group with the entry, decides', () => {
    fc.assert(
      fc.property(documents, headers, fc.constantFrom('a', 'b', 'c', 'd'), (document, given, service) => {
        const holding = document.groups
          .filter(({ entry }) => entry?.services.includes(service))
          .flatMap((g) =>
            g.lanes.filter(isEnabled).flatMap((l) =>
              (l.rules ?? []).map((r) => ({
                group: g.name,
                lane: l.name,
                tag: l.tag,
                rule: r.name,
                match: r.match as { header: string; exact: string },
              })),
            ),
          )
          .filter(({ match }) => given[match.header] === match.exact);
        const { match: _, ...first } = holding[0] ?? { match: undefined };
        const matched = rulesOf(document)
          .entryOf(service)
          ?.match(request({ headers: given }), NEVER);
        expect(matched ?? {}).toEqual(holding.length === 0 ? {} : { ...first, fallback: undefined });
      }),
      { numRuns: 500 },
    );
  });

  test('a lane applies where an enabled one has the tag, and a disabled tag applies nowhere', () => {
    fc.assert(
      fc.property(documents, fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('gray', 'blue', 'red', 'other'), (document, service, tag) => {
        const rules = rulesOf(document);
        const found = document.groups.flatMap((g) => g.lanes.filter((l) => l.tag === tag).map((l) => ({ g, l })));
        const here = found.find(({ g, l }) => isEnabled(l) && g.services.includes(service));
        expect(rules.laneOf(service, tag)).toEqual(here && { group: here.g.name, lane: here.l.name, tag, fallback: undefined });
        expect(rules.isDisabledTag(tag)).toBe(found.length > 0 && !found.some(({ l }) => isEnabled(l)));
        if (rules.isDisabledTag(tag)) for (const name of rules.services) expect(rules.laneOf(name, tag)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });
});

test('a gateway outside the services can be the entry', () => {
  const rules = rulesOf({
    version: 1,
    groups: [
      {
        name: 'shop',
        services: ['a'],
        entry: { services: ['lane-gateway'] },
        lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'r', match: { path: { prefix: '/' } } }] }],
      },
    ],
  });
  expect(rules.entryOf('lane-gateway')?.match(request(), NEVER)?.rule).toBe('r');
  expect([rules.entryOf('a'), rules.laneOf('lane-gateway', 'gray'), rules.services.has('lane-gateway')]).toEqual([undefined, undefined, false]);
});
