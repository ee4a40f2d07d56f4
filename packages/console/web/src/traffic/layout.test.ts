import { describe, expect, test } from 'vitest';
import { layOut, NODE, seatsOf } from './layout.js';
import { shortestWays } from './shortest-ways.js';

const call = (from: string, to: string, count = 1): { from: { service: string }; to: { service: string }; count: number } => ({
  from: { service: from },
  to: { service: to },
  count,
});

describe('one caller of each service', () => {
  test('is the busiest of those nearest to an entry', () => {
    const calls = [call('entry', 'cart'), call('entry', 'stock', 2), call('cart', 'price', 5), call('stock', 'price', 7), call('price', 'stock', 99)];
    expect(shortestWays(['entry', 'cart', 'stock', 'price'], calls)).toEqual([
      ['entry', 'cart'],
      ['entry', 'stock'],
      ['stock', 'price'],
    ]);
  });

  test('cycles and self-calls terminate, and all services are reached once', () => {
    const calls = [call('a', 'b'), call('b', 'c'), call('c', 'a'), call('a', 'a'), call('x', 'y'), call('y', 'x'), call('alone', 'alone')];
    const ways = shortestWays(['a', 'b', 'c', 'x', 'y', 'alone'], calls);
    expect(ways).toEqual([
      ['a', 'b'],
      ['b', 'c'],
      ['x', 'y'],
    ]);
  });

  test('a chain of the busiest calls does not make a long row if there are shorter ways', () => {
    const names = Array.from({ length: 300 }, (_, i) => `s-${i}`);
    const calls = names.flatMap((name, i) => [
      call(name, names[(i + 1) % 300] as string, 1_000),
      call(name, names[(i * 2 + 1) % 300] as string),
      call(name, names[(i + 297) % 300] as string),
    ]);
    const depth = new Map<string, number>();
    for (const [from, to] of shortestWays(names, calls)) depth.set(to, (depth.get(from) ?? 0) + 1);
    expect(depth.size).toBe(299);
    expect(Math.max(...depth.values())).toBeLessThan(20);
  });
});

describe('seats', () => {
  test('columns go from left to right, rows from above', () => {
    const seats = seatsOf([
      ['late', { x: 50, y: 1 }],
      ['low', { x: 0, y: 9 }],
      ['high', { x: 0, y: 2 }],
    ]);
    expect([...seats]).toEqual([
      ['high', { column: 0, row: 2 }],
      ['low', { column: 0, row: 9 }],
      ['late', { column: 1, row: 1 }],
    ]);
  });

  test('a long column continues in the next ones, and later columns follow those', () => {
    const seats = seatsOf([
      ...Array.from({ length: 100 }, (_, i) => [`s-${i}`, { x: 0, y: i }] as const),
      ...Array.from({ length: 200 }, (_, i) => [`t-${i}`, { x: 1, y: i }] as const),
    ]);
    const counts = new Map<number, number>();
    for (const { column } of seats.values()) counts.set(column, (counts.get(column) ?? 0) + 1);
    expect([...counts]).toEqual([...[0, 1, 2, 3].map((column) => [column, 25]), ...Array.from({ length: 8 }, (_, i) => [i + 4, 25])]);
  });

  test('a few stay in one column', () => {
    const seats = seatsOf(Array.from({ length: 8 }, (_, i) => [`s-${i}`, { x: 0, y: i }] as const));
    expect([...seats.values()].map(({ column }) => column)).toEqual(Array.from({ length: 8 }, () => 0));
  });
});

test('there is room for the figures of a call between caller and callee', () => {
  const node = (service: string): { service: string; count: number; errors: number; instances: number } => ({
    service,
    count: 1,
    errors: 0,
    instances: 1,
  });
  const { nodes } = layOut(
    { nodes: [node('a'), node('b')], edges: [] },
    new Map([
      ['a', { column: 0, row: 0 }],
      ['b', { column: 1, row: 0 }],
    ]),
  );
  const [a, b] = nodes.map(({ x }) => x) as [number, number];
  // "12,345 · 17.8/s · p95 30 ms" takes this much space.
  expect(b - a - NODE.width).toBeGreaterThan(190);
});
