import { validateHeaderValue } from 'node:http';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergeBaggageEntry } from './baggage.js';
import { FORMAT_NAMES, tagOfMetadata, type FormatName } from './formats.js';
import { createTagCodec, linesOf, type TagCodec, type WireTag } from './tag-codec.js';
import { laneContext } from '../context.js';
import { isTag } from '../names/tag.js';
import type { WireLane, WireRules } from '../rules/types.js';

type Header = readonly [name: string, value: string];

/** Reads the same headers in both ways, which must agree. */
function readBoth(codec: TagCodec, headers: readonly Header[]): string | undefined {
  const raw = headers.flat();
  const before = { ...codec.counts };
  const tag = codec.readRaw(raw);
  const counted = { conflicts: codec.counts.conflicts - before.conflicts, malformed: codec.counts.malformed - before.malformed };
  const between = { ...codec.counts };
  expect(codec.read((name) => linesOf(raw, name))).toBe(tag);
  expect({ conflicts: codec.counts.conflicts - between.conflicts, malformed: codec.counts.malformed - between.malformed }).toEqual(counted);
  return tag;
}

/** The headers that carry a tag, as a client sends them. */
function headersOf(wire: WireTag, baggage?: string): Header[] {
  let lines = baggage;
  for (const [key, entry] of wire.entries) lines = mergeBaggageEntry(lines, key, entry);
  return lines === undefined ? [...wire.headers] : [...wire.headers, ['baggage', lines]];
}

/** Lane groups that know a tag's group alone. */
function inGroup(groupOf: (tag: string) => string | undefined): () => WireRules {
  const known = new Map<string, WireLane>();
  return () => ({
    wireOf(tag) {
      const group = groupOf(tag);
      if (group === undefined) return undefined;
      const key = `${group}/${tag}`;
      if (!known.has(key)) known.set(key, { group, polarisRule: tag, fallback: undefined });
      return known.get(key);
    },
    tagOfPolaris: () => undefined,
    polarisLabelsOf: () => [],
  });
}

/** All that need no argument, and one with. `asm` with another header is the same row. */
const EVERY_FORMAT: readonly FormatName[] = [...FORMAT_NAMES, 'header(x-any)'];

const MSE_LIST_ENTRY = ['__microservice_tag__', '__microservice_tag__=[{%22name%22:%22gray%22%2C%22tag%22:%22gray%22%2C%22priority%22:-1}]'] as const;

const codecOf = (...formatsIn: FormatName[]): TagCodec => createTagCodec({ formatsIn });

describe('one format', () => {
  test.each<[format: FormatName, headers: readonly Header[], tag: string | undefined]>([
    ['baggage', [['baggage', 'user=42,lane=gray']], 'gray'],
    ['baggage', [['baggage', 'x-mse-gray-tag=gray']], undefined],
    ['baggage', [['x-mse-tag', 'gray']], undefined],
    ['mse', [['x-mse-tag', 'gray']], 'gray'],
    ['mse', [['baggage', 'user=42,x-mse-gray-tag=gray']], 'gray'],
    ['mse', [['baggage', 'lane=gray']], undefined],
    ['polaris', [['service-lane', 'shop/gray']], 'gray'],
    ['polaris', [['service-lane', 'shop/a/gray']], 'gray'],
    ['polaris', [['service-lane', 'gray']], 'gray'],
    ['polaris', [['service-lane', 'shop/']], undefined],
    ['dubbo', [['dubbo.tag', 'gray']], 'gray'],
    ['asm', [['x-asm-prefer-tag', 'gray']], 'gray'],
    ['nepxion', [['n-d-version', '1.1']], '1.1'],
    ['nepxion', [['version', '1.1']], undefined],
  ])('%s reads %j as %j', (format, headers, tag) => {
    expect(readBoth(codecOf(format), headers)).toBe(tag);
  });

  test.each<[format: FormatName, name: string]>([
    ['baggage', 'Baggage'],
    ['baggage', 'BAGGAGE'],
    ['mse', 'X-Mse-Tag'],
    ['polaris', 'Service-Lane'],
    ['dubbo', 'Dubbo.Tag'],
    ['asm', 'X-ASM-Prefer-Tag'],
    ['nepxion', 'N-D-Version'],
  ])('%s: the header %s is read in any case', (format, name) => {
    expect(
      readBoth(codecOf(format), [
        ['host', 'a'],
        [name, format === 'baggage' ? 'lane=gray' : 'gray'],
        ['accept', '*/*'],
      ]),
    ).toBe('gray');
  });

  test('a header of the same length as ours, or with our name as its value, is not ours', () => {
    const codec = codecOf('baggage');
    expect(
      readBoth(codec, [
        ['package', 'lane=gray'],
        ['x-other', 'baggage'],
        ['upgrade', 'lane=gray'],
      ]),
    ).toBe(undefined);
    expect(codec.readRaw([])).toBe(undefined);
  });

  test('reads baggage under another key if configured, and no longer under `lane`', () => {
    const codec = createTagCodec({ baggageKey: 'canary' });
    expect(readBoth(codec, [['baggage', 'lane=blue,canary=gray']])).toBe('gray');
    expect(readBoth(codec, [['baggage', 'lane=blue']])).toBe(undefined);
    expect(codec.wire('gray').entries).toEqual([['canary', 'canary=gray']]);
    expect(codec.ownEntries).toEqual(['canary']);
  });
});

describe('duplicates', () => {
  test('several baggage lines are all read, and the last entry wins', () => {
    const codec = codecOf('baggage');
    expect(
      readBoth(codec, [
        ['baggage', 'lane=gray'],
        ['Baggage', 'user=42'],
      ]),
    ).toBe('gray');
    expect(
      readBoth(codec, [
        ['baggage', 'lane=blue'],
        ['host', 'a'],
        ['baggage', 'lane=gray'],
      ]),
    ).toBe('gray');
    expect(codec.counts).toEqual({ conflicts: 0, malformed: 0 });
  });

  test('the first of two whole headers counts, whether or not Node joins them', () => {
    for (const format of EVERY_FORMAT) {
      const [name, value] =
        createTagCodec({ formats: [format] })
          .wire('gray')
          .headers.find(([, text]) => text.includes('gray')) ?? [];
      if (name === undefined || value === undefined) continue;
      const codec = codecOf(format);
      const other = value.replace('gray', 'blue');
      expect(
        readBoth(codec, [
          [name, value],
          [name, other],
        ]),
      ).toBe('gray');
      // What `request.headers` of node:http makes of two lines.
      expect(readBoth(codec, [[name, `${value}, ${other}`]])).toBe('gray');
      expect(codec.counts.malformed).toBe(0);
    }
  });
});

describe('several formats', () => {
  const everywhere: readonly Header[] = [
    ['x-lane-code', 'of-joylive'],
    ['x-lane-space-id', 'shop'],
    ['opensergo-label', 'of-opensergo'],
    ['x-any', 'of-header-x-any-'],
    ['n-d-version', 'of-nepxion'],
    ['x-asm-prefer-tag', 'of-asm'],
    ['dubbo.tag', 'of-dubbo'],
    ['service-lane', 'shop/of-polaris'],
    ['x-mse-tag', 'of-mse'],
    ['baggage', 'x-mse-gray-tag=of-mse,lane=of-baggage'],
  ];

  test('if two disagree, the first listed wins, wherever it is in the request, which is counted once per request', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...EVERY_FORMAT], { minLength: 2 }),
        fc.shuffledSubarray([...everywhere], { minLength: everywhere.length }),
        (formatsIn, headers) => {
          const codec = createTagCodec({ formatsIn });
          expect(codec.readRaw(headers.flat())).toBe(`of-${formatsIn[0]?.replace(/[^a-z]/g, '-')}`);
          expect(codec.counts).toEqual({ conflicts: 1, malformed: 0 });
        },
      ),
    );
  });

  test('formats that agree, and formats without a tag, are no conflict', () => {
    const codec = codecOf('asm', 'mse', 'baggage');
    expect(
      readBoth(codec, [
        ['x-mse-tag', 'gray'],
        ['baggage', 'lane=gray'],
      ]),
    ).toBe('gray');
    expect(readBoth(codec, [['baggage', 'lane=gray']])).toBe('gray');
    expect(codec.counts).toEqual({ conflicts: 0, malformed: 0 });
  });

  test('the two carriers of mse can disagree: the header wins', () => {
    const codec = codecOf('mse');
    expect(codec.readRaw(['baggage', 'x-mse-gray-tag=blue', 'x-mse-tag', 'gray'])).toBe('gray');
    expect(codec.counts.conflicts).toBe(1);
  });

  test('a malformed tag counts as none: it is counted, and the next format is read', () => {
    const codec = codecOf('mse', 'baggage');
    expect(codec.readRaw(['x-mse-tag', 'gr ay', 'baggage', 'lane=gray'])).toBe('gray');
    expect(codec.counts).toEqual({ conflicts: 0, malformed: 1 });
    expect(codec.readRaw(['x-mse-tag', 'gr ay', 'baggage', 'lane=gr%20ay'])).toBe(undefined);
    expect(codec.counts).toEqual({ conflicts: 0, malformed: 3 });
  });

  test('formats written are not read unless listed', () => {
    const codec = createTagCodec({ formats: ['mse'], formatsIn: ['baggage'] });
    expect(readBoth(codec, [['x-mse-tag', 'gray']])).toBe(undefined);
    expect(readBoth(codec, [['baggage', 'lane=gray']])).toBe('gray');
    expect(codec.wire('gray').headers).toEqual([['x-mse-tag', 'gray']]);
  });
});

describe('malformed', () => {
  test.each(['', 'gr ay', 'gray/', 'x'.repeat(65), 'gräy', '"gray"'])('%j is counted and is not a tag', (value) => {
    for (const format of EVERY_FORMAT) {
      if (format === 'baggage') continue;
      const codec = codecOf(format);
      expect(
        codec.readRaw(headersOf({ ...createTagCodec({ formats: [format] }).wire('gray'), entries: [] }).flatMap(([name]) => [name, value])),
      ).toBe(undefined);
      expect(codec.counts).toEqual({ conflicts: 0, malformed: 1 });
    }
    const codec = codecOf('baggage');
    expect(codec.readRaw(['baggage', `lane=${value}`])).toBe(undefined);
    expect(codec.counts).toEqual({ conflicts: 0, malformed: 1 });
  });

  test('no header at all is not malformed', () => {
    const codec = codecOf(...EVERY_FORMAT);
    expect(
      readBoth(codec, [
        ['host', 'a'],
        ['baggage', 'user=42'],
      ]),
    ).toBe(undefined);
    expect(codec.counts).toEqual({ conflicts: 0, malformed: 0 });
  });

  test('a header without lines is no header', () => {
    const codec = codecOf(...EVERY_FORMAT);
    expect(codec.read(() => [])).toBe(undefined);
    expect(codec.counts).toEqual({ conflicts: 0, malformed: 0 });
  });

  test('blanks around a tag do no harm', () => {
    for (const format of EVERY_FORMAT) {
      const codec = createTagCodec({ formats: [format] });
      expect(
        readBoth(
          codec,
          headersOf(codec.wire('gray')).map(([name, value]) => [name, ` ${value}\t`]),
        ),
      ).toBe('gray');
    }
  });
});

describe('writing', () => {
  test.each<[format: FormatName, headers: readonly Header[], entries: readonly Header[], metadata: Record<string, string>]>([
    ['baggage', [], [['lane', 'lane=gray']], { lane: 'gray' }],
    ['mse', [['x-mse-tag', 'gray']], [MSE_LIST_ENTRY, ['x-mse-gray-tag', 'x-mse-gray-tag=gray']], { lane: 'gray', 'alicloud.service.tag': 'gray' }],
    ['polaris', [['service-lane', 'shop/gray']], [], { lane: 'gray' }],
    ['dubbo', [['dubbo.tag', 'gray']], [], { lane: 'gray', 'dubbo.tag': 'gray' }],
    ['asm', [['x-asm-prefer-tag', 'gray']], [], { lane: 'gray', ASM_TRAFFIC_TAG: 'gray' }],
    ['nepxion', [['n-d-version', 'gray']], [], { lane: 'gray', version: 'gray' }],
    [
      'joylive',
      [
        ['x-lane-space-id', 'shop'],
        ['x-lane-code', 'gray'],
      ],
      [],
      { lane: 'gray', 'x-lane-code': 'gray' },
    ],
    ['opensergo', [['opensergo-label', 'gray']], [], { lane: 'gray', 'OpenSergo-Label': 'gray' }],
    ['asm(x-my-tag)', [['x-my-tag', 'gray']], [], { lane: 'gray', ASM_TRAFFIC_TAG: 'gray' }],
    ['header(x-any)', [['x-any', 'gray']], [], { lane: 'gray' }],
  ])('%s', (format, headers, entries, metadata) => {
    const codec = createTagCodec({ formats: [format], rules: inGroup(() => 'shop') });
    expect(codec.wire('gray')).toMatchObject({ tag: 'gray', headers, entries });
    expect(codec.metadata('gray')).toEqual(metadata);
  });

  test('polaris names the group of the tag, else `default`', () => {
    const codec = createTagCodec({ formats: ['polaris'], rules: inGroup((tag) => (tag === 'gray' ? 'shop' : undefined)) });
    expect(codec.wire('gray').headers).toEqual([['service-lane', 'shop/gray']]);
    expect(codec.wire('blue').headers).toEqual([['service-lane', 'default/blue']]);
    expect(createTagCodec({ formats: ['polaris'] }).wire('gray').headers).toEqual([['service-lane', 'default/gray']]);
  });

  test('polaris follows the lane groups: a group that becomes known later, and a renamed one', () => {
    let group: string | undefined;
    const codec = createTagCodec({ formats: ['baggage', 'polaris'], rules: inGroup(() => group) });
    const header = (): string | undefined => codec.wire('gray').headers[0]?.[1];
    expect(header()).toBe('default/gray');
    group = 'shop';
    expect(header()).toBe('shop/gray');
    expect(codec.wire('gray')).toBe(codec.wire('gray'));
    group = 'store';
    expect(header()).toBe('store/gray');
  });

  test('each written format is read back, and so is the metadata', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...EVERY_FORMAT], { minLength: 1 }),
        fc.string({ unit: fc.constantFrom(...'azAZ09._-'), minLength: 1, maxLength: 64 }),
        fc.constantFrom(undefined, 'user=42', 'lane=other,x-mse-gray-tag=other', 'x=1;lane=y,bad,,'),
        (formats, tag, baggage) => {
          expect(isTag(tag)).toBe(true);
          const codec = createTagCodec({ formats });
          const headers = headersOf(codec.wire(tag), baggage);
          // A baggage that we don't write stays as it came, with another's tag in it.
          const relevant = codec.wire(tag).entries.length > 0 ? headers : headers.filter(([name]) => name !== 'baggage');
          expect(readBoth(codec, relevant)).toBe(tag);
          for (const format of formats) expect(readBoth(codecOf(format), relevant)).toBe(tag);
          expect(codec.counts).toEqual({ conflicts: 0, malformed: 0 });

          const metadata = codec.metadata(tag);
          for (const key of Object.keys(metadata)) expect(tagOfMetadata({ [key]: metadata[key] as string }, formats)).toBe(tag);
        },
      ),
    );
  });

  test('one object per tag is shared by all requests, and made-up tags do not exhaust memory', () => {
    const codec = createTagCodec();
    const gray = codec.wire('gray');
    expect(codec.wire('gray')).toBe(gray);
    const anew = Array.from({ length: 5000 }, (_, i) => `made-up-${i}`).filter((tag) => codec.wire(tag) !== codec.wire(tag)).length;
    expect(anew).toBeGreaterThan(4000);
    expect(codec.wire('made-up-4999').entries).toEqual([['lane', 'lane=made-up-4999']]);
    expect(codec.wire('gray')).toBe(gray);
  });
});

describe('what can be written', () => {
  const group = fc.oneof(
    fc.constantFrom('商店', 'a b', '100%', 'a/b', 'a,b', '\ud800', '\r\nx-evil: 1', '\u0000', '', '+'),
    fc.string({ unit: 'binary' }),
    fc.string(),
  );

  test('is a legal header, for any format, tag and lane group, and every reader of the format reads it back', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...EVERY_FORMAT),
        fc.string({ unit: fc.constantFrom(...'azAZ09._-'), minLength: 1, maxLength: 64 }),
        group,
        (format, tag, name) => {
          const unwritable: string[] = [];
          const codec = createTagCodec({ formats: [format], rules: inGroup(() => name), onNotice: (message) => unwritable.push(message) });
          const headers = headersOf(codec.wire(tag));
          // JoyLive's receivers don't decode: a group that can't stand in a header is told, and left out.
          if (format !== 'joylive') expect(unwritable).toEqual([]);
          else if (unwritable.length > 0) expect(unwritable).toEqual([expect.stringContaining('x-lane-space-id')]);
          expect(headers.length).toBeGreaterThan(0);
          for (const [header, text] of headers) {
            expect(text).toMatch(/^[\x21-\x7e]+$/);
            validateHeaderValue(header, text);
          }

          expect(readBoth(codec, headers)).toBe(tag);
        },
      ),
    );
  });

  test.each([
    ['商店', '%E5%95%86%E5%BA%97/gray'],
    ['a b', 'a%20b/gray'],
    ['100%', '100%25/gray'],
    ['a+b', 'a%2Bb/gray'],
    ['shop', 'shop/gray'],
    ['\ud800', '%EF%BF%BD/gray'],
  ])('lane group %s in polaris: %s, which Spring Cloud Tencent decodes', (name, value) => {
    expect(createTagCodec({ formats: ['polaris'], rules: inGroup(() => name) }).wire('gray').headers).toEqual([['service-lane', value]]);
  });

  test('Spring Cloud Tencent encodes the whole header', () => {
    expect(readBoth(codecOf('polaris'), [['service-lane', 'shop%2Fgray']])).toBe('gray');
    expect(readBoth(codecOf('polaris'), [['service-lane', '%E5%95%86%E5%BA%97%2Fgray']])).toBe('gray');
  });

  test('what cannot be written is omitted, and logged once', () => {
    const unwritable: string[] = [];
    const codec = createTagCodec({ formats: ['dubbo', 'baggage'], baggageKey: 'bäd', onNotice: (message) => unwritable.push(message) });
    for (const tag of ['gray', 'blue', 'gray']) expect(codec.wire(tag)).toMatchObject({ headers: [['dubbo.tag', tag]], entries: [] });
    expect(unwritable).toEqual([expect.stringMatching(/^format baggage can't write the entry bäd of header baggage/)]);
  });
});

test('a tagged request costs one look-up: context, mark and outbound headers are one record', () => {
  const codec = createTagCodec({ formats: ['polaris'], rules: inGroup(() => 'shop') });
  const record = codec.record('gray');
  expect(codec.record('gray')).toBe(record);
  expect(record.context).toBe(laneContext('gray'));
  expect(record.context).toEqual({ tag: 'gray' });
  expect(record.mark).toEqual({ tag: 'gray', source: 'inbound' });
  expect(record.wire).toBe(codec.wire('gray'));
});

describe('what is ours', () => {
  test.each<[formats: FormatName[], formatsIn: FormatName[], headers: string[], entries: string[]]>([
    [['baggage'], ['baggage'], [], ['lane']],
    [['mse'], ['mse'], ['__microservice_tag__', 'x-mse-tag'], ['__microservice_tag__', 'x-mse-gray-tag']],
    [['baggage'], ['mse', 'asm'], ['__microservice_tag__', 'x-mse-tag', 'x-asm-prefer-tag'], ['lane', '__microservice_tag__', 'x-mse-gray-tag']],
    [['polaris', 'dubbo', 'nepxion'], ['polaris'], ['service-lane', 'dubbo.tag', 'dubbo.force.tag', 'n-d-version'], []],
  ])('%j written and %j read: headers %j, baggage entries %j', (formats, formatsIn, headers, entries) => {
    const codec = createTagCodec({ formats, formatsIn });
    expect([...codec.ownHeaders].toSorted()).toEqual([...headers].toSorted());
    expect([...codec.ownEntries].toSorted()).toEqual([...entries].toSorted());
  });
});

describe('readRaw', () => {
  test('finds the same as a look-up by name, in any headers', () => {
    const name = fc.constantFrom(
      'baggage',
      'Baggage',
      'x-mse-tag',
      'X-MSE-Tag',
      'service-lane',
      'dubbo.tag',
      'x-asm-prefer-tag',
      'n-d-version',
      'host',
      'package',
      'cookie',
      'x-other-a',
    );
    const value = fc.constantFrom(
      'gray',
      'blue',
      '',
      ' gray',
      'gr ay',
      'gray, blue',
      'shop/gray',
      'lane=gray',
      'lane=blue,user=42',
      'x-mse-gray-tag=gray,lane=blue',
      'lane=gr%20ay',
      'user=42',
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, value), { maxLength: 8 }),
        fc.shuffledSubarray([...EVERY_FORMAT], { minLength: 1 }),
        (headers, formatsIn) => {
          readBoth(createTagCodec({ formatsIn }), headers);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('linesOf', () => {
  test.each<[raw: string[], lines: string | string[] | undefined]>([
    [[], undefined],
    [['a', 'baggage'], undefined],
    [['baggage', ''], ''],
    [['A', '1', 'BAGGAGE', 'x', 'b', '2'], 'x'],
    [
      ['baggage', 'x', 'a', '1', 'Baggage', 'y', 'baggage', 'z'],
      ['x', 'y', 'z'],
    ],
  ])('%j gives %j', (raw, lines) => {
    expect(linesOf(raw, 'baggage')).toEqual(lines);
  });
});
