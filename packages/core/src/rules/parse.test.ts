import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { laneGroupsToJson, MAX_PROBLEMS, parseLaneGroups } from './parse.js';
import { LANE_GROUPS_SCHEMA, LIMITS, UNPRINTABLE_CHARACTERS } from './schema.js';
import type { LaneGroupsDocument } from './types.js';

const DOCUMENT: LaneGroupsDocument = {
  version: 1,
  groups: [
    {
      name: 'shop',
      services: ['spring-cloud-a', 'spring-cloud-b', 'spring-cloud-c'],
      entry: { services: ['spring-cloud-a'] },
      lanes: [
        {
          name: 'gray',
          tag: 'gray',
          enabled: true,
          fallback: 'base',
          rules: [
            { name: 'by-domain', match: { host: { exact: 'www.example.com' } } },
            { name: 'staff', match: { all: [{ header: 'x-user', in: ['alice'] }, { path: { prefix: '/a' } }] } },
            { name: 'five-percent', percent: 5, by: { cookie: 'uid' } },
          ],
        },
      ],
    },
  ],
};

/** The document with one value replaced, given by path. */
function changed(path: string, value: unknown): unknown {
  const copy = structuredClone(DOCUMENT) as unknown as Record<string, unknown>;
  const keys = path.split('/').slice(1);
  let at = copy;
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
  const last = keys.at(-1) as string;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}

const LANE = '/groups/0/lanes/0';
const RULE = `${LANE}/rules/0`;

describe('a document', () => {
  test('from the design is accepted, as text and as value', () => {
    expect(parseLaneGroups(JSON.stringify(DOCUMENT))).toEqual({ ok: true, document: DOCUMENT });
    expect(parseLaneGroups(DOCUMENT)).toEqual({ ok: true, document: DOCUMENT });
    expect(parseLaneGroups(`\uFEFF${laneGroupsToJson(DOCUMENT)}`)).toEqual({ ok: true, document: DOCUMENT });
  });

  test.each([
    ['{"version":1,\n "groups": [}', /^is not JSON: at line 2, column 13 } is found where/],
    ['{"version":1,\n "groups": [', /^is not JSON: at line 2, column 13 it ends where/],
    ['{"version":1,\n groups: []}', /^is not JSON: at line 2, column 2 groups is found where/],
    ['', /^is not JSON: at line 1, column 1 it ends/],
    ['\uFEFF{', /^is not JSON: at line 1, column 2 /],
    ['null', /must be an object, not null/],
    ['[]', /must be an object, not \[\]/],
  ])('%j is refused', (text, message) => {
    expect(parseLaneGroups(text)).toMatchObject({ ok: false, problems: [{ path: '', message: expect.stringMatching(message) as string }] });
  });

  test.each<[string, unknown, string, RegExp]>([
    ['/version', 2, '/version', /must be 1/],
    ['/version', undefined, '', /lacks "version"/],
    ['/group', [], '/group', /did you mean "groups"\?/],
    ['/groups/0/name', '', '/groups/0/name', /must not be empty/],
    ['/groups/0/services', [], '/groups/0/services', /must not be empty/],
    ['/groups/0/services', ['a', 'a'], '/groups/0/services/1', /"a" is listed twice/],
    ['/groups/0/services', 'a', '/groups/0/services', /must be a list, not "a"/],
    ['/groups/0/entry', {}, '/groups/0/entry', /lacks "services"/],
    [`${LANE}/tag`, 'gr ay', `${LANE}/tag`, /is not a valid tag: must be 1 to 64/],
    [`${LANE}/tag`, 'x'.repeat(65), `${LANE}/tag`, /is not a valid tag/],
    [`${LANE}/enabled`, 'yes', `${LANE}/enabled`, /must be true or false, not "yes"/],
    [`${LANE}/fallback`, 'blue', `${LANE}/fallback`, /must be "base" or "none"/],
    [`${LANE}/rules/0`, { name: 'r' }, RULE, /needs "match", "percent" or both/],
    [`${LANE}/rules/0`, { name: 'r', match: { path: { prefix: '/' } }, by: { cookie: 'c' } }, `${RULE}/by`, /needs "percent"/],
    [`${LANE}/rules/1/name`, 'by-domain', `${LANE}/rules/1/name`, /must be unique/],
    [`${LANE}/rules/2/percent`, 100.5, `${LANE}/rules/2/percent`, /from 0 to 100/],
    [`${LANE}/rules/2/by`, { cookie: 'a', header: 'b' }, `${LANE}/rules/2/by`, /exactly one of/],
    [`${RULE}/match`, {}, `${RULE}/match`, /exactly one of all, any/],
    [`${RULE}/match`, { host: { exact: 'a' }, path: { exact: '/' } }, `${RULE}/match`, /put several into "all" or "any"/],
    [`${RULE}/match`, { host: {} }, `${RULE}/match/host`, /exactly one operator/],
    [`${RULE}/match`, { host: { exat: 'a' } }, `${RULE}/match/host/exat`, /did you mean "exact"/],
    [`${RULE}/match`, { header: 'h', exact: 'a', prefix: 'b' }, `${RULE}/match`, /not exact and prefix/],
    [`${RULE}/match`, { path: { regex: '(' } }, `${RULE}/match/path/regex`, /not a valid RE2 regular expression/],
    [`${RULE}/match`, { path: { regex: '(?=a)' } }, `${RULE}/match/path/regex`, /no look-around/],
    [`${RULE}/match`, { path: { prefix: '' } }, `${RULE}/match/path/prefix`, /match everything/],
    [`${RULE}/match`, { clientIp: { in: ['10.0.0.0/33'] } }, `${RULE}/match/clientIp/in/0`, /not a network/],
  ])('with %s = %j is rejected, with its position', (path, value, problemPath, message) => {
    const parsed = parseLaneGroups(changed(path, value));
    expect(parsed.ok).toBe(false);
    expect(parsed.ok ? [] : parsed.problems).toContainEqual({ path: problemPath, message: expect.stringMatching(message) as string });
  });

  test.each<[string, object, object, string | undefined]>([
    ['a lane rule of the same name', { polaris: { name: 'canary' } }, { polaris: { name: 'canary' } }, 'polaris/name'],
    ['a tag that is the lane rule of another', { polaris: { name: 'blue' } }, {}, 'tag'],
    ['a lane rule that is the tag of another', {}, { polaris: { name: 'gray' } }, 'polaris/name'],
    ['the same label', { polaris: { key: 'version', values: ['v1', 'v2'] } }, { polaris: { key: 'version', values: ['v2'] } }, 'polaris/values'],
    ['the usual label of another', {}, { polaris: { values: ['gray'] } }, 'polaris/values'],
    ['names that are exchanged', { polaris: { name: 'blue', values: ['blue'] } }, { polaris: { name: 'gray', values: ['gray'] } }, undefined],
    ['another label of the same value', { polaris: { key: 'version', values: ['v2'] } }, { polaris: { key: 'stage', values: ['v2'] } }, undefined],
  ])('with two lanes for Polaris of %s', (_, first, second, field) => {
    const lanes = [
      { name: 'gray', tag: 'gray', ...first },
      { name: 'blue', tag: 'blue', ...second },
    ];
    const parsed = parseLaneGroups({ version: 1, groups: [{ name: 'shop', services: ['a'], lanes }] });
    expect(parsed.ok ? [] : parsed.problems).toEqual(
      field === undefined
        ? []
        : [
            {
              path: `/groups/0/lanes/1/${field}`,
              message: expect.stringMatching(/of Polaris of the lane at .*0: it must be unique/) as string,
            },
          ],
    );
  });

  test('with two lanes of one tag or one name, or two groups of one name, is refused', () => {
    const [group] = DOCUMENT.groups;
    const lane = group?.lanes[0];
    expect(parseLaneGroups({ version: 1, groups: [{ ...group, lanes: [lane, { ...lane, name: 'other' }] }] })).toMatchObject({
      ok: false,
      problems: [{ path: '/groups/0/lanes/1/tag' }],
    });
    expect(parseLaneGroups({ version: 1, groups: [{ ...group, lanes: [lane, { ...lane, tag: 'other' }] }] })).toMatchObject({
      ok: false,
      problems: [{ path: '/groups/0/lanes/1/name' }],
    });
    expect(parseLaneGroups({ version: 1, groups: [group, group] })).toMatchObject({ ok: false, problems: [{ path: '/groups/1/name' }] });
  });

  test('all problems are reported at once', () => {
    const parsed = parseLaneGroups({ version: 2, groups: [{ name: '', services: [], lanes: [{ name: 'x', tag: 'a b' }] }] });
    expect(parsed.ok ? [] : parsed.problems.map(({ path }) => path)).toEqual(['/version', '/groups/0/name', '/groups/0/services', `${LANE}/tag`]);
  });

  test('conditions may be nested as deep as the limit, and no deeper', () => {
    for (const wrap of [(inner: unknown) => ({ not: inner }), (inner: unknown) => ({ all: [inner] }), (inner: unknown) => ({ any: [inner] })]) {
      const nested = (depth: number): unknown => (depth === 1 ? { path: { exact: '/' } } : wrap(nested(depth - 1)));
      expect(parseLaneGroups(changed(`${RULE}/match`, nested(LIMITS.depth))).ok).toBe(true);
      expect(parseLaneGroups(changed(`${RULE}/match`, nested(LIMITS.depth + 1))).ok).toBe(false);
    }
  });
});

const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i}`);

/** Sets a field of any name; `__proto__` too, as JSON.parse does. */
const put = (at: object, name: string, what: unknown): unknown =>
  Object.defineProperty(at, name, { value: what, enumerable: true, configurable: true, writable: true });

describe('each limit: the last accepted value and the first rejected one', () => {
  const path = (count: number): unknown[] => many(count).map((name) => ({ path: { exact: name } }));
  const notted = (depth: number): unknown => (depth === 0 ? { exact: 'a' } : { not: notted(depth - 1) });
  const { items, nameLength, depth } = LIMITS;

  test.each<[what: string, at: string, make: (size: number) => unknown, last: number, first: number]>([
    ['groups', '/groups', (n) => many(n).map((name) => ({ name, services: ['a'], lanes: [] })), items, items + 1],
    ['services', '/groups/0/services', many, items, items + 1],
    ['services', '/groups/0/services', many, 1, 0],
    ['entry services', '/groups/0/entry', (n) => ({ services: many(n) }), items, items + 1],
    ['entry services', '/groups/0/entry', (n) => ({ services: many(n) }), 1, 0],
    ['lanes', '/groups/0/lanes', (n) => many(n).map((name) => ({ name, tag: name })), items, items + 1],
    ['rules', `${LANE}/rules`, (n) => many(n).map((name) => ({ name, percent: 1 })), items, items + 1],
    ['parts of all', `${RULE}/match`, (n) => ({ all: path(n) }), items, items + 1],
    ['parts of all', `${RULE}/match`, (n) => ({ all: path(n) }), 1, 0],
    ['parts of any', `${RULE}/match`, (n) => ({ any: path(n) }), items, items + 1],
    ['parts of any', `${RULE}/match`, (n) => ({ any: path(n) }), 1, 0],
    ['values of in', `${RULE}/match`, (n) => ({ path: { in: many(n) } }), items, items + 1],
    ['values of in', `${RULE}/match`, (n) => ({ path: { in: many(n) } }), 1, 0],
    ['networks', `${RULE}/match`, (n) => ({ clientIp: { in: many(n).map(() => '::1') } }), items, items + 1],
    ['networks', `${RULE}/match`, (n) => ({ clientIp: { in: many(n).map(() => '::1') } }), 1, 0],
    ['characters of a name', '/groups/0/name', (n) => 'x'.repeat(n), nameLength, nameLength + 1],
    ['characters of a name, not code units', '/groups/0/name', (n) => '🦓'.repeat(n), nameLength, nameLength + 1],
    ['characters of a name', `${LANE}/name`, (n) => 'x'.repeat(n), 1, 0],
    ['characters of a header', `${RULE}/match`, (n) => ({ header: 'x'.repeat(n), present: true }), nameLength, nameLength + 1],
    ['characters of a key', `${LANE}/rules/2/by`, (n) => ({ cookie: 'x'.repeat(n) }), nameLength, nameLength + 1],
    ['characters of a tag', `${LANE}/tag`, (n) => 'x'.repeat(n), 64, 65],
    ['characters of a prefix', `${RULE}/match`, (n) => ({ path: { prefix: 'x'.repeat(n) } }), 1, 0],
    ['levels of comparisons', `${RULE}/match`, (n) => ({ path: notted(n) }), depth - 1, depth],
    ['levels of comparisons, in conditions', `${RULE}/match`, (n) => ({ not: { header: 'x', ...(notted(n) as object) } }), depth - 2, depth - 1],
    ['percent', `${LANE}/rules/2/percent`, (n) => n, 100, 100.01],
    ['percent', `${LANE}/rules/2/percent`, (n) => n, 0, -0.01],
    ['percent, in steps', `${LANE}/rules/2/percent`, (n) => n, 0.01, 0.009],
    ['percent, in steps', `${LANE}/rules/2/percent`, (n) => n, 33.33, 33.333],
    ['keys of by', `${LANE}/rules/2/by`, (n) => Object.fromEntries(['header', 'cookie', 'query'].slice(0, n).map((key) => [key, 'x'])), 1, 2],
    ['keys of by', `${LANE}/rules/2/by`, (n) => Object.fromEntries(['header', 'cookie', 'query'].slice(0, n).map((key) => [key, 'x'])), 1, 0],
  ])('%s, at %s', (_, at, make, last, first) => {
    expect(parseLaneGroups(changed(at, make(last)))).toMatchObject({ ok: true });
    expect(parseLaneGroups(changed(at, make(first)))).toMatchObject({ ok: false });
  });
});

describe('an unknown field', () => {
  test.each<[at: string, meant: string]>([
    ['/group', 'groups'],
    ['/groups/0/service', 'services'],
    ['/groups/0/entrys', 'entry'],
    ['/groups/0/LANES', 'lanes'],
    [`${LANE}/enable`, 'enabled'],
    [`${LANE}/fall_back`, 'fallback'],
    [`${LANE}/rule`, 'rules'],
    [`${LANE}/tga`, 'tag'],
    [`${RULE}/percentage`, 'percent'],
    [`${RULE}/matches`, 'match'],
    [`${RULE}/match/host/regexp`, 'regex'],
    [`${RULE}/match/host/exect`, 'exact'],
    [`${LANE}/rules/2/by/client-ip`, 'clientIp'],
    [`${LANE}/rules/2/by/cokie`, 'cookie'],
  ])('%s: did you mean %s?', (at, meant) => {
    const parsed = parseLaneGroups(changed(at, 'x'));
    expect(parsed.ok ? [] : parsed.problems).toContainEqual({ path: at, message: `is not a known field: did you mean "${meant}"?` });
  });

  test.each([`/groups/0/xy`, `${LANE}/colour`, `${RULE}/or`, `${RULE}/toString`])('%s resembles no known field: all known are listed', (at) => {
    const parsed = parseLaneGroups(changed(at, 'x'));
    expect(parsed.ok ? [] : parsed.problems).toEqual([
      { path: at, message: expect.stringMatching(/^is not a known field: must be one of name, /) as string },
    ]);
  });

  test('is reported by a JSON pointer, whatever its name', () => {
    const parsed = parseLaneGroups('{"version":1,"groups":[],"a/b~c":1,"__proto__":{}}');
    expect(parsed.ok ? [] : parsed.problems.map(({ path }) => path)).toEqual(['/a~1b~0c', '/__proto__']);
  });

  test('is the only problem, if it replaces a missing field', () => {
    for (const match of [{ hots: { exact: 'a' } }, { host: { exat: 'a' } }, { header: 'x', exat: 'a' }]) {
      const parsed = parseLaneGroups(changed(`${RULE}/match`, match));
      expect(parsed.ok ? [] : parsed.problems).toEqual([
        { path: expect.any(String) as string, message: expect.stringMatching(/did you mean/) as string },
      ]);
    }
  });
});

describe('more than one', () => {
  test.each<[match: unknown, message: RegExp]>([
    [{ header: 'x', cookie: 'y', exact: 'z' }, /not header and cookie: put several into "all" or "any"/],
    [{ header: 'x', in: ['z'], path: { exact: '/' } }, /not path and header: put several into "all" or "any"/],
    [{ not: { path: { exact: '/' } }, path: { exact: '/' } }, /not not and path: put several into "all" or "any"/],
  ])('condition in %j is reported with the remedy', (match, message) => {
    expect(parseLaneGroups(changed(`${RULE}/match`, match))).toEqual({
      ok: false,
      problems: [{ path: `${RULE}/match`, message: expect.stringMatching(message) as string }],
    });
  });
});

describe('an invalid value', () => {
  test('never throws, whatever it is', () => {
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    for (const value of [
      undefined,
      cyclic,
      deep,
      `{"version":${deep},"groups":[{"name":${deep}}]}`,
      Symbol('s'),
      1n,
      () => 1,
      { version: 1n, groups: cyclic },
    ])
      expect(parseLaneGroups(value)).toMatchObject({ ok: false });
    expect(parseLaneGroups(changed('/groups/0/lanes', Array(2)))).toMatchObject({ ok: false });
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withSparseArray: true,
      withTypedArray: true,
    });
    fc.assert(
      fc.property(
        fc.constantFrom('/version', '/groups', '/groups/0', LANE, RULE, `${RULE}/match`, `${RULE}/match/host`),
        anything,
        (at, value) => void parseLaneGroups(changed(at, value)),
      ),
    );
    fc.assert(fc.property(fc.string(), (text) => void parseLaneGroups(text)));
  });

  test('is shortened, and so is a long list of problems', () => {
    const parsed = parseLaneGroups({ version: 'x'.repeat(1_000_000), groups: Array.from({ length: 1000 }, () => 1) });
    expect(parsed.ok ? [] : parsed.problems).toHaveLength(MAX_PROBLEMS);
    expect(JSON.stringify(parsed).length).toBeLessThan(20_000);
  });
});

describe('the text of a document', () => {
  test('is indented by two spaces, ends with a line feed, and parses to the same document', () => {
    const text = laneGroupsToJson(DOCUMENT);
    expect(text.split('\n').slice(0, 5)).toEqual(['{', '  "version": 1,', '  "groups": [', '    {', '      "name": "shop",']);
    expect(text.endsWith('\n}\n')).toBe(true);
    expect(parseLaneGroups(text)).toEqual({ ok: true, document: DOCUMENT });
  });

  test('is the same for any order of fields', () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .toReversed()
          .map(([key, inner]) => [key, reversed(inner)]),
      );
    };
    expect(JSON.stringify(reversed(DOCUMENT))).not.toBe(JSON.stringify(DOCUMENT));
    expect(laneGroupsToJson(reversed(DOCUMENT) as LaneGroupsDocument)).toBe(laneGroupsToJson(DOCUMENT));
  });
});

describe('names', () => {
  const places: ReadonlyArray<[path: string, value: (name: string) => unknown]> = [
    ['/groups/0/name', (name) => name],
    ['/groups/0/services/0', (name) => name],
    ['/groups/0/entry/services/0', (name) => name],
    [`${LANE}/name`, (name) => name],
    [`${RULE}/name`, (name) => name],
    [`${RULE}/match`, (name) => ({ header: name, exact: 'a' })],
    [`${RULE}/match`, (name) => ({ all: [{ not: { cookie: name, exact: 'a' } }] })],
    [`${RULE}/match`, (name) => ({ query: name, exact: 'a' })],
    [`${LANE}/rules/2/by`, (name) => ({ header: name })],
    [`${LANE}/rules/2/by`, (name) => ({ cookie: name })],
    [`${LANE}/rules/2/by`, (name) => ({ query: name })],
  ];
  const schema = new Ajv({ strict: true, strictRequired: false }).compile(LANE_GROUPS_SCHEMA);

  test.each(places)('at %s must not contain control characters, line breaks or lone surrogates', (path, value) => {
    for (const code of [0x00, 0x09, 0x0a, 0x0d, 0x1b, 0x1f, 0x7f, 0x80, 0x85, 0x9f, 0x2028, 0x2029, 0xd800, 0xdfff]) {
      const document = changed(path, value(`a${String.fromCharCode(code)}b`));
      const parsed = parseLaneGroups(document);
      const told = parsed.ok ? [] : parsed.problems.map(({ message }) => message);
      expect(told, `U+${code.toString(16)}`).toEqual([
        expect.stringContaining('contains a control character, a line break or an unpaired surrogate'),
      ]);
      // What is told is fit for a terminal.
      expect(told.join()).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      expect(schema(document)).toBe(false);
    }
    for (const character of [' ', '~', '\u00a0', '\u2027', '\u202a', '商', '\u{1f600}', '"', '\\', '{', '}'])
      expect(parseLaneGroups(changed(path, value(`a${character}b`))).ok, character).toBe(true);
  });
});

describe("the cost of an entry's rules for a request", () => {
  const withRules = (rules: readonly object[]): unknown => ({
    version: 1,
    groups: [{ name: 'g', services: ['a'], entry: { services: ['a'] }, lanes: [{ name: 'gray', tag: 'gray', rules }] }],
  });
  const regexes = (count: number, regex: string): object[] =>
    Array.from({ length: count }, (_, i) => ({ name: `r${i}`, match: { header: 'x-user', regex } }));

  test('of 20 rules that take seconds is rejected, with the rule, its cost, and the remedy', () => {
    const parsed = parseLaneGroups(withRules([...regexes(19, 'ab'), { name: 'bomb', match: { header: 'x-user', regex: '(a?){500}a{500}$' } }]));
    expect(parsed).toEqual({
      ok: false,
      problems: [
        {
          path: '/groups/0/lanes/0/rules/19',
          message: expect.stringMatching(
            /^the rules of the entry "a" can cost a request 64 ms, and 1 ms is the most: of that, rule "bomb" costs 64 ms\. Shorten/,
          ),
        },
      ],
    });
    expect(parseLaneGroups(withRules(regexes(20, '(a?){500}a{500}$'))).ok).toBe(false);
  });

  test('is summed over all groups of an entry, and ignored if nothing uses the rules', () => {
    const some = regexes(5, '[a-z]+@example[.]com');
    expect(parseLaneGroups(withRules(some)).ok).toBe(true);
    const two = withRules(some) as { groups: object[] };
    expect(parseLaneGroups({ version: 1, groups: [...two.groups, { ...two.groups[0], name: 'h' }] }).ok).toBe(false);
    expect(parseLaneGroups({ version: 1, groups: [...two.groups, { ...two.groups[0], name: 'h', entry: { services: ['b'] } }] }).ok).toBe(true);
  });

  test('exceeds the bound if more states can be alive than it seems', () => {
    // 0.65 ms by the number of its instructions and 10 ns for each, and 2 ms when it was tried.
    expect(parseLaneGroups(withRules(regexes(1, '(?i)(k?){25}k{25}$'))).ok).toBe(false);
    // Next to nothing for the expression itself, but 32 texts are looked for in the whole value before it.
    const texts = Array.from({ length: 32 }, (_, i) => String.fromCharCode(97 + (i % 26), 65 + (i % 26)));
    expect(parseLaneGroups(withRules(regexes(10, `^${texts.map((text, i) => `(?:${text}|${i}${text})`).join('')}`))).ok).toBe(false);
  });

  test('counts how much of a value is compared', () => {
    const prefixes = (length: number): object[] =>
      Array.from({ length: 100 }, (_, i) => ({ name: `r${i}`, match: { header: 'x-user', prefix: `${'a'.repeat(length)}${i}` } }));
    expect(parseLaneGroups(withRules(prefixes(100))).ok).toBe(true);
    // 14 ms for a header that begins as they do.
    expect(parseLaneGroups(withRules(prefixes(14_000))).ok).toBe(false);
  });

  test('counts percentages, whole-text comparisons, and each cookie to decode', () => {
    const many = (count: number, ruleOf: (i: number) => object): boolean =>
      parseLaneGroups(withRules(Array.from({ length: count }, (_, i) => ({ name: `r${i}`, ...ruleOf(i) })))).ok;
    expect(many(1_000, () => ({ percent: 5, by: { cookie: 'uid' } }))).toBe(true);
    expect(many(1_000, (i) => ({ percent: 5, by: { cookie: `uid${i}` } }))).toBe(false);
    expect(many(1_000, (i) => ({ match: { header: 'h', exact: `${i}` } }))).toBe(true);
    expect(many(1_000, (i) => ({ match: { header: 'h', exact: `${i}`.padEnd(8_000, 'x') } }))).toBe(false);
  });

  test('is within the bound for typical rules, all of them in one entry', () => {
    const written = [
      '^/api/v[0-9]+/(?:orders|users)/',
      '(?i)^bearer [a-z0-9._-]+$',
      '^[0-9]{1,6}$',
      'iPhone|iPad|Android',
      '\\bbeta\\b',
      '@example[.]com$',
      '[a-z]+@example[.]com',
      '^(?:alice|bob|carol)@(?:www[.])?example[.](?:com|org)$',
    ];
    const rules = written.map((regex, i) => ({ name: `r${i}`, match: { header: 'x-user', regex } }));
    expect(parseLaneGroups(withRules([...rules, { name: 'host', match: { host: { regex: '^(?:www|beta)[.]example[.]com$' } } }])).ok).toBe(true);
  });

  test('is negligible for prefix comparisons without repetitions', () => {
    expect(parseLaneGroups(withRules(regexes(50, '^(?:alice|bob)@www\\.example\\.com$'))).ok).toBe(true);
    expect(parseLaneGroups(withRules(regexes(50, '(?:alice|bob)@www\\.example\\.com$'))).ok).toBe(false);
    // The first alternative alone is held by the anchor.
    expect(parseLaneGroups(withRules(regexes(50, '^alice@example|bob@www\\.example\\.com$'))).ok).toBe(false);
  });

  test('of 1,000 lanes of 500 services with a rule each is accepted, for any rule but a regular expression', () => {
    for (const rule of [
      { match: { clientIp: { in: ['10.0.0.0/8'] } } },
      { percent: 5, by: { cookie: 'uid' } },
      { match: { header: 'x-user', in: ['a', 'b'] }, percent: 5 },
    ]) {
      const lanes = Array.from({ length: 1000 }, (_, i) => ({ name: `lane${i}`, tag: `lane${i}`, rules: [{ name: `r${i}`, ...rule }] }));
      const services = Array.from({ length: 500 }, (_, i) => `service${i}`);
      expect(parseLaneGroups(JSON.stringify({ version: 1, groups: [{ name: 'g', services, entry: { services: ['gateway'] }, lanes }] })).ok).toBe(
        true,
      );
    }
  });

  test('of one regular expression is also bounded by its length', () => {
    const parsed = parseLaneGroups(withRules([{ name: 'long', match: { path: { regex: 'a'.repeat(LIMITS.regexLength + 1) } } }]));
    expect(parsed.ok ? [] : parsed.problems).toEqual([
      { path: `${RULE}/match/path/regex`, message: expect.stringContaining('at most 1000 characters') },
    ]);
  });
});

describe('the JSON Schema', () => {
  const validate = new Ajv({ strict: true, strictRequired: false, allErrors: true }).compile(LANE_GROUPS_SCHEMA);

  test('is published as a file', () => {
    const file = readFileSync(join(__dirname, '../../schema/lane-groups.schema.json'), 'utf8');
    expect(JSON.parse(file)).toEqual(JSON.parse(JSON.stringify(LANE_GROUPS_SCHEMA)));
  });

  // What a schema can't say is left out of the comparison: uniqueness by field, regular expressions, networks, depth.
  const BEYOND_SCHEMA = /must be unique|not a valid RE2|not a network|nested deeper|steps of 0\.01|can cost a request|no request has an empty/;
  const isAcceptedBySchemaRules = (document: unknown): boolean => {
    const parsed = parseLaneGroups(document);
    return parsed.ok || parsed.problems.every(({ message }) => BEYOND_SCHEMA.test(message));
  };

  const word = fc.oneof(fc.constantFrom('a', 'shop', 'gray', 'x-user', ''), fc.string({ maxLength: 6 }));
  const junk = fc.oneof(fc.constant(null), fc.integer(), fc.boolean(), fc.constant(''), fc.constant([]), fc.constant({}));
  const stringMatch = fc.oneof(
    fc.record({ exact: word }),
    fc.record({ prefix: word }),
    fc.record({ suffix: word }),
    fc.record({ in: fc.array(word, { maxLength: 3 }) }),
    fc.record({ present: fc.boolean() }),
    fc.record({ not: fc.record({ exact: word }) }),
    fc.record({ exact: word, prefix: word }),
  );
  const matcher = fc.letrec((tie) => ({
    matcher: fc.oneof(
      { maxDepth: 3 },
      fc.record({ host: stringMatch }),
      fc.record({ path: stringMatch }),
      fc.tuple(fc.constantFrom('header', 'cookie', 'query'), word, stringMatch).map(([kind, name, match]) => ({ [kind]: name, ...match })),
      fc.record({ all: fc.array(tie('matcher'), { maxLength: 2 }) }),
      fc.record({ not: tie('matcher') }),
    ),
  })).matcher;
  const rule = fc.record(
    {
      name: word,
      match: matcher,
      percent: fc.double({ min: -1, max: 101, noNaN: true }),
      by: fc.oneof(fc.record({ cookie: word }), fc.record({ clientIp: fc.boolean() }), fc.constant({})),
    },
    { requiredKeys: ['name'] },
  );
  const lane = fc.record(
    { name: word, tag: word, enabled: fc.boolean(), fallback: fc.constantFrom('base', 'none', 'other'), rules: fc.array(rule, { maxLength: 2 }) },
    { requiredKeys: ['name', 'tag'] },
  );
  const group = fc.record(
    {
      name: word,
      services: fc.array(word, { maxLength: 3 }),
      entry: fc.record({ services: fc.array(word, { maxLength: 2 }) }),
      lanes: fc.array(lane, { maxLength: 2 }),
    },
    { requiredKeys: ['name', 'services', 'lanes'] },
  );
  const generated = fc.record({ version: fc.constantFrom(1, 1, 1, 2), groups: fc.array(group, { maxLength: 2 }) });

  test('and the validator agree on any document', () => {
    fc.assert(
      fc.property(generated, (document) => {
        expect(isAcceptedBySchemaRules(document)).toBe(validate(document));
      }),
      { numRuns: 1500 },
    );
  });

  test('and the validator agree if one value of a valid document is replaced or added', () => {
    const paths = [
      '/version',
      '/groups',
      '/groups/0',
      '/groups/0/name',
      '/groups/0/services',
      '/groups/0/entry',
      '/groups/0/lanes',
      LANE,
      `${LANE}/tag`,
      `${LANE}/rules`,
      RULE,
      `${RULE}/match`,
      `${RULE}/match/host`,
      `${RULE}/more`,
      `${LANE}/rules/2/by`,
    ];
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.oneof(junk, matcher, rule), (path, value) => {
        const document = changed(path, value);
        expect(isAcceptedBySchemaRules(document)).toBe(validate(document));
      }),
      { numRuns: 800 },
    );
  });

  /** Whatever is good: every field, operator and condition there is. */
  const goodName = fc.oneof(
    fc.constantFrom('a', 'b', 'shop'),
    fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
      .filter((text) => text.trim() !== '' && !new RegExp(UNPRINTABLE_CHARACTERS, 'u').test(text)),
  );
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 });
  const comparison = fc.letrec<{ comparison: object }>((tie) => ({
    comparison: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.record({ exact: fc.string() }),
      fc.record({ prefix: text }),
      fc.record({ suffix: text }),
      fc.record({ regex: fc.constantFrom('^a$', 'b|c', '\\d+') }),
      fc.record({ in: fc.array(fc.string(), { minLength: 1, maxLength: 3 }) }),
      fc.record({ present: fc.boolean() }),
      fc.record({ not: tie('comparison') }),
    ),
  })).comparison;
  const condition = fc.letrec<{ condition: object }>((tie) => ({
    condition: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.tuple(fc.constantFrom('host', 'path', 'method'), comparison).map(([kind, match]) => ({
        [kind]: (match as { exact?: string }).exact === '' ? { exact: 'a' } : match,
      })),
      fc.tuple(fc.constantFrom('header', 'cookie', 'query'), goodName, comparison).map(([kind, name, match]) => ({ [kind]: name, ...match })),
      fc.record({ clientIp: fc.record({ in: fc.array(fc.constantFrom('10.0.0.0/8', '::1'), { minLength: 1, maxLength: 2 }) }) }),
      fc.tuple(fc.constantFrom('all', 'any'), fc.array(tie('condition'), { minLength: 1, maxLength: 3 })).map(([kind, parts]) => ({ [kind]: parts })),
      fc.record({ not: tie('condition') }),
    ),
  })).condition;
  const percent = fc.integer({ min: 0, max: 10_000 }).map((steps) => steps / 100);
  const by = fc.oneof(
    fc.tuple(fc.constantFrom('header', 'cookie', 'query'), goodName).map(([kind, name]) => ({ [kind]: name })),
    fc.constant({ clientIp: true }),
  );
  const goodRule = fc.oneof(
    fc.record({ name: goodName, match: condition }),
    fc.record({ name: goodName, match: condition, percent, by }, { requiredKeys: ['name', 'percent'] }),
  );
  const byName = { selector: ({ name }: { name: string }) => name, maxLength: 3 };
  const goodLane = fc.record(
    {
      name: goodName,
      tag: fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/),
      enabled: fc.boolean(),
      fallback: fc.constantFrom('base', 'none'),
      rules: fc.uniqueArray(goodRule, byName),
    },
    { requiredKeys: ['name', 'tag'] },
  );
  const goodNames = fc.uniqueArray(goodName, { minLength: 1, maxLength: 3 });
  const goodGroup = fc.record(
    {
      name: goodName,
      services: goodNames,
      entry: fc.record({ services: goodNames }),
      lanes: fc.uniqueArray(goodLane, { comparator: (a, b) => a.name === b.name || a.tag === b.tag, maxLength: 3 }),
    },
    { requiredKeys: ['name', 'services', 'lanes'] },
  );
  const good = fc.record(
    { $schema: fc.webUrl(), version: fc.constant(1), groups: fc.uniqueArray(goodGroup, byName) },
    { requiredKeys: ['version', 'groups'] },
  );

  test('and the validator accept every valid document, and its text parses to the same', () => {
    fc.assert(
      fc.property(good, (document) => {
        expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
        expect(parseLaneGroups(document)).toEqual({ ok: true, document });
        expect(parseLaneGroups(laneGroupsToJson(document as unknown as LaneGroupsDocument))).toEqual({
          ok: true,
          document: JSON.parse(JSON.stringify(document)) as unknown,
        });
      }),
      { numRuns: 500 },
    );
  });

  type Place = { readonly holder: Record<string, unknown> | unknown[]; readonly key: string };
  const placesOf = (value: unknown): Place[] =>
    typeof value !== 'object' || value === null
      ? []
      : Object.keys(value).flatMap((key) => [{ holder: value as Place['holder'], key }, ...placesOf((value as Record<string, unknown>)[key])]);
  const anyFields = [
    'name',
    'tag',
    'services',
    'match',
    'percent',
    'by',
    'header',
    'cookie',
    'exact',
    'in',
    'present',
    'not',
    'all',
    'host',
    'clientIp',
    'more',
    '__proto__',
  ];
  const anyValue = fc.oneof(
    junk,
    fc.constantFrom(' ', '\u00a0', '\uFEFF', 'x'.repeat(129), '\ud800', -1, 100.5, Infinity, ['a', 'a'], [1], [[]], { in: [] }, { exact: 'a' }, true),
    word,
    condition,
    comparison,
    by,
    goodRule,
    goodLane,
  );
  const change = fc.record({
    place: fc.nat(),
    how: fc.constantFrom('replace', 'remove', 'add', 'repeat', 'rename'),
    field: fc.constantFrom(...anyFields),
    value: anyValue,
  });

  test('and the validator agree on a valid document with one or two changes', () => {
    const verdicts = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(good, fc.array(change, { minLength: 1, maxLength: 2 }), (original, changes) => {
        const document: unknown = JSON.parse(JSON.stringify(original));
        for (const { place, how, field, value } of changes) {
          const places = placesOf(document);
          const chosen = places[place % Math.max(places.length, 1)];
          if (chosen === undefined) continue;
          const { holder, key } = chosen;
          const fields = holder as Record<string, unknown>;
          const inside = fields[key];
          if (how === 'replace') put(holder, key, structuredClone(value));
          else if (how === 'remove' && Array.isArray(holder)) holder.splice(Number(key), 1);
          else if (how === 'remove') delete fields[key];
          else if (how === 'add' && typeof inside === 'object' && inside !== null && !Array.isArray(inside))
            put(inside, field, structuredClone(value));
          else if (how === 'repeat' && Array.isArray(holder)) holder.push(structuredClone(inside));
          else if (how === 'rename' && !Array.isArray(holder)) {
            delete fields[key];
            put(holder, field, inside);
          }
        }
        const accepted = validate(document);
        expect(isAcceptedBySchemaRules(document), JSON.stringify(document)).toBe(accepted);
        verdicts[accepted ? 'accepted' : 'refused']++;
      }),
      { numRuns: 3_000 },
    );
    // Else it would say little.
    expect(Math.min(verdicts.accepted, verdicts.refused)).toBeGreaterThan(300);
  });
});
