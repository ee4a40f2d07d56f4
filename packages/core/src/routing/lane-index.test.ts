/** The table of design "which instances may serve it", and laws that hold whatever the instances and rules. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Instance } from './instance.js';
import { DEFAULT_FORMATS, tagOfMetadata } from '../wire/formats.js';
import { buildChances, buildLaneIndex, isUsable, pick, route, type Decision, type Fallback, type IndexRules, type LaneIndex } from './lane-index.js';

/**
 * An instance in short: `base1`, `gray2`, and after a colon what is wrong with it (`down`, `off`) or its weight.
 * Its ip is the short form without what is after the colon.
 */
function instance(short: string): Instance {
  const [ip, state] = short.split(':') as [string, string | undefined];
  const tag = ip.replace(/\d+$/, '');
  const weight = state === undefined || state === 'down' || state === 'off' ? 1 : Number(state);
  return { ip, port: 8080, weight, healthy: state !== 'down', enabled: state !== 'off', metadata: tag === 'base' ? {} : { lane: tag } };
}

interface RuleOptions {
  readonly fallback?: Fallback;
  /** Tags with an enabled lane that has this service; undefined: no lane groups are known. */
  readonly enabled?: readonly string[];
  readonly baseMode?: IndexRules['baseMode'];
}

function rules({ fallback = 'base', enabled, baseMode = 'untagged' }: RuleOptions = {}): IndexRules {
  const isEnabled = (tag: string): boolean => enabled === undefined || enabled.includes(tag);
  return {
    tagOf: ({ metadata }) => tagOfMetadata(metadata, DEFAULT_FORMATS),
    policyOf: (tag) => (isEnabled(tag) ? { use: 'lane', fallback } : { use: 'base' }),
    isEnabledLane: isEnabled,
    baseMode,
  };
}

const outside = (...enabled: string[]): RuleOptions => ({ enabled, baseMode: 'outside-enabled-lanes' });
const tagOf = ({ metadata }: Instance): string | undefined => metadata['lane'];
const indexOf = (shorts: string, options?: RuleOptions): LaneIndex => buildLaneIndex(shorts.split(' ').filter(Boolean).map(instance), rules(options));
const offered = (decision: Decision): string => decision.instances.map(({ ip }) => ip).join(' ');

const decisionOf = (weights: readonly number[]): Decision => {
  const list = weights.map((weight, i) => ({ ...instance(`base${i}`), weight }));
  return route(buildLaneIndex(list, rules()), undefined);
};

describe('which instances may serve a request', () => {
  const base: RuleOptions = { fallback: 'base' };
  const none: RuleOptions = { fallback: 'none' };

  test.each<[options: RuleOptions, instances: string, tag: string | undefined, reason: string, offered: string]>([
    // Untagged: base instances, never a tagged one.
    [base, 'base1 base2 gray1', undefined, 'base', 'base1 base2'],
    [base, 'gray1', undefined, 'none', ''],
    [base, '', undefined, 'none', ''],
    [base, 'base1:down base2 gray1', undefined, 'base', 'base2'],
    [base, 'base1:down base2:off base3:0 gray1', undefined, 'none', ''],
    [none, 'base1 gray1', undefined, 'base', 'base1'],
    // Instances tagged t exist: those.
    [base, 'base1 gray1 gray2 blue1', 'gray', 'in-lane', 'gray1 gray2'],
    [none, 'base1 gray1 gray2 blue1', 'gray', 'in-lane', 'gray1 gray2'],
    [base, 'gray1', 'gray', 'in-lane', 'gray1'],
    [base, 'base1 gray1:down gray2', 'gray', 'in-lane', 'gray2'],
    // None of them, fallback base.
    [base, 'base1 base2', 'gray', 'fell-back-to-base', 'base1 base2'],
    [base, 'base1 blue1', 'gray', 'fell-back-to-base', 'base1'],
    [base, 'base1 GRAY1', 'gray', 'fell-back-to-base', 'base1'],
    [base, 'blue1', 'gray', 'none', ''],
    [base, '', 'gray', 'none', ''],
    [base, 'base1:down blue1', 'gray', 'none', ''],
    // None of them, fallback none.
    [none, 'base1 blue1', 'gray', 'none', ''],
    [none, '', 'gray', 'none', ''],
    // Lane instances that can't serve count as absent.
    [base, 'base1 gray1:down', 'gray', 'fell-back-to-base', 'base1'],
    [base, 'base1 gray1:off', 'gray', 'fell-back-to-base', 'base1'],
    [base, 'base1 gray1:0', 'gray', 'fell-back-to-base', 'base1'],
    [base, 'base1 gray1:-1', 'gray', 'fell-back-to-base', 'base1'],
    [base, 'base1 gray1:NaN', 'gray', 'fell-back-to-base', 'base1'],
    [none, 'base1 gray1:down gray2:off gray3:0', 'gray', 'none', ''],
    [base, 'base1:down gray1:down', 'gray', 'none', ''],
    // The lane groups are known, and none that has this service has lane t.
    [{ enabled: ['blue'] }, 'base1 gray1', 'gray', 'lane-not-here', 'base1'],
    [{ enabled: [] }, 'base1', 'gray', 'lane-not-here', 'base1'],
    [{ enabled: [], fallback: 'none' }, 'base1 gray1', 'gray', 'lane-not-here', 'base1'],
    [{ enabled: [] }, 'gray1', 'gray', 'none', ''],
    [{ enabled: [] }, 'base1:down gray1', 'gray', 'none', ''],
    [{ enabled: ['gray'] }, 'base1 gray1', 'gray', 'in-lane', 'gray1'],
    [{ enabled: ['gray'] }, 'base1', 'gray', 'fell-back-to-base', 'base1'],
    [{ enabled: ['gray'], fallback: 'none' }, 'base1', 'gray', 'none', ''],
    // outside-enabled-lanes: an instance whose lane is not enabled serves base.
    [outside('gray'), 'base1 gray1 blue1', undefined, 'base', 'base1 blue1'],
    [outside('gray'), 'gray1 blue1', undefined, 'base', 'blue1'],
    [outside('gray'), 'gray1', undefined, 'none', ''],
    [outside('gray'), 'base1:down blue1:down gray1', undefined, 'none', ''],
    [outside('gray'), 'base1 gray1 blue1', 'gray', 'in-lane', 'gray1'],
    [outside('gray'), 'base1 gray1:down blue1', 'gray', 'fell-back-to-base', 'base1 blue1'],
    [outside('gray'), 'base1 gray1 blue1', 'blue', 'lane-not-here', 'base1 blue1'],
    [{ baseMode: 'outside-enabled-lanes' }, 'base1 gray1', undefined, 'base', 'base1'],
    [{ enabled: [] }, 'base1 gray1', undefined, 'base', 'base1'],
  ])('%j: %j, tag %s: %s %j', (options, instances, tag, reason, expected) => {
    const decision = route(indexOf(instances, options), tag);
    expect([decision.reason, offered(decision)]).toEqual([reason, expected]);
    if (reason === 'none') expect(decision.tag).toBe(tag);
  });

  test('the tag of every instance is known, usable or not', () => {
    const { tags } = indexOf('base1 gray1 gray2:down blue1:0');
    expect([...tags].map(([{ ip }, tag]) => [ip, tag])).toEqual([
      ['gray1', 'gray'],
      ['gray2', 'gray'],
      ['blue1', 'blue'],
    ]);
  });

  test.each([
    ['base1', true],
    ['base1:0.01', true],
    ['base1:5e-324', true],
    ['base1:Infinity', true],
    ['base1:0', false],
    ['base1:-0.01', false],
    ['base1:-Infinity', false],
    ['base1:NaN', false],
    ['base1:down', false],
    ['base1:off', false],
  ])('%s usable: %s', (short, usable) => {
    expect(isUsable(instance(short))).toBe(usable);
  });
});

describe('laws', () => {
  const tag = fc.constantFrom('gray', 'blue', 'green');
  const weight = fc.oneof({ arbitrary: fc.constantFrom(1, 100, 0.01, 10_000), weight: 4 }, fc.constantFrom(0, -1, NaN, Infinity, 5e-324, 1e308));
  const instances = fc.array(
    fc.record({
      ip: fc.uuid(),
      port: fc.constant(1),
      weight,
      healthy: fc.oneof(fc.constant(true), fc.boolean()),
      enabled: fc.oneof(fc.constant(true), fc.boolean()),
      metadata: fc.oneof(
        fc.constant({}),
        tag.map((lane) => ({ lane })),
      ),
    }),
    { maxLength: 12 },
  ) as fc.Arbitrary<Instance[]>;
  const options: fc.Arbitrary<RuleOptions> = fc.record(
    {
      fallback: fc.constantFrom<Fallback>('base', 'none'),
      enabled: fc.subarray(['gray', 'blue', 'green']),
      baseMode: fc.constantFrom<IndexRules['baseMode']>('untagged', 'outside-enabled-lanes'),
    },
    { requiredKeys: ['fallback', 'baseMode'] },
  );
  const asked = fc.oneof(fc.constant(undefined), tag, fc.constant('made-up'));

  test('never chooses an instance outside the list or one that cannot serve; `none` exactly if there is none', () => {
    fc.assert(
      fc.property(instances, options, asked, (list, given, wanted) => {
        const decision = route(buildLaneIndex(list, rules(given)), wanted);
        for (const one of decision.instances) {
          expect(list).toContain(one);
          expect(one.healthy && one.enabled && one.weight > 0).toBe(true);
        }
        expect(new Set(decision.instances).size).toBe(decision.instances.length);
        expect(decision.reason === 'none').toBe(decision.instances.length === 0);
      }),
      { numRuns: 500 },
    );
  });

  test('an untagged request never reaches a lane that is in force', () => {
    fc.assert(
      fc.property(instances, options, (list, given) => {
        for (const one of route(buildLaneIndex(list, rules(given)), undefined).instances) {
          const own = tagOf(one);
          if (own === undefined) continue;
          expect(given.baseMode).toBe('outside-enabled-lanes');
          expect(given.enabled).not.toContain(own);
          expect(given.enabled).toBeDefined();
        }
      }),
    );
  });

  test('a tagged request reaches its lane or what an untagged one reaches, never another lane or a mixture', () => {
    fc.assert(
      fc.property(instances, options, asked, (list, given, wanted) => {
        const index = buildLaneIndex(list, rules(given));
        const decision = route(index, wanted);
        if (decision.reason === 'in-lane') expect(decision.instances.map(tagOf)).toEqual(decision.instances.map(() => wanted));
        else if (decision.reason !== 'none') expect(decision.instances).toEqual(route(index, undefined).instances);
      }),
    );
  });

  test('fallback none never yields base instead of a lane', () => {
    fc.assert(
      fc.property(instances, options, asked, (list, given, wanted) => {
        const { reason } = route(buildLaneIndex(list, rules({ ...given, fallback: 'none' })), wanted);
        expect(reason).not.toBe('fell-back-to-base');
        if (wanted !== undefined && given.enabled === undefined) expect(['in-lane', 'none']).toContain(reason);
      }),
    );
  });

  test('the order of the instances does not matter', () => {
    fc.assert(
      fc.property(
        instances.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        options,
        asked,
        ([list, shuffled], given, wanted) => {
          const [one, other] = [list, shuffled].map((order) => route(buildLaneIndex(order, rules(given)), wanted)) as [Decision, Decision];
          expect(other.reason).toBe(one.reason);
          expect(new Set(other.instances)).toEqual(new Set(one.instances));
        },
      ),
    );
  });

  test('instances that cannot serve have no influence', () => {
    fc.assert(
      fc.property(instances, options, asked, (list, given, wanted) => {
        const decision = route(buildLaneIndex(list, rules(given)), wanted);
        const without = route(buildLaneIndex(list.filter(isUsable), rules(given)), wanted);
        expect([decision.reason, decision.instances]).toEqual([without.reason, without.instances]);
      }),
    );
  });

  test('pick chooses among the offered instances, for any weights and any chance', () => {
    fc.assert(
      fc.property(
        instances,
        options,
        asked,
        fc.oneof(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.constantFrom(0, 1 - Number.EPSILON / 2)),
        (list, given, wanted, chance) => {
          const decision = route(buildLaneIndex(list, rules(given)), wanted);
          const chosen = pick(decision, () => chance);
          if (decision.instances.length === 0) expect(chosen).toBe(undefined);
          else expect(decision.instances).toContain(chosen);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('a decision is shared, and therefore immutable', () => {
    fc.assert(
      fc.property(instances, options, asked, (list, given, wanted) => {
        const before = [...list];
        const index = buildLaneIndex(list, rules(given));
        const decision = route(index, wanted);
        expect(route(index, wanted)).toBe(decision);
        expect(Object.isFrozen(decision) && Object.isFrozen(decision.instances)).toBe(true);
        expect(list).toEqual(before);
        expect(Object.isFrozen(list)).toBe(false);
      }),
    );
  });
});

describe('pick', () => {
  const DRAWS = 100_000;
  /** How often each instance is chosen over an even grid of chances: no luck involved, exact up to the width of the grid. */
  function sharesOf(decision: Decision): number[] {
    const counts = new Map(decision.instances.map((one) => [one, 0]));
    for (let i = 0; i < DRAWS; i++) {
      const chosen = pick(decision, () => (i + 0.5) / DRAWS) as Instance;
      counts.set(chosen, (counts.get(chosen) as number) + 1);
    }
    return [...counts.values()].map((count) => count / DRAWS);
  }

  test('follows the weights', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(0.01, 1, 1, 10_000), fc.double({ min: 0.01, max: 10_000, noNaN: true })), { minLength: 1, maxLength: 20 }),
        (weights) => {
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const shares = sharesOf(decisionOf(weights));
          expect(shares).toHaveLength(weights.length);
          // Each instance is met in its own column and as the alias of others: each such stretch can be off by one draw.
          for (const [i, share] of shares.entries())
            expect(Math.abs(share - (weights[i] as number) / total)).toBeLessThan((2 * weights.length) / DRAWS);
        },
      ),
      { numRuns: 30 },
    );
  });

  test.each<[what: string, weights: number[], shares: number[]]>([
    ['one instance', [7], [1]],
    ['equal weights', [1, 1, 1, 1], [0.25, 0.25, 0.25, 0.25]],
    ['one to three', [1, 3], [0.25, 0.75]],
    ['the extremes of Nacos', [0.01, 10_000], [0.000_001, 0.999_999]],
    ['a sum beyond all numbers', [1e308, 1e308, 1e308, 1e308], [0.25, 0.25, 0.25, 0.25]],
    ['the smallest there are', [5e-324, 5e-324], [0.5, 0.5]],
    ['infinite takes all', [1, Infinity, 10_000], [0, 1, 0]],
    ['two infinite share', [Infinity, 1, Infinity], [0.5, 0, 0.5]],
  ])('%s', (_, weights, expected) => {
    for (const [i, share] of sharesOf(decisionOf(weights)).entries()) expect(share).toBeCloseTo(expected[i] as number, 4);
  });

  test('invalid weights take no share and do not affect the others', () => {
    const decision = decisionOf([NaN, 1, -5, 3, 0, -Infinity]);
    expect(decision.instances.map(({ weight }) => weight)).toEqual([1, 3]);
    expect(sharesOf(decision)).toEqual([expect.closeTo(0.25, 4), expect.closeTo(0.75, 4)]);
  });

  test('follows the weights with real chance too: chi-square over a seeded generator', () => {
    // mulberry32 (Tommy Ettinger, public domain), seeded: the same draws in every run.
    let state = 20_260_101;
    const random = (): number => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
    const weights = [1, 2, 3, 4, 10, 30, 50];
    const decision = decisionOf(weights);
    const counts = weights.map(() => 0);
    for (let i = 0; i < DRAWS; i++) {
      const at = decision.instances.indexOf(pick(decision, random) as Instance);
      counts[at] = (counts[at] as number) + 1;
    }
    const chiSquare = counts.reduce(
      (sum, count, i) => sum + (count - (DRAWS * (weights[i] as number)) / 100) ** 2 / ((DRAWS * (weights[i] as number)) / 100),
      0,
    );
    // 6 degrees of freedom: more than 22.46 comes once in a thousand.
    expect(chiSquare).toBeLessThan(22.46);
  });

  test('a chance of 1, which no generator should return, still chooses', () => {
    const decision = decisionOf([1, 2, 3]);
    expect(decision.instances).toContain(pick(decision, () => 1));
  });

  test('draws chance once, and not at all if there is no choice', () => {
    let asked = 0;
    const random = (): number => ++asked / 10;
    pick(decisionOf([1, 2, 3]), random);
    expect(asked).toBe(1);
    pick(decisionOf([1]), random);
    pick(decisionOf([]), random);
    expect(asked).toBe(1);
  });

  test('chances lie within 0 and 1 and point at instances', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: Infinity, minExcluded: true, noNaN: true }), { minLength: 2, maxLength: 50 }), (weights) => {
        const { alias, probability } = buildChances(weights.map((weight) => ({ ...instance('base1'), weight })));
        for (let i = 0; i < weights.length; i++) {
          expect(probability[i]).toBeGreaterThanOrEqual(0);
          expect(probability[i]).toBeLessThanOrEqual(1);
          expect(alias[i]).toBeLessThan(weights.length);
        }
      }),
    );
  });
});

describe('made-up tags', () => {
  test('do not exhaust memory, and are still decided', () => {
    const index = indexOf('base1 gray1');
    for (let i = 0; i < 5000; i++) expect(route(index, `made-up-${i}`)).toMatchObject({ reason: 'fell-back-to-base', tag: `made-up-${i}` });
    expect(index.byTag.size).toBeLessThan(1000);
    expect(route(index, 'gray').reason).toBe('in-lane');
    expect(route(index, 'made-up-4999').instances).toBe(index.untagged.instances);
  });

  test('a lane with instances is always one look-up, however many lanes there are', () => {
    const index = indexOf(Array.from({ length: 2000 }, (_, i) => `lane-${i}-1`).join(' '));
    for (let i = 0; i < 2000; i++) expect(route(index, `lane-${i}-`)).toBe(index.byTag.get(`lane-${i}-`));
    expect(index.byTag.size).toBe(2000);
  });
});

test('a lane with only refusing instances keeps them if base may not serve', () => {
  const gray: Instance = { ...instance('gray1'), healthy: false, refused: true };
  const of = (instances: readonly Instance[], fallback: Fallback): Decision => route(buildLaneIndex(instances, rules({ fallback })), 'gray');
  expect(of([instance('base1'), gray], 'base')).toMatchObject({ reason: 'fell-back-to-base', instances: [{ ip: 'base1' }] });
  expect(of([instance('base1'), gray], 'none')).toMatchObject({ reason: 'in-lane', instances: [gray] });
  expect(of([gray], 'base')).toMatchObject({ reason: 'in-lane', instances: [gray] });
  expect(of([instance('base1'), gray, instance('gray2')], 'none')).toMatchObject({ reason: 'in-lane', instances: [{ ip: 'gray2' }] });
  expect(of([instance('base1'), { ...gray, enabled: false }], 'none').reason).toBe('none');
});
