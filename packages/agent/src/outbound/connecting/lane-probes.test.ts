import { route, ServiceTables, type Instance } from '@lane/core/model';
import { ManualClock } from '@lane/testing/clock';
import { instanceAt } from '@lane/testing/instances';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LaneProbes, PROBE_MS } from './lane-probes.js';

const STOCK = { name: 'stock', group: 'DEFAULT_GROUP' };
let tables: ServiceTables;
let clock: ManualClock;
let probes: LaneProbes;
let alive: Set<number>;
let probed: number[];

beforeEach(() => {
  vi.useFakeTimers();
  clock = new ManualClock();
  tables = new ServiceTables({ formats: ['baggage'], holdMs: () => 40_000, clock });
  tables.update(STOCK, [instanceAt(1), instanceAt(2, 'gray'), instanceAt(3, 'gray')]);
  alive = new Set([1]);
  probed = [];
  probes = new LaneProbes(tables, ({ ip, port }: Instance) => {
    probed.push(port);
    if (alive.has(port)) tables.answered(STOCK, ip, port);
    else tables.refused(STOCK, ip, port);
  });
});
afterEach(() => void vi.useRealTimers());

function refuse(...ports: number[]): void {
  for (const port of ports) {
    tables.refused(STOCK, '10.0.0.1', port);
    probes.watch(STOCK);
  }
}
const pass = (ms: number): void => {
  clock.pass(ms);
  vi.advanceTimersByTime(ms);
};
const servedBy = (): number[] => route(tables.get(STOCK)!.index, 'gray').instances.map(({ port }) => port);

test('a lane that is back serves its requests before its refusals are forgotten', () => {
  refuse(2, 3);
  pass(PROBE_MS);
  expect(servedBy()).toEqual([1]);
  alive.add(3);
  pass(PROBE_MS);
  expect(servedBy()).toEqual([3]);
  probed = [];
  pass(10 * PROBE_MS);
  expect(probed).toEqual([]);
});

test('an instance that restarted before the last other one died is found at once', () => {
  refuse(2);
  pass(0);
  expect(probed).toEqual([]);
  alive.add(2);
  refuse(3);
  pass(0);
  expect(servedBy()).toEqual([2]);
});

test('a lane that the registry removes is no longer probed', () => {
  refuse(2, 3);
  pass(PROBE_MS);
  expect(probed).not.toEqual([]);
  tables.update(STOCK, [instanceAt(1)]);
  pass(PROBE_MS);
  probed = [];
  pass(10 * PROBE_MS);
  expect(probed).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
