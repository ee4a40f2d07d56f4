import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InstanceMemory } from './instance-memory.js';
import type { Instance } from './instance.js';
import { isUsable } from './lane-index.js';
import type { InstanceTagReader } from '../wire/formats.js';

const HOLD_MS = 40_000;
const readTag: InstanceTagReader = (metadata) => metadata?.['lane'];
const tagOf = ({ metadata }: Instance): string | undefined => readTag(metadata);

/** An instance in short: `b1`, `b2` are base, `g1`, `g2` gray; its name is its address. */
function one(name: string, changes: Partial<Instance> = {}): Instance {
  const metadata: Record<string, string> = name.startsWith('g') ? { lane: 'gray' } : {};
  return { ip: name, port: 80, weight: 1, healthy: true, enabled: true, metadata, ...changes };
}
const all = (...names: string[]): Instance[] => names.map((name) => one(name));
/** What is in use once a list is told. */
const told = (memory: InstanceMemory, list: readonly Instance[], nowMs: number, source: 'registry' | 'sdk' = 'registry'): string => {
  memory.tell(list, source, nowMs);
  return served(memory.instances(nowMs));
};
const memoryOf = (...names: string[]): InstanceMemory => {
  const memory = new InstanceMemory(HOLD_MS, () => readTag);
  memory.tell(all(...names), 'registry', 0);
  return memory;
};
/** Who serves, as `name` or `name:tag`, in order. */
const served = (instances: readonly Instance[]): string =>
  instances
    .filter(isUsable)
    .map((instance) => (tagOf(instance) === undefined ? instance.ip : `${instance.ip}:${tagOf(instance)}`))
    .toSorted()
    .join(' ');
const FOUR = ['b1', 'b2', 'g1', 'g2'];
const FOUR_SERVED = 'b1 b2 g1:gray g2:gray';

describe('a list that removes many instances at once is doubted, and they stay in use unchanged', () => {
  test.each<[string, Instance[]]>([
    ['all', []],
    ['a lane', all('b1', 'b2')],
    ['base', all('g1', 'g2')],
    ['most of the service', all('g1')],
    ['by their health', all(...FOUR).map((instance) => ({ ...instance, healthy: false }))],
    ['a lane by its health', all(...FOUR).map((instance) => (tagOf(instance) === 'gray' ? { ...instance, healthy: false } : instance))],
    ['by disabling everybody', all(...FOUR).map((instance) => ({ ...instance, enabled: false }))],
    ['by weights of 0', all(...FOUR).map((instance) => ({ ...instance, weight: 0 }))],
    ['the metadata of a whole lane', all(...FOUR).map((instance) => ({ ...instance, metadata: {} }))],
  ])('%s', (_, list) => {
    const memory = memoryOf(...FOUR);
    expect(told(memory, list, 1_000)).toBe(FOUR_SERVED);
    // The same again, and others besides: still so.
    expect(told(memory, [...list, one('b9')], 20_000, 'sdk')).toBe('b1 b2 b9 g1:gray g2:gray');
    // It has been said for as long as coming back takes.
    expect(served(memory.instances(40_999))).toBe('b1 b2 b9 g1:gray g2:gray');
    expect(served(memory.instances(41_000))).toBe(served([...list, one('b9')]));
    expect(memory.dueMs).toBeUndefined();
  });

  test('until they are listed again, one by one', () => {
    const memory = memoryOf(...FOUR);
    memory.tell([], 'registry', 1_000);
    memory.tell(all('b1'), 'registry', 3_000);
    expect(told(memory, all('b1', 'g2'), 5_000)).toBe(FOUR_SERVED);
    expect(memory.describe(5_000).map(({ address, doubt }) => `${address} ${doubt}`)).toEqual([
      'b1:80 undefined',
      'b2:80 absent',
      'g1:80 absent',
      'g2:80 undefined',
    ]);
    expect(served(memory.instances(41_000))).toBe('b1 g2:gray');
  });

  test('even if they are a majority only together with those already in doubt', () => {
    const memory = memoryOf('b1', 'b2', 'b3', 'b4', 'g1', 'g2', 'g3');
    const all7 = 'b1 b2 b3 b4 g1:gray g2:gray g3:gray';
    // A lane is missing, then half of base, too.
    expect(told(memory, all('b1', 'b2', 'b3', 'b4'), 1_000)).toBe(all7);
    expect(told(memory, all('b1', 'b2'), 6_000)).toBe(all7);
    // Each for as long as it has been missing.
    expect(served(memory.instances(41_000))).toBe('b1 b2 b3 b4');
    expect(served(memory.instances(46_000))).toBe('b1 b2');
  });

  test.each<[string, string[], string[], number]>([
    ['together they are no more than half', ['b1', 'b2', 'b3', 'b4', 'b5', 'g1'], ['b1', 'b2', 'b3'], 6_000],
    ['only one more is missing', ['b1', 'b2', 'g1', 'g2', 'g3'], ['b1'], 6_000],
    ['the doubt is over', ['b1', 'b2', 'b3', 'b4', 'g1', 'g2', 'g3'], ['b1', 'b2'], 41_000],
  ])('but not if %s', (_, names, left, atMs) => {
    const memory = memoryOf(...names);
    const base = names.filter((name) => name.startsWith('b'));
    expect(told(memory, all(...base), 1_000)).toBe(served(all(...names)));
    memory.tell(all(...left), 'registry', atMs);
    expect(served(memory.instances(atMs)).replace(/ g.*/, '')).toBe(left.join(' '));
  });

  test('or until they refuse connections', () => {
    const memory = memoryOf(...FOUR);
    memory.tell(all('b1', 'b2'), 'registry', 1_000);
    expect(memory.refused('g1', 80, 2_000)).toBe(true);
    expect(served(memory.instances(2_000))).toBe('b1 b2 g2:gray');
    // For good: nobody is asked again who is not listed.
    expect(served(memory.instances(20_000))).toBe('b1 b2 g2:gray');
  });
});

describe('a change of a single instance is believed at once', () => {
  test.each<[string, Instance[], string]>([
    ['it is gone', all('b1', 'b2', 'g1'), 'b1 b2 g1:gray'],
    ['it is unhealthy', [...all('b1', 'b2', 'g1'), one('g2', { healthy: false })], 'b1 b2 g1:gray'],
    ['it is disabled', [...all('b1', 'b2', 'g1'), one('g2', { enabled: false })], 'b1 b2 g1:gray'],
    ['it has another tag', [...all('b1', 'b2', 'g1'), one('g2', { metadata: { lane: 'blue' } })], 'b1 b2 g1:gray g2:blue'],
    ['it has no tag any more', [...all('b1', 'b2', 'g1'), one('g2', { metadata: {} })], 'b1 b2 g1:gray g2'],
    ['its lane is drained, one and all', [...all('b1', 'b2'), one('g1', { enabled: false }), one('g2', { weight: 0 })], 'b1 b2'],
    ['the only ones left are promoted', [one('g1', { metadata: {} }), one('g2', { metadata: {} })], 'b1 b2 g1 g2'],
  ])('%s', (_, list, now) => {
    expect(told(memoryOf(...FOUR), list, 1_000)).toBe(now);
  });

  test('and so is the end of a lane that was disabled before', () => {
    const memory = memoryOf(...FOUR);
    memory.tell([...all('b1', 'b2', 'g1'), one('g2', { enabled: false })], 'registry', 1_000);
    memory.tell([...all('b1', 'b2'), one('g1', { enabled: false }), one('g2', { enabled: false })], 'registry', 2_000);
    expect(told(memory, all('b1', 'b2'), 3_000)).toBe('b1 b2');
  });
});

describe('trouble with the registry', () => {
  test('makes each loss soon after it doubtful, and doubts last equally long after it', () => {
    const memory = memoryOf(...FOUR);
    memory.trouble(false, 1_000);
    memory.trouble(true, 9_000);
    expect(told(memory, all('b1', 'g1', 'g2'), 10_000)).toBe(FOUR_SERVED);
    expect(memory.dueMs).toBe(50_000);
    memory.trouble(true, 30_000);
    expect(memory.dueMs).toBe(70_000);
    expect(served(memory.instances(70_000))).toBe('b1 g1:gray g2:gray');
  });

  test('stops the clock, because nobody reports anything', () => {
    const memory = memoryOf(...FOUR);
    memory.tell([], 'registry', 1_000);
    memory.trouble(false, 2_000);
    expect(memory.dueMs).toBeUndefined();
    expect(served(memory.instances(1_000_000))).toBe(FOUR_SERVED);
  });

  test('that never ends keeps no instance forever', () => {
    const memory = memoryOf(...FOUR);
    memory.tell([], 'registry', 1_000);
    for (let nowMs = 2_000; nowMs < 121_000; nowMs += 1_000) memory.trouble(true, nowMs);
    expect(served(memory.instances(120_999))).toBe(FOUR_SERVED);
    expect(served(memory.instances(121_000))).toBe('');
  });
});

describe('an instance that refuses connections', () => {
  test('is skipped for a while, longer each time, until it accepts one', () => {
    const memory = memoryOf(...FOUR);
    memory.refused('g1', 80, 0);
    expect(memory.instances(4_999).find(({ ip }) => ip === 'g1')?.healthy).toBe(false);
    expect(served(memory.instances(5_000))).toBe(FOUR_SERVED);
    memory.refused('g1', 80, 5_000);
    expect(memory.dueMs).toBe(15_000);
    expect(memory.answered('g1', 80)).toBe(true);
    expect(served(memory.instances(5_001))).toBe(FOUR_SERVED);
    memory.refused('g1', 80, 6_000);
    expect(memory.dueMs).toBe(11_000);
  });

  test('is back at once when it registers again', () => {
    const memory = memoryOf(...FOUR);
    memory.refused('g1', 80, 0);
    memory.tell(all('b1', 'b2', 'g2'), 'registry', 100);
    expect(told(memory, all(...FOUR), 200)).toBe(FOUR_SERVED);
  });

  test('makes its lane fall back to base, but never leaves base without instances', () => {
    const memory = memoryOf('b1', 'g1');
    memory.refused('g1', 80, 0);
    expect(served(memory.instances(0))).toBe('b1');
    memory.refused('b1', 80, 0);
    expect(served(memory.instances(0))).toBe('b1');
  });
});

describe('for any reports of a registry, in any order', () => {
  const NAMES = ['b1', 'b2', 'b3', 'g1', 'g2', 'u1'];
  const listed = fc.constantFrom('gone', 'there', 'unhealthy', 'disabled', 'untagged', 'other') as fc.Arbitrary<string>;
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('list' as const), says: fc.array(listed, { minLength: NAMES.length, maxLength: NAMES.length }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('forgets' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('trouble' as const), isReachable: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('refused' as const), who: fc.constantFrom(...NAMES) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('answered' as const), who: fc.constantFrom(...NAMES) }) },
  );
  const histories = fc.array(fc.tuple(fc.integer({ min: 0, max: 50_000 }), step), { minLength: 1, maxLength: 40 });

  const listOf = (says: readonly string[]): Instance[] =>
    NAMES.flatMap((name, i) => {
      const said = says[i];
      if (said === 'gone') return [];
      if (said === 'unhealthy') return [one(name, { healthy: false })];
      if (said === 'disabled') return [one(name, { enabled: false })];
      if (said === 'untagged') return [one(name, { metadata: {} })];
      return [one(name, said === 'other' ? { metadata: { lane: 'other' } } : {})];
    });

  test('a list reported long enough is in use; each instance in use is as in some list; none is repeated', () => {
    fc.assert(
      fc.property(histories, fc.array(listed, { minLength: NAMES.length, maxLength: NAMES.length }), (history, last) => {
        const memory = new InstanceMemory(HOLD_MS, () => readTag);
        const ever = new Set<string>();
        const formOf = (instance: Instance): string => JSON.stringify([instance.ip, instance.enabled, instance.weight, instance.metadata]);
        let nowMs = 0;
        for (const [pauseMs, taken] of history) {
          nowMs += pauseMs;
          if (taken.kind === 'list' || taken.kind === 'forgets') {
            const list = taken.kind === 'list' ? listOf(taken.says) : [];
            for (const instance of list) ever.add(formOf(instance));
            memory.tell(list, 'registry', nowMs);
          } else if (taken.kind === 'trouble') memory.trouble(taken.isReachable, nowMs);
          else if (taken.kind === 'refused') memory.refused(taken.who, 80, nowMs);
          else memory.answered(taken.who, 80);
          const used = memory.instances(nowMs);
          expect(new Set(used.map(({ ip }) => ip)).size).toBe(used.length);
          for (const instance of used) expect(ever).toContain(formOf(instance));
          expect(memory.dueMs ?? Infinity).toBeGreaterThan(nowMs);
        }
        const list = listOf(last);
        memory.tell(list, 'registry', nowMs);
        nowMs += 3 * HOLD_MS;
        // A look at the registry, whatever is thought of the way to it.
        memory.heardAgain(nowMs);
        expect(served(memory.instances(nowMs))).toBe(served(list));
        expect(memory.dueMs).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });

  test('no live lane loses its last instance to a registry that forgets for less than the hold', () => {
    // The instances live on, and are told as they are; between such lists come lists that lack some of them.
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 100, max: 9_000 }), fc.subarray(NAMES)), { minLength: 1, maxLength: 20 }), (lists) => {
        const memory = memoryOf(...NAMES);
        let nowMs = 1_000;
        let toldMs = nowMs;
        for (const [pauseMs, names] of lists) {
          nowMs += pauseMs;
          // Beats bring everybody back within 30 s.
          const isWhole = nowMs - toldMs >= 30_000;
          if (isWhole) toldMs = nowMs;
          memory.trouble(true, nowMs);
          expect(told(memory, all(...(isWhole ? NAMES : names)), nowMs)).toBe(served(all(...NAMES)));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
