import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InstanceMemory } from './instance-memory.js';
import type { Instance } from './instance.js';
import { isUsable } from './lane-index.js';

const HOLD_MS = 40_000;
const tagOf = ({ metadata }: Instance): string | undefined => metadata['lane'];

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
  const memory = new InstanceMemory(HOLD_MS, tagOf);
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

describe('a list that takes many away at once is doubted, and they stay in use as they were', () => {
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

  test('or until they refuse connections', () => {
    const memory = memoryOf(...FOUR);
    memory.tell(all('b1', 'b2'), 'registry', 1_000);
    expect(memory.refused('g1', 80, 2_000)).toBe(true);
    expect(served(memory.instances(2_000))).toBe('b1 b2 g2:gray');
    // For good: nobody is asked again who is not listed.
    expect(served(memory.instances(20_000))).toBe('b1 b2 g2:gray');
  });
});

describe('what is said of one instance is believed at once', () => {
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

  test('as is that a lane has gone which was disabled before', () => {
    const memory = memoryOf(...FOUR);
    memory.tell([...all('b1', 'b2', 'g1'), one('g2', { enabled: false })], 'registry', 1_000);
    memory.tell([...all('b1', 'b2'), one('g1', { enabled: false }), one('g2', { enabled: false })], 'registry', 2_000);
    expect(told(memory, all('b1', 'b2'), 3_000)).toBe('b1 b2');
  });
});

describe('trouble with the registry', () => {
  test('makes each loss soon after it doubtful, and doubts last as long after it', () => {
    const memory = memoryOf(...FOUR);
    memory.trouble(false, 1_000);
    memory.trouble(true, 9_000);
    expect(told(memory, all('b1', 'g1', 'g2'), 10_000)).toBe(FOUR_SERVED);
    expect(memory.dueMs).toBe(50_000);
    memory.trouble(true, 30_000);
    expect(memory.dueMs).toBe(70_000);
    expect(served(memory.instances(70_000))).toBe('b1 g1:gray g2:gray');
  });

  test('holds the time, as nobody says anything', () => {
    const memory = memoryOf(...FOUR);
    memory.tell([], 'registry', 1_000);
    memory.trouble(false, 2_000);
    expect(memory.dueMs).toBeUndefined();
    expect(served(memory.instances(1_000_000))).toBe(FOUR_SERVED);
  });

  test('that never ends keeps nobody for ever', () => {
    const memory = memoryOf(...FOUR);
    memory.tell([], 'registry', 1_000);
    for (let nowMs = 2_000; nowMs < 121_000; nowMs += 1_000) memory.trouble(true, nowMs);
    expect(served(memory.instances(120_999))).toBe(FOUR_SERVED);
    expect(served(memory.instances(121_000))).toBe('');
  });
});

describe('an instance that refuses connections', () => {
  test('is left alone for a while, longer each time, until it takes one', () => {
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

  test('is back at once when it registers anew', () => {
    const memory = memoryOf(...FOUR);
    memory.refused('g1', 80, 0);
    memory.tell(all('b1', 'b2', 'g2'), 'registry', 100);
    expect(told(memory, all(...FOUR), 200)).toBe(FOUR_SERVED);
  });

  test('takes its lane to base, but base never to nobody', () => {
    const memory = memoryOf('b1', 'g1');
    memory.refused('g1', 80, 0);
    expect(served(memory.instances(0))).toBe('b1');
    memory.refused('b1', 80, 0);
    expect(served(memory.instances(0))).toBe('b1');
  });
});

describe('whatever a registry says, and in whatever order', () => {
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

  test('a list that is said long enough is what is in use; an instance is in use as some list had it; each once', () => {
    fc.assert(
      fc.property(histories, fc.array(listed, { minLength: NAMES.length, maxLength: NAMES.length }), (history, last) => {
        const memory = new InstanceMemory(HOLD_MS, tagOf);
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

  test('no lane that lives loses its last instance to a registry that forgets for less than the hold', () => {
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
