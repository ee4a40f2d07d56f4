import {
  createRouter,
  DEFAULT_OUTLIER_POLICY,
  enterContext,
  laneContext,
  ServiceTables,
  type Instance,
  type Redirect,
  type Tag,
} from '@lane/core/model';
import { ManualClock } from '@lane/testing/clock';
import { instanceAt } from '@lane/testing/instances';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createLog } from '../../boot/log.js';
import { Connecting, MAX_TRIES, type Attempt } from './connecting.js';
import { ALWAYS_ALLOWED } from './try-budget.js';

const STOCK = { name: 'stock', group: 'DEFAULT_GROUP' };

let clock: ManualClock;
let lines: string[];

interface World {
  readonly tables: ServiceTables;
  readonly connecting: Connecting;
  begin(tag?: Tag): Attempt | undefined;
}

function worldOf(instances: readonly Instance[], fallback: 'base' | 'none' = 'base', outlier = DEFAULT_OUTLIER_POLICY): World {
  const tables = new ServiceTables({ formats: ['baggage'], fallback, holdMs: () => 40_000, clock, outlier });
  tables.update(STOCK, instances);
  const names = { isEmpty: false, find: () => STOCK, isInternal: () => true };
  const router = createRouter(tables, names, () => undefined);
  const connecting = new Connecting(
    router,
    tables,
    createLog('info', false, (line) => lines.push(line)),
    () => clock.nowMs(),
    { corrects: 'all', outlier },
    { watch: () => {} },
  );
  const begin = (tag?: Tag): Attempt | undefined => {
    const verdict = router.judge('stock', 80, tag);
    return verdict.kind === 'redirect' ? connecting.begin(verdict satisfies Redirect) : undefined;
  };
  return { tables, connecting, begin };
}

/** The ports that a call is tried on while everybody refuses. */
function triedBy({ connecting, begin }: World, tag?: Tag): number[] {
  const attempt = begin(tag);
  if (attempt === undefined) return [];
  const ports = [attempt.instance.port];
  for (;;) {
    connecting.refused(attempt.service, attempt.instance, new Error('connect ECONNREFUSED'));
    const next = attempt.next();
    if (next === undefined) return ports;
    ports.push(next.port);
  }
}

beforeEach(() => {
  clock = new ManualClock();
  lines = [];
});

const list = (tag: string | undefined, ports: readonly number[]): Instance[] => ports.map((port) => instanceAt(port, tag));

test('a request that names a tag per service stays in the lane of the service during retries', () => {
  const world = worldOf([...list(undefined, [1]), ...list('gray', [2, 3]), ...list('blue', [4, 5])]);
  const context = laneContext('gray', { header: 'n-d-version', value: '{"stock":"blue"}', tags: new Map([['stock', 'blue']]) });
  // What refuses is heard outside of the request.
  const attempt = enterContext(context, () => world.begin('gray'), undefined, []) as Attempt;
  const tried = [attempt.instance.port, attempt.next()?.port, attempt.next()?.port];
  expect(new Set(tried.slice(0, 2))).toEqual(new Set([4, 5]));
  expect(tried[2]).toBe(1);
});

test('tries each instance of the lane once, at most three; then base, if the lane falls back to it; never another lane', () => {
  const ports = (from: number, max: number): fc.Arbitrary<number[]> =>
    fc.uniqueArray(fc.integer({ min: from, max: from + 99 }), { minLength: 1, maxLength: max });
  fc.assert(
    fc.property(ports(100, 6), ports(200, 6), ports(300, 6), fc.constantFrom('base' as const, 'none' as const), (base, gray, blue, fallback) => {
      const world = worldOf([...list(undefined, base), ...list('gray', gray), ...list('blue', blue)], fallback);
      const tried = triedBy(world, 'gray');
      const ofGray = tried.filter((port) => gray.includes(port));
      const ofBase = tried.filter((port) => base.includes(port));
      expect(tried).toEqual([...ofGray, ...ofBase]);
      expect(new Set(tried).size).toBe(tried.length);
      expect(ofGray.length).toBe(Math.min(gray.length, MAX_TRIES));
      expect(ofBase.length).toBe(fallback === 'base' ? Math.min(base.length, MAX_TRIES) : 0);
      expect(triedBy(worldOf([...list(undefined, base), ...list('gray', gray)]))).toHaveLength(Math.min(base.length, MAX_TRIES));
    }),
  );
});

test('later calls go to instances that have not refused, including those that accept connections again', () => {
  const world = worldOf([...list(undefined, [1]), ...list('gray', [2, 3])]);
  const refused = world.begin('gray')?.instance as Instance;
  world.connecting.refused(STOCK, refused, new Error('connect ECONNREFUSED'));
  const firsts = (): Set<number | undefined> => new Set(Array.from({ length: 50 }, () => world.begin('gray')?.instance.port));
  expect(firsts()).toEqual(new Set([5 - refused.port]));
  world.connecting.answered(STOCK, refused);
  expect(firsts()).toEqual(new Set([2, 3]));
  expect(world.connecting.isRefused(refused)).toBe(false);
});

test('base serves a lane whose instances have all refused, and the lane itself again after a while', () => {
  const world = worldOf([...list(undefined, [1]), ...list('gray', [2])]);
  expect(triedBy(world, 'gray')).toEqual([2, 1]);
  expect(world.begin('gray')?.instance.port).toBe(1);
  clock.pass(5_000);
  expect(world.begin('gray')?.instance.port).toBe(2);
});

test('each call tries a lane without a fallback, whoever has refused before', () => {
  const world = worldOf([...list(undefined, [1]), ...list('gray', [2, 3])], 'none');
  for (let i = 0; i < 3; i++) expect(new Set(triedBy(world, 'gray'))).toEqual(new Set([2, 3]));
});

test('base that refuses is still tried, but not in vain forever', () => {
  const world = worldOf(list(undefined, [1, 2]));
  const tried = Array.from({ length: 1_000 }, () => triedBy(world).length);
  expect(tried.every((count) => count >= 1)).toBe(true);
  expect(tried.reduce((sum, count) => sum + count - 1, 0)).toBe(ALWAYS_ALLOWED + 1_000 * 0.2);
});

test('a refusing instance is logged once', () => {
  const world = worldOf([...list(undefined, [1]), ...list('gray', [2])]);
  for (let i = 0; i < 3; i++) {
    triedBy(world, 'gray');
    clock.pass(60_000);
  }
  expect(lines.filter((line) => line.includes('10.0.0.1:2'))).toHaveLength(1);
});

describe('answers', () => {
  /** Whoever gets calls of a lane: `probed` in words. */
  const served = ({ tables }: World): string =>
    tables
      .route(STOCK, 'gray')
      ?.instances.map(({ port, probed }) => `${port}${probed === true ? ' probed' : ''}`)
      .join(', ') ?? '';

  function answer({ connecting }: World, port: number, ...statuses: number[]): void {
    for (const status of statuses) if (connecting.minds(status)) connecting.responded('10.0.0.1', port, status);
  }

  /** One answers so, while another one answers well. */
  function answerAlone(world: World, port: number, other: number, ...statuses: number[]): void {
    for (const status of statuses) {
      answer(world, port, status);
      for (let i = 0; i < 20; i++) answer(world, other, 200);
    }
  }

  test('that are late, to calls from before the ejection, do not keep an instance on probation forever', () => {
    const world = worldOf(list('gray', [1, 2]));
    answerAlone(world, 1, 2, 500, 500, 500, 500, 500, 200, 200);
    expect(served(world)).toBe('2');
    clock.pass(30_000);
    expect(served(world)).toBe('1 probed, 2');
    answer(world, 1, 200);
    expect(served(world)).toBe('1, 2');
  });

  test('that are interim do not count, neither as failures nor as completed', () => {
    const world = worldOf(list('gray', [1, 2]));
    for (let i = 0; i < 5; i++) answerAlone(world, 1, 2, 103, 500);
    expect(served(world)).toBe('2');
    clock.pass(30_000);
    answer(world, 1, 103);
    expect(served(world)).toBe('1 probed, 2');
  });

  test.each([1, 2, 3])(
    'a lane whose other instances are unreachable tries ejected ones before base, after any number of connects (%i)',
    (connect) => {
      const gray = worldOf([...list('gray', [1, 2]), ...list('blue', [3]), ...list(undefined, [4])], 'base', { ...DEFAULT_OUTLIER_POLICY, connect });
      answerAlone(gray, 1, 2, 500, 500, 500, 500, 500);
      expect(triedBy(gray, 'gray')).toEqual([2, 1, 4]);
      const base = worldOf([...list('gray', [1]), ...list(undefined, [2, 3])], 'base', { ...DEFAULT_OUTLIER_POLICY, connect });
      answerAlone(base, 2, 3, 500, 500, 500, 500, 500);
      expect(triedBy(base)).toEqual([3, 2]);
    },
  );

  test('in any order, a lane is served by its own instances, and evenly by all of them once they answer well', () => {
    const step = fc.record({
      port: fc.integer({ min: 1, max: 4 }),
      status: fc.constantFrom(500, 500, 500, 503, 501, 404, 200, 103),
      times: fc.constantFrom(1, 5),
      seconds: fc.constantFrom(0, 0, 0, 29, 31, 400),
      isRefused: fc.constantFrom(false, false, false, true),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        clock = new ManualClock();
        const world = worldOf([...list('gray', [1, 2, 3]), ...list(undefined, [4])]);
        for (const { port, status, times, seconds, isRefused } of steps) {
          clock.pass(seconds * 1_000);
          answer(world, port, ...Array.from({ length: times }, () => status));
          // One that refuses connections now takes them again before long.
          if (isRefused) {
            world.connecting.refused(STOCK, { ip: '10.0.0.1', port }, new Error('connect ECONNREFUSED'));
            expect(world.tables.route(STOCK, 'gray')?.instances).not.toHaveLength(0);
            world.connecting.answered(STOCK, { ip: '10.0.0.1', port });
          }
          expect(served(world)).toMatch(/^[123]/);
          expect(world.tables.route(STOCK, undefined)?.instances.map(({ port: base }) => base)).toEqual([4]);
        }
        clock.pass(301_000);
        for (const port of [1, 2, 3, 4]) answer(world, port, 200);
        expect(served(world)).toBe('1, 2, 3');
        expect(world.connecting.minds(200)).toBe(false);
      }),
    );
  });

  test('of any number of instances are remembered until they recover; of gone ones, not forever', () => {
    const world = worldOf(list('gray', [1, 2]));
    const services = Array.from({ length: 12 }, (_, i) => ({ name: `service-${i}`, group: 'DEFAULT_GROUP' }));
    const portsOf = services.map((_, i) => Array.from({ length: 100 }, (_unused, nth) => 1_000 + i * 100 + nth));
    const all = portsOf.flat();
    for (const [i, key] of services.entries()) world.tables.update(key, list('gray', portsOf[i] as number[]));
    for (const port of all) answer(world, port, 500, 500, 500, 500, 500);
    clock.pass(301_000);
    for (const port of all) answer(world, port, 200);
    expect(services.flatMap((key) => world.tables.route(key, 'gray')?.instances.filter(({ probed }) => probed === true) ?? [])).toEqual([]);
    expect(world.connecting.minds(200)).toBe(false);

    for (const port of all) answer(world, port, 500);
    for (const key of services) world.tables.update(key, []);
    clock.pass(200_000);
    answer(world, 1, 500, 200);
    expect(world.connecting.minds(200)).toBe(false);
  });

  test('of a healthy instance are watched no longer than necessary', () => {
    const world = worldOf(list('gray', [1, 2]));
    expect(world.connecting.minds(200)).toBe(false);
    answer(world, 1, 500);
    expect(world.connecting.minds(200)).toBe(true);
    answer(world, 1, 200);
    expect(world.connecting.minds(200)).toBe(false);
  });
});
