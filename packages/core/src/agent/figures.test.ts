import { describe, expect, test } from 'vitest';
import { DURATION_BOUNDS_SECONDS, OTHER, TrafficCounters } from './figures.js';

describe('requests', () => {
  test('are counted by tag and source, and their failures', () => {
    const traffic = new TrafficCounters();
    traffic.request(undefined, 'none', false, 0.001);
    traffic.request('gray', 'inbound', false, 0.001);
    traffic.request('gray', 'inbound', true, 0.001);
    traffic.request('gray', 'rule', false, 0.001);
    expect([...traffic.requestFigures()]).toEqual([
      { tag: null, source: 'none', count: 1, errors: 0 },
      { tag: 'gray', source: 'inbound', count: 2, errors: 1 },
      { tag: 'gray', source: 'rule', count: 1, errors: 0 },
    ]);
  });

  test('of made-up tags share one series once there are too many, which is logged; known tags never do', () => {
    const traffic = new TrafficCounters({ knows: (tag) => tag === 'gray', maxUnknownTags: 2 });
    for (let i = 0; i < 1000; i++) traffic.request(`made-up-${i}`, 'inbound', false, 0.001);
    traffic.request('gray', 'inbound', false, 0.001);
    traffic.request('made-up-1', 'inbound', false, 0.001);
    expect([...traffic.requestFigures()].map(({ tag, count }) => [tag, count])).toEqual([
      ['made-up-0', 1],
      ['made-up-1', 2],
      [OTHER, 998],
      ['gray', 1],
    ]);
    expect(traffic.overflow.requests).toBe(998);
  });

  test('durations fall into the bucket whose bound they do not exceed', () => {
    const traffic = new TrafficCounters();
    const bounds = DURATION_BOUNDS_SECONDS;
    for (const seconds of [0, bounds[0] as number, (bounds[0] as number) + 1e-6, 11]) traffic.request('gray', 'inbound', false, seconds);
    traffic.request('gray', 'inbound', false, undefined);
    const [figures] = [...traffic.durationFigures()];
    expect(figures?.count).toBe(4);
    expect(figures?.buckets).toEqual([2, ...bounds.slice(1).map(() => 3)]);
    expect(figures?.sumSeconds).toBeCloseTo(11.010001);
  });
});

describe('calls', () => {
  test('are counted by peer, tag and route; failures are added later', () => {
    const traffic = new TrafficCounters();
    traffic.call('b', 'gray', 'lane');
    traffic.call('b', 'gray', 'lane').errors++;
    traffic.call('b', undefined, 'base');
    expect([...traffic.callFigures()]).toEqual([
      { peer: 'b', tag: 'gray', route: 'lane', count: 2, errors: 1 },
      { peer: 'b', tag: null, route: 'base', count: 1, errors: 0 },
    ]);
  });

  test('beyond the limit of peers and tags share one additional series', () => {
    const traffic = new TrafficCounters({ maxPeers: 2, maxUnknownTags: 2 });
    for (let i = 0; i < 100; i++) for (let j = 0; j < 100; j++) traffic.call(`peer-${i}`, `tag-${j}`, 'fallback');
    const figures = [...traffic.callFigures()];
    expect(figures.length).toBe(9);
    expect(figures.reduce((sum, { count }) => sum + count, 0)).toBe(10_000);
    expect(traffic.overflow.calls).toBe(10_000 - 4);
  });
});
