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
    ['an empty tag is none: the name', [{ name: 'gray', tag: '', priority: 100 }], 'gray'],
    ['no tag, said so: the name', [{ name: 'gray', tag: null, priority: 100 }], 'gray'],
    ['neither tag nor name hides no other', [{ name: '', tag: '', priority: -9 }, { name: 'gray' }], 'gray'],
    ['a tag that can be none is not told by its name', [{ name: 'blue', tag: 'gr ay' }], undefined],
    ['an empty tag beside the word for base', [{ name: 'base', tag: '' }], undefined],
  ])('%s', (_, list, tag) => {
    expect(read(list)).toBe(tag);
  });

  test.each([
    ['as the baggage has it, of which only some is encoded', '[{%22name%22:%22gray%22%2C%22tag%22:%22gray%22%2C%22priority%22:-1}]'],
    ['wholly encoded', encodeURIComponent('[{"name":"gray","tag":"gray","priority":-1}]')],
    ['encoded as forms are, with blanks', encodeURIComponent('[{"name": "gray", "tag": "gray"}]').replaceAll('%20', '+')],
    ['plain, with what looks encoded in another field', '[{"name":"50%25","tag":"gray"}]'],
  ])('an attachment is read %s', (_, value) => {
    const codec = createTagCodec({ formats: ['mse'] });
    expect(codec.readRaw(['__microservice_tag__', value])).toBe('gray');
    expect(codec.readRaw(['baggage', `__microservice_tag__=${encodeURIComponent(value)}`])).toBe('gray');
    expect(codec.counts.malformed).toBe(0);
  });

  const GRAY = '[{"name":"gray","tag":"gray","priority":-1}]';
  const BLUE = '[{"name":"[blue]\\",","tag":"blue","priority":-9}]';
  test.each([
    ['as two lines', [GRAY, BLUE], 'gray'],
    ['joined', [`${GRAY},${BLUE}`], 'gray'],
    ['joined the other way', [`${BLUE} , ${GRAY}`], 'blue'],
    ['joined, encoded', [`${encodeURIComponent(GRAY)}, ${encodeURIComponent(BLUE)}`], 'gray'],
    ['joined, partly encoded', [`${GRAY.replaceAll('"', '%22')},${GRAY.replaceAll('"', '%22')}`], 'gray'],
    ['joined, the first empty', [`[],${GRAY}`], undefined],
    ['joined by something else', [`${GRAY};${BLUE}`], undefined],
    ['and broken off', [`${GRAY.slice(0, -1)},${BLUE}`], undefined],
  ])('the first of two lists counts: %s', (_, lines, tag) => {
    const codec = createTagCodec({ formats: ['mse'] });
    expect(codec.read((name) => (name === '__microservice_tag__' ? lines : undefined))).toBe(tag);
  });

  test('it is read first, and a different tag in an older carrier is a conflict', () => {
    const codec = createTagCodec({ formats: ['mse'] });
    expect(codec.readRaw(['x-mse-tag', 'blue', 'baggage', 'x-mse-gray-tag=blue,__microservice_tag__=%5B%7B%22tag%22:%22gray%22%7D%5D'])).toBe('gray');
    expect(codec.counts).toEqual({ conflicts: 1, malformed: 0 });
  });

  test('an empty list is not a malformed tag; a list without usable entries is, and so is anything else', () => {
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

  test.each(['null', 'true', '7', 'gray'])('anything but a list is no tag, even if it looks like one: %s', (value) => {
    const codec = createTagCodec({ formats: ['mse'] });
    expect([codec.readRaw(['__microservice_tag__', value]), codec.readRaw(['baggage', `__microservice_tag__=${value}`])]).toEqual([
      undefined,
      undefined,
    ]);
    expect(codec.counts.malformed).toBe(2);
    expect(codec.readRaw(['__microservice_tag__', value, 'x-mse-tag', 'blue'])).toBe('blue');
  });

  test('goes into baggage everywhere, and into a separate header only with messages and remote calls', () => {
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

describe('nepxion: a version per service', () => {
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

  test('the map is forwarded unchanged, whatever this service reads in it, instead of its own tag', () => {
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

  const OTHER = '{"a":"9.9","b":"9.9"}';
  test.each([
    ['encoded', encodeURIComponent(MAP)],
    ['encoded but for commas and colons', encodeURI(MAP)],
    ['twice, joined', `${MAP}, ${OTHER}`],
    ['twice, joined and encoded', `${encodeURIComponent(MAP)},${encodeURIComponent(OTHER)}`],
  ])('of a map that came %s the first one counts, and is forwarded as plain JSON', (_, value) => {
    const codec = of('a');
    const raw = ['n-d-version', value];
    expect(codec.readRaw(raw)).toBe('1.0');
    expect(codec.counts.malformed).toBe(0);
    const carried = codec.carriedIn?.((name) => linesOf(raw, name));
    expect(carried?.value).toBe(MAP);
    expect(carried?.tags.get('b')).toBe('1.1');
  });

  test('the first of two versions counts', () => {
    expect(of('a').readRaw(['n-d-version', '1.0, 1.1'])).toBe('1.0');
    expect(of('a').readRaw(['n-d-version', 'default,1.1'])).toBe(undefined);
  });

  test.each(['{"a":"1.0"', '{"a":"1.0"};{"a":"1.1"}', '%7B%22a%22', '[{"a":"1.0"}]', '{"a":"1.0"}}'])(
    'what is no map, as %s, is no tag for anybody, and does not go on',
    (value) => {
      const codec = of('a');
      expect(codec.readRaw(['n-d-version', value])).toBe(undefined);
      expect(codec.counts.malformed).toBe(1);
      expect(codec.carriedIn?.(() => value)).toBe(undefined);
    },
  );

  test('a map with any characters and line breaks, as messages may have it, is forwarded as an equivalent header', () => {
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

  test('a map longer than peers accept in a header is not forwarded, and counted', () => {
    const codec = of('a');
    expect(codec.carriedIn?.(() => JSON.stringify({ a: '1.0', b: 'x'.repeat(8_192) }))).toBe(undefined);
    expect(codec.counts.malformed).toBe(1);
  });

  test('calls go to the version for the called service', () => {
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

  test('headers that select by region or address are left alone, which is logged once each', () => {
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

  describe('a tag that several groups have', () => {
    const label = { key: 'version', values: ['v2'] };
    const rulesOfAll = compileLaneGroups({
      version: 1,
      groups: [
        { name: 'shop', services: ['a', 'both'], entry: { services: ['door'] }, lanes: [{ name: 'gray', tag: 'gray', polaris: label }] },
        {
          name: 'bank',
          services: ['b', 'both', 'deep'],
          entry: { services: ['door'] },
          lanes: [
            { name: 'gray', tag: 'gray', fallback: 'none' },
            { name: 'blue', tag: 'blue', polaris: label },
          ],
        },
      ],
    });
    const of = (service?: string): TagCodec => createTagCodec({ formats: ['polaris', 'dubbo'], rules: () => rulesOfAll, service: () => service });

    // Who reads it knows the groups of its own service, and of the one that it calls: by another's it is base.
    test.each([
      ['a', undefined, 'shop'],
      ['b', undefined, 'bank'],
      ['b', 'deep', 'bank'],
      ['both', undefined, 'shop'],
      ['both', 'deep', 'bank'],
      ['both', 'both', 'shop'],
      ['b', 'both', 'bank'],
      ['a', 'b', 'bank'],
      ['b', '10.0.0.1', 'bank'],
      ['door', 'b', 'bank'],
      ['door', 'a', 'shop'],
      ['stranger', 'stranger', 'shop'],
      [undefined, 'b', 'bank'],
      [undefined, undefined, 'shop'],
    ])('from %s to %s is the lane of %s', (from, to, group) => {
      const codec = of(from);
      const written = (tag: string): Record<string, string> => Object.fromEntries(codec.wire(tag, to).headers);
      const headers = { 'service-lane': `${group}/gray`, 'dubbo.tag': 'gray', ...(group === 'bank' ? { 'dubbo.force.tag': 'true' } : {}) };
      expect(written('gray')).toEqual(headers);
      // In turn with calls to others.
      for (const other of ['a', 'b']) codec.wire('gray', other);
      expect(written('gray')).toEqual(headers);
      expect(written('blue')).toMatchObject({ 'service-lane': 'bank/blue' });
    });

    test("a label's value alone means the lane of the reader's own group", () => {
      const read = (service: string): string | undefined => of(service).readRaw(['service-lane', 'v2']);
      expect(['a', 'b', 'both', 'stranger'].map(read)).toEqual(['gray', 'blue', 'gray', 'gray']);
    });
  });

  test('instances name the lane by the label, with any of its values', () => {
    const read = instanceTagReader(['polaris'], rules.polarisLabelsOf('a'));
    expect([{ version: 'v2' }, { version: 'v3' }, { version: 'v1' }, { lane: 'gray' }, undefined].map(read)).toEqual([
      'gray',
      'gray',
      undefined,
      'gray',
      undefined,
    ]);
    expect(codec.metadata('gray', 'a')).toEqual({ lane: 'gray', version: 'v2' });
    expect(codec.metadata('gray', 'stranger')).toEqual({ lane: 'gray' });
    // A value of the usual label goes before the tag of that name.
    expect(instanceTagReader([], rulesOf([{ name: 'g', tag: 'gray', polaris: { values: ['v2'] } }]).polarisLabelsOf('a'))({ lane: 'v2' })).toBe(
      'gray',
    );
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

  test("a label means a lane only for its group's services", () => {
    const tables = new ServiceTables({ formats: [] });
    tables.setRules(
      compileLaneGroups({
        version: 1,
        groups: [
          { name: 'shop', services: ['a', 'both'], lanes: [{ name: 'gray', tag: 'gray', polaris: { key: 'version', values: ['v2'] } }] },
          { name: 'bank', services: ['b', 'both'], lanes: [{ name: 'blue', tag: 'blue', polaris: { key: 'version', values: ['v2', 'v3'] } }] },
        ],
      }),
    );
    const one = { ip: '10.0.0.1', weight: 1, healthy: true, enabled: true };
    const lanesOf = (name: string): Record<string, number[]> => {
      const key = { name, group: 'g' };
      tables.update(key, [
        { ...one, port: 1, metadata: {} },
        { ...one, port: 2, metadata: { version: 'v2' } },
        { ...one, port: 3, metadata: { version: 'v3' } },
      ]);
      return Object.fromEntries([undefined, 'gray', 'blue'].map((tag) => [tag, tables.route(key, tag)?.instances.map(({ port }) => port) ?? []]));
    };
    expect(lanesOf('a')).toEqual({ undefined: [1, 3], gray: [2], blue: [1, 3] });
    expect(lanesOf('b')).toEqual({ undefined: [1], gray: [1], blue: [2, 3] });
    expect(lanesOf('both')).toEqual({ undefined: [1], gray: [2], blue: [3] });
    // The instance itself says which of the two it is in.
    const both = instanceTagReader([], tables.rules?.polarisLabelsOf('both'));
    expect(
      [
        { version: 'v2', lane: 'blue' },
        { version: 'v2', lane: 'gray' },
        { version: 'v2', lane: 'other' },
      ].map(both),
    ).toEqual(['blue', 'gray', 'gray']);
    // In no group: all of it is base.
    expect(lanesOf('stranger')).toEqual({ undefined: [1, 2, 3], gray: [1, 2, 3], blue: [1, 2, 3] });
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

  test('only a lane that must not fall back says so', () => {
    const codec = createTagCodec({ formats: ['dubbo'], rules: () => rules });
    expect(written(codec)).toEqual({ 'dubbo.tag': 'gray', 'dubbo.force.tag': 'true' });
    expect(written(codec, laneContext('blue'))).toEqual({ 'dubbo.tag': 'blue' });
    expect(written(createTagCodec({ formats: ['dubbo'], rules: () => rules, fallback: 'none' }), laneContext('blue'))).toMatchObject({
      'dubbo.force.tag': 'true',
    });
  });

  test('it is not a tag, and is removed with the tag', () => {
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

  test('a configured header is removed together with the known ones', () => {
    const codec = createTagCodec({ formats: everyFormat(['header(x-any)']) });
    expect(codec.ownHeaders).toEqual(expect.arrayContaining(['x-any', 'x-mse-tag', 'service-lane', '__microservice_tag__', 'x-lane-code']));
  });

  test('never throws, and each accepted name has a row', () => {
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

const TWO_MAPS = '{"a":"1"}, {"a":"2"}';

test('reading never throws on any carriers, gives a tag or none, and forwards what it got', () => {
  const json = fc.oneof(
    fc.json(),
    fc.constantFrom('{', '[', '[[]]', '{"a":{}}', '{"__proto__":"x","a":"1"}', '[{"tag":"__proto__"}]', `[${'['.repeat(5000)}`, TWO_MAPS),
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
      if (carried !== undefined) {
        const plain = encoded ? decodeURIComponent(value) : value;
        // Of two that are joined, the first.
        expect(JSON.parse(carried.value)).toEqual(JSON.parse(plain === TWO_MAPS ? '{"a":"1"}' : plain));
      }
      // Remembered answers are the same.
      expect(codec.readRaw(raw)).toBe(tag);
    }),
    { numRuns: 500 },
  );
});
