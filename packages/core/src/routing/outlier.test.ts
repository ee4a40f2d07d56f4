import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InstanceMemory } from './instance-memory.js';
import type { Instance } from './instance.js';
import { isUsable } from './lane-index.js';
import { DEFAULT_OUTLIER_POLICY, isServerError, mostEjected, NO_OUTLIERS, type OutlierPolicy } from './outlier.js';

const tagOf = ({ metadata }: Instance): string | undefined => metadata['lane'];
const laneOf = (name: string): string | undefined => (name.startsWith('g') ? 'gray' : undefined);
/** `b1` is base, `g1` gray; its name is its address. */
const one = (name: string): Instance => {
  const lane = laneOf(name);
  return { ip: name, port: 80, weight: 1, healthy: true, enabled: true, metadata: lane === undefined ? {} : { lane } };
};

class Trial {
  readonly memory: InstanceMemory;
  nowMs = 0;

  constructor(names: string, policy: Partial<OutlierPolicy> = {}) {
    this.memory = new InstanceMemory(40_000, tagOf, { ...DEFAULT_OUTLIER_POLICY, ...policy });
    this.memory.tell(names.split(' ').map(one), 'registry', 0);
  }

  fails(name: string, times = 5): this {
    for (let i = 0; i < times; i++) this.memory.responded(name, 80, true, this.nowMs);
    return this;
  }

  succeeds(name: string): this {
    this.memory.responded(name, 80, false, this.nowMs);
    return this;
  }

  after(seconds: number): this {
    this.nowMs += seconds * 1_000;
    return this;
  }

  /** Those that get calls, with a `?` where they are probed. */
  get served(): string {
    return this.memory
      .instances(this.nowMs)
      .filter(isUsable)
      .map(({ ip, probed }) => (probed === true ? `${ip}?` : ip))
      .toSorted()
      .join(' ');
  }
}

describe('server errors in a row', () => {
  test('the fifth ejects, one answer in between starts the count anew', () => {
    expect(new Trial('b1 g1 g2').fails('g1', 4).served).toBe('b1 g1 g2');
    expect(new Trial('b1 g1 g2').fails('g1', 4).succeeds('g1').fails('g1', 4).served).toBe('b1 g1 g2');
    expect(new Trial('b1 g1 g2').fails('g1', 5).served).toBe('b1 g2');
  });

  test('a lane whose instances all fail keeps one: base does not serve it', () => {
    expect(new Trial('b1 g1').fails('g1').served).toBe('b1 g1');
    expect(new Trial('b1 g1 g2').fails('g1').fails('g2').served).toBe('b1 g2');
  });

  test('an ejected instance serves where the others of its lane are dead', () => {
    const trial = new Trial('b1 g1 g2').fails('g1');
    trial.memory.refused('g2', 80, 0);
    expect(trial.served).toBe('b1 g1');
  });

  test('the cap holds for each lane by itself', () => {
    const trial = new Trial('b1 b2 b3 b4 g1 g2 g3 g4');
    for (const name of ['g1', 'g2', 'g3', 'b1', 'b2', 'b3']) trial.fails(name);
    expect(trial.served).toBe('b3 b4 g3 g4');
    expect(new Trial('g1 g2 g3 g4', { cap: 0.25 }).fails('g1').fails('g2').served).toBe('g2 g3 g4');
  });

  test('who comes back is probed: one server error ejects it for twice as long, one answer brings it back', () => {
    const trial = new Trial('g1 g2').fails('g1');
    expect(trial.after(29).served).toBe('g2');
    expect(trial.after(1).served).toBe('g1? g2');
    expect(trial.fails('g1', 1).after(59).served).toBe('g2');
    expect(trial.after(1).served).toBe('g1? g2');
    expect(trial.succeeds('g1').served).toBe('g1 g2');
  });

  test('no ejection takes longer than five minutes', () => {
    const trial = new Trial('g1 g2').fails('g1').after(30);
    for (let i = 0; i < 9; i++) trial.fails('g1', trial.served === 'g1? g2' ? 1 : 0).after(300);
    expect(trial.served).toBe('g1? g2');
  });

  test('late answers of an ejected instance change nothing; those of one that is kept end its ejection', () => {
    expect(new Trial('g1 g2').fails('g1').succeeds('g1').served).toBe('g2');
    expect(new Trial('g1').fails('g1').succeeds('g1').memory.isAsTold(0)).toBe(true);
  });

  test.each<[string, ((instance: Instance) => Instance) | undefined]>([
    ['down', (instance) => ({ ...instance, healthy: false })],
    ['disabled', (instance) => ({ ...instance, enabled: false })],
    ['gone', undefined],
  ])('who was %s in the registry, and is back, has started anew: its ejection is over', (_, change) => {
    const trial = new Trial('b1 g1 g2 g3').fails('g1');
    const others = ['b1', 'g2', 'g3'].map(one);
    trial.memory.tell(change === undefined ? others : [...others, change(one('g1'))], 'registry', trial.nowMs);
    expect(trial.served).toBe('b1 g2 g3');
    trial.memory.tell([...others, one('g1')], 'registry', trial.nowMs);
    expect(trial.served).toBe('b1 g1 g2 g3');
    expect(trial.fails('g1', 4).served).toBe('b1 g1 g2 g3');
    expect(trial.fails('g1', 1).after(31).served).toBe('b1 g1? g2 g3');
  });

  test('a list that has an ejected instance as before ends no ejection', () => {
    const trial = new Trial('b1 g1 g2').fails('g1');
    trial.memory.tell(['b1', 'g1', 'g2', 'g3'].map(one), 'registry', trial.nowMs);
    expect(trial.served).toBe('b1 g2 g3');
  });

  test('nobody is ejected where it is off', () => {
    expect(new Trial('g1 g2', NO_OUTLIERS).fails('g1', 100).served).toBe('g1 g2');
  });
});

test('an instance is left alone after as many failed connects in a row as are said', () => {
  const trial = new Trial('g1 g2', { connect: 2 });
  trial.memory.refused('g1', 80, 0);
  trial.memory.answered('g1', 80);
  trial.memory.refused('g1', 80, 0);
  expect(trial.served).toBe('g1 g2');
  trial.memory.refused('g1', 80, 0);
  expect(trial.served).toBe('g2');
});

test('server errors are 5xx but for 501', () => {
  expect([200, 404, 499, 500, 501, 503, 599, 600].filter(isServerError)).toEqual([500, 503, 599]);
});

const NAMES = ['b1', 'b2', 'b3', 'g1', 'g2', 'g3', 'g4', 'g5'];
const step = fc.record({
  name: fc.constantFrom(...NAMES),
  what: fc.constantFrom('fails', 'fails', 'fails', 'succeeds'),
  seconds: fc.constantFrom(0, 0, 0, 0, 1, 31, 400),
});

test('whatever instances answer, no lane loses its last one, caps hold, and all come back once they answer', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.constantFrom(0.01, 0.3, 0.5, 1), (steps, cap) => {
      const trial = new Trial(NAMES.join(' '), { cap, serverErrors: 2 });
      for (const { name, what, seconds } of steps) {
        trial.after(seconds);
        if (what === 'fails') trial.fails(name, 1);
        else trial.succeeds(name);
        const instances = trial.memory.instances(trial.nowMs);
        expect(instances.map(({ ip }) => ip).toSorted()).toEqual(NAMES);
        for (const tag of [undefined, 'gray']) {
          const lane = instances.filter((instance) => tagOf(instance) === tag);
          const ejected = lane.filter(({ ejected: isOut }) => isOut === true).length;
          expect(ejected).toBeLessThanOrEqual(mostEjected({ ...DEFAULT_OUTLIER_POLICY, cap }, lane.length));
          expect(lane.filter(isUsable).length).toBe(lane.length - ejected);
          expect(ejected).toBeLessThan(lane.length);
        }
      }
      trial.after(301);
      for (const name of NAMES) trial.succeeds(name);
      expect(trial.served).toBe(NAMES.join(' '));
      expect(trial.memory.isAsTold(trial.nowMs)).toBe(true);
    }),
  );
});
