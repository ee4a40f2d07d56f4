import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tagOfMetadata, type FormatName } from './formats.js';

type Metadata = Record<string, string>;

const PLAIN: readonly FormatName[] = ['baggage'];
const WITH_NEPXION: readonly FormatName[] = ['baggage', 'nepxion'];

const env = (...entries: unknown[]): Metadata => ({ '__micro.service.env__': JSON.stringify(entries) });

describe('tagOfMetadata', () => {
  test.each<[form: string, metadata: Metadata, tag: string | undefined]>([
    ['no metadata', {}, undefined],
    ['foreign keys alone', { 'preserved.register.source': 'SPRING_CLOUD', env: 'gray', tag: 'gray' }, undefined],
    ['ours', { lane: 'gray' }, 'gray'],
    ['ours, empty', { lane: '' }, undefined],
    ['ours, malformed', { lane: 'gr ay' }, undefined],
    ['ours in upper case', { LANE: 'gray' }, undefined],
    ['MSE', { 'alicloud.service.tag': 'gray' }, 'gray'],
    ['MSE, empty as its Java agent writes it for base', { 'alicloud.service.tag': '' }, undefined],
    ['OpenSergo', { 'opensergo.io/canary-gray': '' }, 'gray'],
    ['OpenSergo, whatever the value', { 'opensergo.io/canary-gray': 'true' }, 'gray'],
    ['OpenSergo, a tag with a dash', { 'opensergo.io/canary-gray-2': '' }, 'gray-2'],
    ['OpenSergo, base', { 'opensergo.io/canary': 'gray' }, undefined],
    ['OpenSergo, base, an empty tag', { 'opensergo.io/canary-': 'gray' }, undefined],
    ['OpenSergo, an empty tag before a real one', { 'opensergo.io/canary-': '', 'opensergo.io/canary-gray': '' }, 'gray'],
    ['OpenSergo, base beside a tag', { 'opensergo.io/canary': '', 'opensergo.io/canary-gray': '' }, 'gray'],
    ['OpenSergo, another word', { 'opensergo.io/canaryx-gray': '', 'x.opensergo.io/canary-gray': '' }, undefined],
    ['MSE env', env({ tag: 'gray', type: 'tag', priority: 100, desc: 'x' }), 'gray'],
    ['MSE env, another type', env({ tag: 'gray', type: 'az', priority: 100 }), undefined],
    ['MSE env, no type', env({ tag: 'gray' }), undefined],
    ['MSE env, tag among others', env({ tag: 'hz-a', type: 'az', priority: 300 }, { tag: 'gray', type: 'tag', priority: 1 }), 'gray'],
    [
      'MSE env, the highest priority',
      env({ tag: 'blue', type: 'tag', priority: 1 }, { tag: 'gray', type: 'tag', priority: 2 }, { tag: 'red', type: 'tag', priority: 0 }),
      'gray',
    ],
    ['MSE env, priority as text', env({ tag: 'blue', type: 'tag', priority: '9' }, { tag: 'gray', type: 'tag', priority: '10' }), 'gray'],
    ['MSE env, no priorities: the first', env({ tag: 'gray', type: 'tag' }, { tag: 'blue', type: 'tag' }), 'gray'],
    ['MSE env, a negative priority', env({ tag: 'gray', type: 'tag', priority: -1 }), 'gray'],
    ['MSE env, a malformed tag', env({ tag: 'gr ay', type: 'tag', priority: 2 }, { tag: 'gray', type: 'tag', priority: 1 }), 'gray'],
    ['MSE env, junk in the list', env(null, 1, 'gray', [], { tag: 'gray', type: 'tag' }), 'gray'],
    ['MSE env, an empty list', env(), undefined],
    ['MSE env, no list', { '__micro.service.env__': '{"tag":"gray","type":"tag"}' }, undefined],
    ['MSE env, null', { '__micro.service.env__': 'null' }, undefined],
    ['MSE env, no JSON', { '__micro.service.env__': '[{' }, undefined],
    ['MSE env, empty', { '__micro.service.env__': '' }, undefined],
    ['Dubbo', { 'dubbo.tag': 'gray' }, 'gray'],
    ['ASM', { ASM_TRAFFIC_TAG: 'gray' }, 'gray'],
    ['Nepxion, not listed: `version` is a common key', { version: 'gray' }, undefined],
  ])('%s', (_, metadata, tag) => {
    expect(tagOfMetadata(metadata, PLAIN)).toBe(tag);
  });

  test('reads Nepxion metadata if the format is listed', () => {
    expect(tagOfMetadata({ version: '1.1' }, WITH_NEPXION)).toBe('1.1');
    expect(tagOfMetadata({ version: '1.1', lane: 'gray' }, WITH_NEPXION)).toBe('gray');
    expect(tagOfMetadata({ version: '1.1' }, PLAIN)).toBe(undefined);
  });

  test('of several forms ours takes precedence, and an invalid tag does not hide the next', () => {
    const forms: Metadata[] = [
      { lane: 'first' },
      { 'alicloud.service.tag': 'second' },
      { 'opensergo.io/canary-third': '' },
      env({ tag: 'fourth', type: 'tag' }),
      { 'dubbo.tag': 'fifth' },
      { ASM_TRAFFIC_TAG: 'sixth' },
      { version: 'seventh' },
    ];
    const tags = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh'];
    for (let from = 0; from < forms.length; from++) {
      const metadata = Object.assign({}, ...forms.slice(from).toReversed()) as Metadata;
      expect(tagOfMetadata(metadata, WITH_NEPXION)).toBe(tags[from]);
      for (const key of Object.keys(forms[from] as Metadata)) metadata[key] = 'not a tag!';
      if (from !== 2) expect(tagOfMetadata(metadata, WITH_NEPXION)).toBe(tags[from + 1]);
    }
  });

  test('metadata that is absent is base', () => {
    expect(tagOfMetadata(undefined, PLAIN)).toBe(undefined);
    expect(tagOfMetadata(null as never, PLAIN)).toBe(undefined);
  });

  test('never throws, whatever other programs write there', () => {
    const key = fc.constantFrom(
      'lane',
      'alicloud.service.tag',
      'opensergo.io/canary',
      'opensergo.io/canary-x',
      '__micro.service.env__',
      'dubbo.tag',
      'ASM_TRAFFIC_TAG',
      'version',
    );
    const value = fc.oneof(
      fc.string(),
      fc.json(),
      fc.jsonValue(),
      fc.array(fc.record({ type: fc.constant('tag'), tag: fc.jsonValue(), priority: fc.jsonValue() })).map((list) => JSON.stringify(list)),
    );
    fc.assert(
      fc.property(fc.dictionary(key, value), (metadata) => {
        const tag = tagOfMetadata(metadata as Metadata, WITH_NEPXION);
        expect(tag === undefined || /^[\w.-]{1,64}$/.test(tag)).toBe(true);
      }),
    );
  });
});
