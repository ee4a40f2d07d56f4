import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { laneGroupsToJson, parseLaneGroups } from './parse.js';
import { LANE_GROUPS_SCHEMA, LIMITS } from './schema.js';
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
  test('of the design is accepted, as text and as value', () => {
    expect(parseLaneGroups(JSON.stringify(DOCUMENT))).toEqual({ ok: true, document: DOCUMENT });
    expect(parseLaneGroups(DOCUMENT)).toEqual({ ok: true, document: DOCUMENT });
    expect(parseLaneGroups(`\uFEFF${laneGroupsToJson(DOCUMENT)}`)).toEqual({ ok: true, document: DOCUMENT });
  });

  test.each([
    ['{"version":1,\n "groups": [}', /^is not JSON: .*(line 2, column 13|"groups": \[\})/s],
    ['{"version":1,\n "groups": [', /^is not JSON: .*line 2, column 13/],
    ['{"version":1,\n groups: []}', /^is not JSON: .*(line 2, column 2)/],
    ['', /^is not JSON: .*line 1, column 1/],
    ['null', /must be an object, not null/],
    ['[]', /must be an object, not \[\]/],
  ])('%j is refused', (text, message) => {
    expect(parseLaneGroups(text)).toMatchObject({ ok: false, problems: [{ path: '', message: expect.stringMatching(message) as string }] });
  });

  test.each<[string, unknown, string, RegExp]>([
    ['/version', 2, '/version', /must be 1/],
    ['/version', undefined, '', /lacks "version"/],
    ['/group', [], '/group', /did you mean "groups"\?/],
    ['/groups/0/name', '', '/groups/0/name', /not empty/],
    ['/groups/0/services', [], '/groups/0/services', /must not be empty/],
    ['/groups/0/services', ['a', 'a'], '/groups/0/services/1', /"a" is there twice/],
    ['/groups/0/services', 'a', '/groups/0/services', /must be a list, not "a"/],
    ['/groups/0/entry', {}, '/groups/0/entry', /lacks "services"/],
    [`${LANE}/tag`, 'gr ay', `${LANE}/tag`, /can't be a tag: accepted is 1 to 64/],
    [`${LANE}/tag`, 'x'.repeat(65), `${LANE}/tag`, /can't be a tag/],
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
    [`${RULE}/match`, { path: { regex: '(' } }, `${RULE}/match/path/regex`, /no regular expression of RE2/],
    [`${RULE}/match`, { path: { regex: '(?=a)' } }, `${RULE}/match/path/regex`, /no look-around/],
    [`${RULE}/match`, { path: { prefix: '' } }, `${RULE}/match/path/prefix`, /match everything/],
    [`${RULE}/match`, { clientIp: { in: ['10.0.0.0/33'] } }, `${RULE}/match/clientIp/in/0`, /no network/],
  ])('with %s = %j is refused where it is wrong', (path, value, problemPath, message) => {
    const parsed = parseLaneGroups(changed(path, value));
    expect(parsed.ok).toBe(false);
    expect(parsed.ok ? [] : parsed.problems).toContainEqual({ path: problemPath, message: expect.stringMatching(message) as string });
  });

  test('with two lanes of one tag, or two groups of one name, is refused', () => {
    const [group] = DOCUMENT.groups;
    const lane = group?.lanes[0];
    expect(parseLaneGroups({ version: 1, groups: [{ ...group, lanes: [lane, { ...lane, name: 'other' }] }] })).toMatchObject({ ok: false, problems: [{ path: '/groups/0/lanes/1/tag' }] });
    expect(parseLaneGroups({ version: 1, groups: [group, group] })).toMatchObject({ ok: false, problems: [{ path: '/groups/1/name' }] });
  });

  test('all problems are told at once', () => {
    const parsed = parseLaneGroups({ version: 2, groups: [{ name: '', services: [], lanes: [{ name: 'x', tag: 'a b' }] }] });
    expect(parsed.ok ? [] : parsed.problems.map(({ path }) => path)).toEqual(['/version', '/groups/0/name', '/groups/0/services', `${LANE}/tag`]);
  });

  test('conditions may be nested as deep as the limit, and no deeper', () => {
    const nested = (depth: number): unknown => (depth === 1 ? { path: { exact: '/' } } : { not: nested(depth - 1) });
    expect(parseLaneGroups(changed(`${RULE}/match`, nested(LIMITS.depth))).ok).toBe(true);
    expect(parseLaneGroups(changed(`${RULE}/match`, nested(LIMITS.depth + 1))).ok).toBe(false);
  });
});

describe('the JSON Schema', () => {
  const validate = new Ajv({ strict: true, strictRequired: false, allErrors: true }).compile(LANE_GROUPS_SCHEMA);

  test('is published as a file', () => {
    const file = readFileSync(join(__dirname, '../../schema/lane-groups.schema.json'), 'utf8');
    expect(JSON.parse(file)).toEqual(JSON.parse(JSON.stringify(LANE_GROUPS_SCHEMA)));
  });

  // What a schema can't say is left out of the comparison: uniqueness by field, regular expressions, networks, depth.
  const BEYOND_SCHEMA = /must be unique|no regular expression|no network|nested deeper/;
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
    { name: word, match: matcher, percent: fc.double({ min: -1, max: 101, noNaN: true }), by: fc.oneof(fc.record({ cookie: word }), fc.record({ clientIp: fc.boolean() }), fc.constant({})) },
    { requiredKeys: ['name'] },
  );
  const lane = fc.record({ name: word, tag: word, enabled: fc.boolean(), fallback: fc.constantFrom('base', 'none', 'other'), rules: fc.array(rule, { maxLength: 2 }) }, { requiredKeys: ['name', 'tag'] });
  const group = fc.record({ name: word, services: fc.array(word, { maxLength: 3 }), entry: fc.record({ services: fc.array(word, { maxLength: 2 }) }), lanes: fc.array(lane, { maxLength: 2 }) }, { requiredKeys: ['name', 'services', 'lanes'] });
  const generated = fc.record({ version: fc.constantFrom(1, 1, 1, 2), groups: fc.array(group, { maxLength: 2 }) });

  test('and the validator agree on any document', () => {
    fc.assert(
      fc.property(generated, (document) => {
        expect(isAcceptedBySchemaRules(document)).toBe(validate(document));
      }),
      { numRuns: 1500 },
    );
  });

  test('and the validator agree where one value of a good document is replaced or added', () => {
    const paths = ['/version', '/groups', '/groups/0', '/groups/0/name', '/groups/0/services', '/groups/0/entry', '/groups/0/lanes', LANE, `${LANE}/tag`, `${LANE}/rules`, RULE, `${RULE}/match`, `${RULE}/match/host`, `${RULE}/more`, `${LANE}/rules/2/by`];
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.oneof(junk, matcher, rule), (path, value) => {
        const document = changed(path, value);
        expect(isAcceptedBySchemaRules(document)).toBe(validate(document));
      }),
      { numRuns: 800 },
    );
  });
});
