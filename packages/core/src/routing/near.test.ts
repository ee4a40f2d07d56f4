/** Near first: the lane is decided before, near instances serve where there are enough, and nobody is left without an instance. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileLaneGroups } from '../rules/compile.js';
import { DEFAULT_FORMATS } from '../wire/formats.js';
import { nextCandidate } from './candidates.js';
import type { Instance } from './instance.js';
import { isUsable, pick, route, type Fallback } from './lane-index.js';
import { DEFAULT_NEAR_POLICY, placeOf, type NearPolicy, type Place } from './near-policy.js';
import { DEFAULT_OUTLIER_POLICY } from './outlier.js';
import { ServiceTables, type ServiceKey, type ServiceTablesOptions } from './service-tables.js';
import { ManualClock } from './testing/manual-clock.js';
import { warmupMetadata } from './warmup.js';

const KEY: ServiceKey = { name: 'stock', group: 'g' };
const HERE: Place = { zone: 'a', region: 'north' };
const NORTH = new Set(['a', 'b']);

/** `gray-a1` is gray in zone a, `base-x1` is base in zone x; zones a and b are in the north, others in the south, and `?` says nothing. Behind a colon: down. */
function one(short: string): Instance {
  const [ip, state] = short.split(':') as [string, string | undefined];
  const [lane, rest] = ip.split('-') as [string, string];
  const zone = rest.slice(0, 1);
  const place = zone === '?' ? {} : { zone, region: NORTH.has(zone) ? 'north' : 'south' };
  return { ip, port: 80, weight: 1, healthy: state !== 'down', enabled: true, metadata: { ...(lane === 'base' ? {} : { lane }), ...place } };
}

const ZONE: NearPolicy = { ...DEFAULT_NEAR_POLICY, share: 0 };

function tablesOf(list: string, options: Partial<ServiceTablesOptions> = {}): ServiceTables {
  const tables = new ServiceTables({ formats: DEFAULT_FORMATS, near: ZONE, place: HERE, ...options });
  tables.update(KEY, list.split(' ').filter(Boolean).map(one));
  return tables;
}

/** Who serves calls of a tag, and why. */
function served(tables: ServiceTables, tag?: string): string {
  const decision = tables.route(KEY, tag);
  return `${decision?.reason}: ${decision?.instances.map(({ ip }) => ip).join(' ')}`;
}

describe('circles', () => {
  test.each<[instances: string, policy: Partial<NearPolicy>, own: Place, expected: string]>([
    ['base-a1 base-b1 base-x1', {}, HERE, 'base-a1'],
    ['base-b1 base-x1', {}, HERE, 'base-b1'],
    ['base-x1 base-y1', {}, HERE, 'base-x1 base-y1'],
    ['base-a1 base-b1 base-x1', { circle: 'region' }, HERE, 'base-a1 base-b1'],
    ['base-a1 base-b1 base-x1', { circle: 'off' }, HERE, 'base-a1 base-b1 base-x1'],
    // Who says nothing of its place is near to nobody, and nobody is near to a caller that knows nothing of its own.
    ['base-?1', {}, HERE, 'base-?1'],
    ['base-a1 base-?1', {}, HERE, 'base-a1'],
    ['base-a1 base-x1', {}, {}, 'base-a1 base-x1'],
    ['base-a1 base-b1 base-x1', {}, { zone: 'a' }, 'base-a1'],
    ['base-a1 base-b1 base-x1', {}, { region: 'north' }, 'base-a1 base-b1'],
    ['base-a1 base-b1 base-x1', { circle: 'region' }, { zone: 'a' }, 'base-a1 base-b1 base-x1'],
    // A zone of the same name in another region is another one.
    ['base-a1 base-x1', {}, { zone: 'a', region: 'south' }, 'base-x1'],
    // So many have to be near.
    ['base-a1 base-b1 base-x1', { least: 2 }, HERE, 'base-a1 base-b1'],
    ['base-a1 base-b1 base-x1', { least: 3 }, HERE, 'base-a1 base-b1 base-x1'],
    // Such a share of all has to be: 40 % and 90 % are Sermant's own tests (TagRouterAzTest).
    ['base-a1 base-x1', { share: 0.4 }, HERE, 'base-a1'],
    ['base-a1 base-x1', { share: 0.9 }, HERE, 'base-a1 base-x1'],
    ['base-a1 base-x1 base-x2 base-x3 base-x4', { share: 0.2 }, HERE, 'base-a1'],
    ['base-a1 base-x1 base-x2 base-x3 base-x4', { share: 0.21 }, HERE, 'base-a1 base-x1 base-x2 base-x3 base-x4'],
    ['base-a1 base-b1 base-b2 base-x1', { share: 0.5 }, HERE, 'base-a1 base-b1 base-b2'],
    // Unless there are few in all.
    ['base-a1 base-x1', { share: 0.9, few: 3 }, HERE, 'base-a1'],
    ['base-a1 base-x1', { share: 0.9, few: 2 }, HERE, 'base-a1 base-x1'],
    // Those that can't serve are absent, near or far.
    ['base-a1:down base-x1', {}, HERE, 'base-x1'],
    ['base-a1 base-a2:down base-x1', { least: 2 }, HERE, 'base-a1 base-x1'],
    ['base-a1 base-x1:down base-x2:down', { share: 0.9 }, HERE, 'base-a1'],
  ])('%s, %j at %j', (instances, policy, own, expected) => {
    expect(served(tablesOf(instances, { near: { ...ZONE, ...policy }, place: own }))).toBe(`base: ${expected}`);
  });

  test.each([
    [
      { zone: 'a', 'topology.kubernetes.io/zone': 'b', region: 'north' },
      { zone: 'a', region: 'north' },
    ],
    [
      { 'topology.kubernetes.io/zone': 'a', 'topology.kubernetes.io/region': 'north' },
      { zone: 'a', region: 'north' },
    ],
    [
      { zone: '', 'service.meta.zone': 'a' },
      { zone: 'a', region: undefined },
    ],
    [{}, { zone: undefined, region: undefined }],
  ])('metadata %j is at %j', (metadata, place) => {
    expect(placeOf(metadata)).toEqual(place);
  });
});

describe('the lane comes first', () => {
  test('a far lane serves its calls, however near base and others are', () => {
    const tables = tablesOf('base-a1 base-x1 blue-a1 gray-x1 gray-y1');
    expect(served(tables, 'gray')).toBe('in-lane: gray-x1 gray-y1');
    expect(served(tables, 'blue')).toBe('in-lane: blue-a1');
    expect(served(tables)).toBe('base: base-a1');
  });

  test('a request that falls back to base gets near base instances', () => {
    expect(served(tablesOf('base-a1 base-x1 gray-a1:down'), 'gray')).toBe('fell-back-to-base: base-a1');
  });

  test('thresholds apply to each lane separately', () => {
    const tables = tablesOf('base-a1 base-x1 base-x2 gray-a1 gray-x1', { near: { ...ZONE, share: 0.5 } });
    expect(served(tables)).toBe('base: base-a1 base-x1 base-x2');
    expect(served(tables, 'gray')).toBe('in-lane: gray-a1');
  });

  test('a far instance keeps its tag, so that a call to its address is corrected as usual', () => {
    const tables = tablesOf('base-a1 gray-a1 gray-x1');
    expect(tables.get(KEY)?.index.tags.get(tables.findByAddress('gray-x1', 80)?.instance as Instance)).toBe('gray');
  });
});

describe('unavailable instances count as absent', () => {
  const remembering = { holdMs: () => 0 } as const;

  test('an instance that refuses connections, until it takes one again', () => {
    const clock = new ManualClock();
    const tables = tablesOf('base-a1 base-x1 base-x2', { ...remembering, clock });
    tables.refused(KEY, 'base-a1', 80);
    expect(served(tables)).toBe('base: base-x1 base-x2');
    tables.answered(KEY, 'base-a1', 80);
    expect(served(tables)).toBe('base: base-a1');
  });

  test('an ejected one; and while it is probed, its zone does not depend on it', () => {
    const clock = new ManualClock();
    const tables = tablesOf('base-a1 base-x1 base-x2', { ...remembering, clock, outlier: { ...DEFAULT_OUTLIER_POLICY, serverErrors: 2 } });
    for (let i = 0; i < 2; i++) {
      tables.responded(KEY, 'base-a1', 80, 500);
      for (let good = 0; good < 20; good++) tables.responded(KEY, 'base-x1', 80, 200);
    }
    expect(served(tables)).toBe('base: base-x1 base-x2');
    clock.pass(31_000);
    expect(served(tables)).toBe('base: base-a1 base-x1 base-x2');
    tables.responded(KEY, 'base-a1', 80, 200);
    expect(served(tables)).toBe('base: base-a1');
  });

  test('one that is warming up takes its rising share among all, then the calls of its zone', () => {
    const clock = new ManualClock();
    const tables = tablesOf('', { clock });
    const warming = { ...one('base-a1'), metadata: { ...one('base-a1').metadata, ...warmupMetadata(clock.epochMs(), 60_000) } };
    tables.update(KEY, [warming, one('base-x1')]);
    expect(served(tables)).toBe('base: base-a1 base-x1');
    clock.pass(60_000);
    expect(served(tables)).toBe('base: base-a1');
  });
});

test("tables follow the process's own place once it is known, and changed lane groups", () => {
  const tables = tablesOf('base-a1 base-x1 gray-a1 gray-x1', { place: {} });
  expect(served(tables)).toBe('base: base-a1 base-x1');
  tables.setPlace({ zone: 'x' });
  expect(served(tables)).toBe('base: base-x1');
  tables.setRules(
    compileLaneGroups({
      version: 1,
      groups: [{ name: 'shop', services: ['stock'], baseMode: 'outside-enabled-lanes', lanes: [{ name: 'gray', tag: 'gray', enabled: false }] }],
    } as never),
  );
  // What carries the tag of a lane that is off is base now.
  expect(served(tables)).toBe('base: base-x1 gray-x1');
});

describe('a failed connection', () => {
  const RANDOM = (): number => 0.5;
  const triedOf = (tables: ServiceTables, tag: string | undefined, tries: number): string[] => {
    const index = tables.get(KEY)?.index as NonNullable<ReturnType<ServiceTables['get']>>['index'];
    const tried = [pick(route(index, tag), RANDOM) as Instance];
    for (let i = 1; i < tries; i++) {
      const next = nextCandidate(index, tag, (instance) => tried.includes(instance), false, RANDOM);
      if (next === undefined) break;
      tried.push(next.instance);
    }
    return tried.map(({ ip }) => ip);
  };

  test('is retried in another zone of the lane first, and never in base while the lane has an instance', () => {
    const tables = tablesOf('base-a1 gray-a1 gray-a2 gray-x1');
    expect(triedOf(tables, 'gray', 4)).toEqual(['gray-a2', 'gray-x1', 'gray-a1', 'base-a1']);
  });

  test('is not retried if nothing may serve, however many far instances base has', () => {
    const tables = tablesOf('base-a1 base-x1', { fallback: 'none' });
    expect(nextCandidate(tables.get(KEY)?.index as never, 'gray', () => false, false, RANDOM)).toBeUndefined();
  });

  test('is retried in another zone of base', () => {
    expect(triedOf(tablesOf('base-a1 base-x1 gray-x1'), undefined, 3)).toEqual(['base-a1', 'base-x1']);
  });
});

describe('laws', () => {
  const instances = fc.uniqueArray(
    fc.record({
      lane: fc.constantFrom('base', 'gray', 'blue'),
      zone: fc.constantFrom('a', 'b', 'x', '?'),
      at: fc.nat(30),
      weight: fc.constantFrom(0, 0.1, 1, 7),
      healthy: fc.boolean(),
    }),
    { maxLength: 14, selector: ({ lane, zone, at }) => `${lane}-${zone}${at}` },
  );
  const policies = fc.record({
    circle: fc.constantFrom('zone' as const, 'region' as const),
    least: fc.integer({ min: 1, max: 4 }),
    share: fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100),
    few: fc.nat(6),
  });
  const places = fc.constantFrom<Place>(HERE, { zone: 'b' }, { region: 'south' }, {});
  const groups = fc.constantFrom<'unknown' | 'off' | 'outside'>('unknown', 'off', 'outside');
  const tags = fc.constantFrom(undefined, 'gray', 'blue', 'green');

  test('the same lane serves for the same reason as without, with a subset of the instances; only with near ones if they are enough', () => {
    fc.assert(
      fc.property(
        instances,
        policies,
        places,
        groups,
        tags,
        fc.constantFrom<Fallback>('base', 'none'),
        (shorts, near, place, lanes, tag, fallback) => {
          const list = shorts.map(({ lane, zone, at, weight, healthy }) => ({ ...one(`${lane}-${zone}${at}`), weight, healthy }));
          const tablesWith = (policy: NearPolicy | undefined): ServiceTables => {
            const tables = new ServiceTables({ formats: DEFAULT_FORMATS, fallback, near: policy, place });
            if (lanes !== 'unknown')
              tables.setRules(
                compileLaneGroups({
                  version: 1,
                  groups: [
                    {
                      name: 'shop',
                      services: ['stock'],
                      baseMode: lanes === 'outside' ? 'outside-enabled-lanes' : 'untagged',
                      lanes: [{ name: 'gray', tag: 'gray' }],
                    },
                  ],
                } as never),
              );
            tables.update(KEY, list);
            return tables;
          };
          const [first, plain] = [tablesWith(near), tablesWith(undefined)];
          const [decision, all] = [first.route(KEY, tag), plain.route(KEY, tag)];
          expect(decision?.reason).toBe(all?.reason);
          const some = decision?.instances ?? [];
          const every = all?.instances ?? [];
          expect(every).toEqual(expect.arrayContaining([...some]));
          expect(some.length > 0).toBe(every.length > 0);
          expect(first.get(KEY)?.index.tags).toEqual(plain.get(KEY)?.index.tags);

          // By hand: the narrowest circle that is populated well enough.
          const inZone = ({ metadata }: Instance): boolean =>
            metadata['zone'] === place.zone && (place.region === undefined || metadata['region'] === place.region);
          const inRegion = (instance: Instance): boolean => inZone(instance) || instance.metadata['region'] === place.region;
          const circles = [
            ...(near.circle === 'zone' && place.zone !== undefined ? [inZone] : []),
            ...(place.region === undefined ? [] : [inRegion]),
          ];
          const isEnough = (count: number): boolean => count >= near.least && (every.length < near.few || count >= every.length * near.share - 1e-9);
          const circle = circles.find((inside) => isEnough(every.filter(inside).length));
          expect(some).toEqual(circle === undefined ? every : every.filter(circle));

          // Whatever is tried after a connection that failed: the lane's own first, all of them.
          const index = first.get(KEY)?.index;
          const tried: Instance[] = [];
          for (;;) {
            const next =
              index === undefined
                ? undefined
                : nextCandidate(
                    index,
                    tag,
                    (other) => tried.includes(other),
                    false,
                    () => 0.3,
                  );
            if (next === undefined || next.reason !== all?.reason) break;
            tried.push(next.instance);
          }
          expect(new Set(tried)).toEqual(new Set(every.filter(isUsable)));
        },
      ),
      { numRuns: 500 },
    );
  });
});
