import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Instance } from './instance.js';
import { addressOf, saySame } from './say-same.js';

const instances = fc
  .record({ port: fc.integer({ min: 1, max: 5 }), weight: fc.constantFrom(1, 2), lane: fc.constantFrom(undefined, 'gray') })
  .map(({ port, weight, lane }): Instance => ({
    ip: '10.0.0.1',
    port,
    weight,
    healthy: true,
    enabled: true,
    metadata: lane === undefined ? {} : { lane },
  }));
const copyOf = (list: readonly Instance[]): Instance[] => list.map((one) => ({ ...one, metadata: { ...one.metadata } }));
/** What a list comes to: of each address the last. */
const meaningOf = (list: readonly Instance[]): Map<string, Instance> => new Map(list.map((one) => [addressOf(one), one]));

test('two lists are equivalent if they have the same result, in any order; with duplicate addresses, there are no false positives', () => {
  const list = fc.array(instances, { maxLength: 6 });
  const pairs = fc.oneof(
    fc.tuple(list, list),
    // As registries do: the same, in another order, or with one that is another.
    list.chain((one) => fc.tuple(fc.constant(one), fc.shuffledSubarray(one, { minLength: one.length }))),
    fc.tuple(list, fc.nat(), instances).map(([one, at, other]) => [one, one.length === 0 ? [] : one.with(at % one.length, other)] as const),
  );
  fc.assert(
    fc.property(pairs, ([before, after]) => {
      const now = copyOf(after);
      const [was, is] = [meaningOf(before), meaningOf(now)];
      const isSame = saySame(before, now);
      if (isSame) expect(is).toEqual(was);
      if (was.size === before.length && is.size === now.length) {
        const comesToSame = was.size === is.size && [...was].every(([address, one]) => JSON.stringify(is.get(address)) === JSON.stringify(one));
        expect(isSame).toBe(comesToSame);
      }
    }),
    { numRuns: 2_000 },
  );
});

const one: Instance = { ip: '10.0.0.1', port: 1, weight: 1, healthy: true, enabled: true, metadata: { zone: 'a' } };

test.each<[what: string, before: object, now: object]>([
  ['a mark of this process', {}, { refused: true }],
  ['a key more, that says nothing', {}, { cluster: undefined }],
  ['another key for the same value', { cluster: 'B' }, { group: 'B' }],
  ['no metadata at all', {}, { metadata: undefined }],
  ['metadata with a key more', {}, { metadata: { zone: 'a', lane: 'gray' } }],
  ['metadata with another key', {}, { metadata: { lane: 'a' } }],
  ['metadata with another key that says nothing', { metadata: { zone: undefined } }, { metadata: { lane: undefined } }],
])('%s makes a difference', (_, before, now) => {
  const [a, b] = [[{ ...one, ...before } as Instance], [{ ...one, ...now } as Instance]];
  expect([saySame(a, b), saySame(b, a)]).toEqual([false, false]);
});

test.each<[what: string, before: object, now: object]>([
  ['keys in another order', { cluster: 'B', group: 'g' }, { group: 'g', cluster: 'B' }],
  ['a weight that is no number', { weight: NaN }, { weight: NaN }],
  ['no metadata, in two ways', { metadata: {} }, { metadata: undefined }],
])('%s makes no difference', (_, before, now) => {
  expect(saySame([{ ...one, ...before } as Instance], [{ ...one, ...now } as Instance])).toBe(true);
});
