/** Formats whose carriers say more than one tag: lists, maps of services, and names that lane groups give a lane elsewhere. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { everyFormat, instanceTagReader, isFormatName, parseFormatNames, type FormatName } from './formats.js';
import { writeLane } from './outbound-headers.js';
import { createTagCodec, linesOf, type TagCodec } from './tag-codec.js';
import { laneContext, runInLane, enterContext } from '../context.js';
import { createRouter } from '../routing/verdict.js';
import { ServiceTables } from '../routing/service-tables.js';
import { compileLaneGroups } from '../rules/compile.js';
import type { Lane, LaneGroup } from '../rules/types.js';

const rulesOf = (lanes: readonly Lane[], more: Partial<LaneGroup> = {}) =>
  compileLaneGroups({ version: 1, groups: [{ name: 'shop', services: ['a', 'b'], lanes, ...more }] });

/** What a call from a context carries. */
function written(codec: TagCodec, context = laneContext('gray'), before: Record<string, string> = {}, attached = false): Record<string, string> {
  const headers = { ...before };
  writeLane(context, codec, {
    ...(attached ? { areAttachments: true as const } : {}),
    get: (name) => headers[name],
    set: (name, value) => void (headers[name] = value),
    remove: (name) => void delete headers[name],
  });
  return headers;
}

describe("mse: the list of version 4's agents", () => {
  const read = (list: unknown): string | undefined =>
    createTagCodec({ formats: ['mse'] }).readRaw(['baggage', `__microservice_tag__=${encodeURIComponent(JSON.stringify(list))}`]);

  test.each<[what: string, list: unknown, tag: string | undefined]>([
    [
      'the least priority wins',
      [
        { tag: 'blue', priority: 1 },
        { tag: 'gray', priority: -1 },
      ],
      'gray',
    ],
    [
      'the first of equals',
      [
        { tag: 'gray', priority: 5 },
        { tag: 'blue', priority: 5 },
      ],
      'gray',
    ],
    ['no priority is 0', [{ tag: 'blue', priority: 1 }, { tag: 'gray' }], 'gray'],
    ['name and tag differ: the tag', [{ name: 'rule-7', tag: 'gray', priority: -1 }], 'gray'],
    ['base', [{ name: 'base', tag: 'base', priority: -1 }], undefined],
    ['one that can not be a tag hides no other', [{ tag: 'gr ay', priority: -9 }, null, 7, { tag: 'gray' }], 'gray'],
    ['an empty list', [], undefined],
  ])('%s', (_, list, tag) => {
    expect(read(list)).toBe(tag);
  });

  test('it is asked first, and an older carrier that says another tag is a conflict', () => {
    const codec = createTagCodec({ formats: ['mse'] });
    expect(codec.readRaw(['x-mse-tag', 'blue', 'baggage', 'x-mse-gray-tag=blue,__microservice_tag__=%5B%7B%22tag%22:%22gray%22%7D%5D'])).toBe('gray');
    expect(codec.counts).toEqual({ conflicts: 1, malformed: 0 });
  });

  test('an empty list is no malformed tag; one of nothing usable is, and so is what is no list', () => {
    for (const [list, malformed] of [
      [[], 0],
      [[{ tag: 'gr ay' }], 1],
      [{ tag: 'gray' }, 1],
      ['gray', 1],
    ] as const) {
      const codec = createTagCodec({ formats: ['mse'] });
      codec.readRaw(['baggage', `__microservice_tag__=${encodeURIComponent(JSON.stringify(list))}`]);
      expect(codec.counts.malformed, JSON.stringify(list)).toBe(malformed);
    }
  });

  test('goes into baggage everywhere, and as a header of its own only with messages and remote calls', () => {
    const codec = createTagCodec({ formats: ['mse'] });
    expect(Object.keys(written(codec)).toSorted()).toEqual(['baggage', 'x-mse-tag']);
    expect(Object.keys(written(codec, undefined, {}, true)).toSorted()).toEqual(['__microservice_tag__', 'baggage', 'x-mse-tag']);
    // What an app copied over goes with the rest of ours.
    expect(
      written(codec, laneContext(undefined), { __microservice_tag__: '[]', 'x-mse-tag': 'blue', baggage: '__microservice_tag__=x,user=1' }),
    ).toEqual({
      baggage: 'user=1',
    });
  });
});

describe('nepxion: a version for each service', () => {
  const MAP = '{"a":"1.0","b":"1.1","c":"1.0;1.2","d":"default"}';
  const of = (service: string): TagCodec => createTagCodec({ formats: ['nepxion'], service: () => service });

  test.each([
    ['a', '1.0'],
    ['b', '1.1'],
    ['B', '1.1'],
    ['c', undefined],
    ['d', undefined],
    ['stranger', undefined],
  ])('service %s reads its own: %s', (service, tag) => {
    const codec = of(service);
    expect(codec.readRaw(['n-d-version', MAP])).toBe(tag);
    expect(codec.counts).toEqual({ conflicts: 0, malformed: 0 });
  });

  test('the map goes on as it came, whatever the own service reads, in place of its own tag', () => {
    for (const service of ['a', 'stranger']) {
      const codec = of(service);
      const raw = ['n-d-version', ` ${MAP}`];
      const carried = codec.carriedIn?.((name) => linesOf(raw, name));
      expect(written(codec, laneContext(codec.readRaw(raw), carried))).toEqual({ 'n-d-version': MAP });
    }
    expect(of('a').carriedIn?.(() => '1.0')).toBe(undefined);
    expect(of('a').carriedIn?.(() => undefined)).toBe(undefined);
    expect(createTagCodec({ formats: ['baggage', 'mse'] }).carriedIn).toBe(undefined);
  });

  test('a map in any letters and on several lines, as messages may have it, goes on as a header that says the same', () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.constantFrom('商店', '\u007f', '"\\', '\ud800', '\u{1f600}'));
    const codec = of('a');
    fc.assert(
      fc.property(fc.dictionary(text, text, { maxKeys: 5 }), fc.constantFrom(undefined, 1, '\t'), (map, indent) => {
        const value = JSON.stringify(map, undefined, indent);
        const carried = codec.carriedIn?.(() => value);
        expect(carried?.value).toMatch(/^[ -~]+$/);
        expect(JSON.parse(carried?.value as string)).toEqual(JSON.parse(value));
      }),
    );
  });

  test('a map that is longer than what peers take in a head does not go on, and is counted', () => {
    const codec = of('a');
    expect(codec.carriedIn?.(() => JSON.stringify({ a: '1.0', b: 'x'.repeat(8_192) }))).toBe(undefined);
    expect(codec.counts.malformed).toBe(1);
  });

  test('calls go to the version of the service that is called', () => {
    const tables = new ServiceTables({ formats: ['nepxion'] });
    const instance = (port: number, version?: string) => ({
      ip: '10.0.0.1',
      port,
      weight: 1,
      healthy: true,
      enabled: true,
      metadata: version === undefined ? {} : { version },
    });
    tables.update({ name: 'b', group: 'g' }, [instance(1), instance(2, '1.0'), instance(3, '1.1')]);
    tables.update({ name: 'e', group: 'g' }, [instance(11), instance(12, '1.0')]);
    const names = { isEmpty: false, find: (host: string) => ({ name: host, group: 'g' }), isInternal: () => true };
    const router = createRouter(tables, names, () => undefined);
    const codec = of('a');
    const context = laneContext(
      '1.0',
      codec.carriedIn?.(() => MAP),
    );
    const portOf = (host: string): number | undefined => enterContext(context, () => router.judge(host, 80, '1.0').instance?.port, undefined, []);
    expect(portOf('b')).toBe(3);
    // The map names none for it.
    expect(portOf('e')).toBe(11);
    expect(runInLane('1.0', () => router.judge('b', 80, '1.0').instance?.port)).toBe(2);
  });

  test('headers that choose by region or address are left alone, which is said once each', () => {
    const notices: string[] = [];
    const codec = createTagCodec({ formats: ['baggage', 'nepxion'], onNotice: (message) => notices.push(message) });
    for (let i = 0; i < 3; i++) expect(codec.readRaw(['N-D-Region', 'dev', 'n-d-version', '1.0'])).toBe('1.0');
    codec.readRaw(['n-d-address', '10.0.0.1']);
    expect(notices).toEqual([expect.stringContaining('n-d-region of nepxion'), expect.stringContaining('n-d-address of nepxion')]);
    expect(codec.ownHeaders).toEqual(['n-d-version']);
    expect(written(codec, laneContext(undefined), { 'n-d-region': 'dev' })).toEqual({ 'n-d-region': 'dev' });
  });
});

describe('polaris: by the lane group', () => {
  const rules = rulesOf([
    { name: 'gray', tag: 'gray', polaris: { key: 'version', values: ['v2', 'v3'], name: 'canary rule' } },
    { name: 'blue', tag: 'blue' },
  ]);
  const codec = createTagCodec({ formats: ['polaris'], rules: () => rules });

  test.each([
    ['shop/canary rule', 'gray'],
    ['shop%2Fcanary%20rule', 'gray'],
    ['shop/gray', 'gray'],
    ['shop/blue', 'blue'],
    // Another group's rule of that name is no lane of ours.
    ['other/canary', 'canary'],
    // The short form is the value of the label.
    ['v3', 'gray'],
  ])('header %s is tag %s', (header, tag) => {
    expect(codec.readRaw(['service-lane', header])).toBe(tag);
  });

  test('the header names the rule', () => {
    expect(written(codec)).toEqual({ 'service-lane': 'shop/canary%20rule' });
    expect(written(codec, laneContext('blue'))).toEqual({ 'service-lane': 'shop/blue' });
  });

  test('instances tell the lane by the label, of any of its values', () => {
    const read = instanceTagReader(['polaris'], rules.polarisLabels);
    expect([{ version: 'v2' }, { version: 'v3' }, { version: 'v1' }, { lane: 'gray' }, undefined].map(read)).toEqual([
      'gray',
      'gray',
      undefined,
      'gray',
      undefined,
    ]);
    expect(codec.metadata('gray')).toEqual({ lane: 'gray', version: 'v2' });
    // A value of the usual label goes before the tag of that name.
    expect(instanceTagReader([], rulesOf([{ name: 'g', tag: 'gray', polaris: { values: ['v2'] } }]).polarisLabels)({ lane: 'v2' })).toBe('gray');
  });

  test('tables follow the lane groups', () => {
    const tables = new ServiceTables({ formats: [] });
    const key = { name: 'a', group: 'g' };
    const one = { ip: '10.0.0.1', port: 1, weight: 1, healthy: true, enabled: true };
    tables.update(key, [
      { ...one, metadata: { version: 'v2' } },
      { ...one, port: 2, metadata: {} },
    ]);
    const ports = (tag?: string): number[] | undefined => tables.route(key, tag)?.instances.map(({ port }) => port);
    expect(ports()).toEqual([1, 2]);
    tables.setRules(rules);
    expect([ports('gray'), ports()]).toEqual([[1], [2]]);
    tables.setRules(undefined);
    expect(ports()).toEqual([1, 2]);
  });

  test('a group says which instances are base', () => {
    const key = { name: 'a', group: 'g' };
    const one = { ip: '10.0.0.1', weight: 1, healthy: true, enabled: true };
    const ports = (more: Partial<LaneGroup>): number[] => {
      const tables = new ServiceTables({ formats: [] });
      tables.setRules(rulesOf([{ name: 'gray', tag: 'gray', enabled: false }], more));
      tables.update(key, [
        { ...one, port: 1, metadata: {} },
        { ...one, port: 2, metadata: { lane: 'gray' } },
      ]);
      return tables.route(key, undefined)?.instances.map(({ port }) => port) ?? [];
    };
    expect(ports({})).toEqual([1]);
    expect(ports({ baseMode: 'outside-enabled-lanes' })).toEqual([1, 2]);
  });
});

describe('dubbo', () => {
  const rules = rulesOf([
    { name: 'gray', tag: 'gray', fallback: 'none' },
    { name: 'blue', tag: 'blue' },
  ]);

  test('a lane that must not fall back says so, and no other does', () => {
    const codec = createTagCodec({ formats: ['dubbo'], rules: () => rules });
    expect(written(codec)).toEqual({ 'dubbo.tag': 'gray', 'dubbo.force.tag': 'true' });
    expect(written(codec, laneContext('blue'))).toEqual({ 'dubbo.tag': 'blue' });
    expect(written(createTagCodec({ formats: ['dubbo'], rules: () => rules, fallback: 'none' }), laneContext('blue'))).toMatchObject({
      'dubbo.force.tag': 'true',
    });
  });

  test('it is no tag, and is taken away with it', () => {
    const codec = createTagCodec({ formats: ['dubbo'] });
    expect(codec.readRaw(['dubbo.force.tag', 'true'])).toBe(undefined);
    expect(codec.counts.malformed).toBe(0);
    expect(written(codec, laneContext(undefined), { 'dubbo.force.tag': 'true' })).toEqual({});
  });
});

describe('names of formats', () => {
  test.each([
    ['baggage,mse', ['baggage', 'mse']],
    [' ASM(X-My-Tag) header(x-any)', ['asm(x-my-tag)', 'header(x-any)']],
    ['asm', ['asm']],
    ['header', undefined],
    ['header()', undefined],
    ['mse(x-any)', undefined],
    ['header(x any)', undefined],
    ['header(x-any', undefined],
    ['header(host)', undefined],
    ['header(Content-Length)', undefined],
    ['asm(baggage)', undefined],
    ['header(x-forwarded-for)', undefined],
    ['header(:path)', undefined],
    ['', undefined],
    ['constructor', undefined],
  ])('%j', (text, names) => {
    expect(parseFormatNames(text)).toEqual(names);
  });

  test('a header that is named is taken away where the known ones are', () => {
    const codec = createTagCodec({ formats: everyFormat(['header(x-any)']) });
    expect(codec.ownHeaders).toEqual(expect.arrayContaining(['x-any', 'x-mse-tag', 'service-lane', '__microservice_tag__', 'x-lane-code']));
  });

  test('no text makes it throw, and what is accepted has a row', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^(asm|header|mse)\([a-z()-]*\)?$/)), (text) => {
        for (const name of parseFormatNames(text) ?? []) {
          expect(isFormatName(name)).toBe(true);
          expect(createTagCodec({ formats: [name] }).wire('gray').headers.length).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});

test('whatever stands in the carriers, reading never throws, gives a tag or none, and what is carried on says what came', () => {
  const json = fc.oneof(
    fc.json(),
    fc.constantFrom(
      '{',
      '[',
      '[[]]',
      '{"a":{}}',
      '{"__proto__":"x","a":"1"}',
      '[{"tag":"__proto__"}]',
      `[${'['.repeat(5000)}`,
      '{"a":"1"}, {"a":"2"}',
    ),
    fc.array(fc.record({ name: fc.string(), tag: fc.anything(), priority: fc.anything() })).map((list) => JSON.stringify(list)),
    fc.string({ unit: 'binary' }),
  );
  const formats: readonly FormatName[] = everyFormat(['header(x-any)']);
  fc.assert(
    fc.property(fc.constantFrom('n-d-version', '__microservice_tag__', 'baggage', 'service-lane'), json, fc.boolean(), (name, text, encoded) => {
      const value = encoded ? encodeURIComponent(text.replace(/\p{Surrogate}/gu, '')) : text;
      const raw = [name, name === 'baggage' ? `__microservice_tag__=${value}` : value];
      const codec = createTagCodec({ formats, service: () => 'a' });
      const tag = codec.readRaw(raw);
      if (tag !== undefined) expect(tag).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
      const carried = codec.carriedIn?.((name) => linesOf(raw, name));
      if (carried !== undefined) expect(JSON.parse(carried.value)).toEqual(JSON.parse(value));
      // Remembered answers are the same.
      expect(codec.readRaw(raw)).toBe(tag);
    }),
    { numRuns: 500 },
  );
});
