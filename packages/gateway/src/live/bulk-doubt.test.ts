import { instanceAt } from '@lane/testing';
import { expect, test } from 'vitest';
import type { Instance } from '@lane/core/model';
import { BulkDoubt } from './bulk-doubt.js';

const several = (...ports: number[]): Instance[] => ports.map((port) => instanceAt(port));
const portsOf = (instances: readonly Instance[]): number[] => instances.map(({ port }) => port).sort((a, b) => a - b);
const doubtOf = (...ports: number[]): BulkDoubt => {
  const doubt = new BulkDoubt(30_000);
  doubt.take(several(...ports), 0);
  return doubt;
};

test.each<[what: string, before: number[], list: number[], after: number[]]>([
  ['one of four goes at once', [1, 2, 3, 4], [1, 2, 3], [1, 2, 3]],
  ['half of them go at once', [1, 2], [1], [1]],
  ['more than half stay for a while', [1, 2, 3], [1], [1, 2, 3]],
  ['all of them stay', [1, 2], [], [1, 2]],
  ['the only one stays', [1], [], [1]],
  ['others in place of all of them come beside them', [1, 2], [3, 4], [1, 2, 3, 4]],
])('%s', (_what, before, list, after) => {
  expect(portsOf(doubtOf(...before).take(several(...list), 1_000).instances)).toEqual(after);
});

test('a restarted registry that learns the instances one by one removes none', () => {
  const doubt = doubtOf(1, 2, 3, 4);
  for (const [atMs, list] of [
    [0, []],
    [60_000, [1]],
    [65_000, [1, 2]],
    [70_000, [1, 2, 3]],
    [75_000, [1, 2, 3, 4]],
  ] as const)
    expect(portsOf(doubt.take(several(...list), atMs).instances)).toEqual([1, 2, 3, 4]);
});

test('soon after trouble not even one is removed at once', () => {
  const doubt = doubtOf(1, 2, 3, 4);
  doubt.trouble(1_000);
  expect(doubt.take(several(1, 2, 3), 20_000)).toMatchObject({ kept: several(4), againInMs: 30_000 });
  expect(portsOf(doubt.look(50_000).instances)).toEqual([1, 2, 3]);
  expect(portsOf(doubt.take(several(1, 2), 60_000).instances)).toEqual([1, 2]);
});

test('those that do not come back in time are removed', () => {
  const doubt = doubtOf(1, 2, 3, 4);
  expect(doubt.take(several(1), 1_000)).toMatchObject({ kept: several(2, 3, 4), againInMs: 30_000 });
  expect(doubt.take(several(1, 2), 20_000)).toMatchObject({ kept: several(3, 4), againInMs: 11_000 });
  expect(doubt.look(30_999)).toMatchObject({ kept: several(3, 4) });
  expect(portsOf(doubt.look(31_000).instances)).toEqual([1, 2]);
  expect(portsOf(doubt.take(several(1), 32_000).instances)).toEqual([1]);
});

test('one of them that refuses connections is removed at once, and does not come back by itself', () => {
  const doubt = doubtOf(1, 2, 3, 4);
  doubt.take(several(1), 1_000);
  doubt.refused(instanceAt(3));
  expect(portsOf(doubt.look(2_000).instances)).toEqual([1, 2, 4]);
  expect(portsOf(doubt.take(several(1, 3), 3_000).instances)).toEqual([1, 2, 3, 4]);
});

test('one that comes back with other settings has the new ones', () => {
  expect(doubtOf(1, 2).take([instanceAt(1, 'gray'), instanceAt(2)], 0).instances[0]?.metadata).toEqual({ lane: 'gray' });
});
