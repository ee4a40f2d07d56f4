import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InstanceMemory } from './instance-memory.js';
import type { Instance } from './instance.js';
import { isUsable } from './lane-index.js';
import type { InstanceTagReader } from '../wire/formats.js';
import { DEFAULT_OUTLIER_POLICY, failuresNeeded, httpStatusOfGrpc, isServerError, mostEjected, NO_OUTLIERS, type OutlierPolicy } from './outlier.js';

const readTag: InstanceTagReader = (metadata) => metadata?.['lane'];
const tagOf = ({ metadata }: Instance): string | undefined => readTag(metadata);
const laneOf = (name: string): string | undefined => (name.startsWith('g') ? 'gray' : undefined);
/** `b1` is base, `g1` gray; its name is its address. */
const one = (name: string): Instance => {
  const lane = laneOf(name);
  return { ip: name, port: 80, weight: 1, healthy: true, enabled: true, metadata: lane === undefined ? {} : { lane } };
};

class Trial {
  readonly memory: InstanceMemory;
  readonly names: readonly string[];
  nowMs = 0;

  constructor(names: string, policy: Partial<OutlierPolicy> = {}) {
    this.names = names.split(' ');
    this.memory = new InstanceMemory(40_000, () => readTag, { ...DEFAULT_OUTLIER_POLICY, ...policy });
    this.memory.tell(this.names.map(one), 'registry', 0);
  }

  /** It answers server errors, while the others of its lane answer well. */
  fails(name: string, times = 5): this {
    const others = this.names.filter((other) => other !== name && laneOf(other) === laneOf(name));
    for (let i = 0; i < times; i++) {
      this.answers(name, true);
      for (let good = 0; good < 20; good++) for (const other of others) this.answers(other, false);
    }
    return this;
  }

  succeeds(name: string): this {
    return this.answers(name, false);
  }

  answers(name: string, isBad: boolean): this {
    this.memory.responded(name, 80, isBad, this.nowMs);
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
  test('the fifth ejects; one good answer in between resets the count', () => {
    expect(new Trial('b1 g1 g2').fails('g1', 4).served).toBe('b1 g1 g2');
    expect(new Trial('b1 g1 g2').fails('g1', 4).succeeds('g1').fails('g1', 4).served).toBe('b1 g1 g2');
    expect(new Trial('b1 g1 g2').fails('g1', 5).served).toBe('b1 g2');
  });

  test('a lane whose instances all fail keeps one, so that base does not serve it', () => {
    expect(new Trial('b1 g1').fails('g1').served).toBe('b1 g1');
    expect(new Trial('b1 g1 g2').fails('g1').fails('g2').served).toBe('b1 g2');
  });

  test('an ejected instance serves if the others of its lane are dead', () => {
    const trial = new Trial('b1 g1 g2').fails('g1');
    trial.memory.refused('g2', 80, 0);
    expect(trial.served).toBe('b1 g1');
  });

  test('the cap applies to each lane separately', () => {
    const trial = new Trial('b1 b2 b3 b4 g1 g2 g3 g4');
    for (const name of ['g1', 'g2', 'g3', 'b1', 'b2', 'b3']) trial.fails(name);
    expect(trial.served).toBe('b3 b4 g3 g4');
    expect(new Trial('g1 g2 g3 g4', { cap: 0.25 }).fails('g1').fails('g2').served).toBe('g2 g3 g4');
  });

  test('a returning instance is probed: one server error ejects it for twice as long, one good answer brings it back', () => {
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

  test('late answers of an ejected instance change nothing; those of one kept in use end its ejection', () => {
    expect(new Trial('g1 g2').fails('g1').succeeds('g1').served).toBe('g2');
    const trial = new Trial('g1 g2').fails('g1');
    trial.memory.refused('g2', 80, 0);
    expect(trial.served).toBe('g1');
    trial.succeeds('g1').memory.answered('g2', 80);
    expect(trial.memory.isAsTold(0)).toBe(true);
  });

  test.each<[string, ((instance: Instance) => Instance) | undefined]>([
    ['down', (instance) => ({ ...instance, healthy: false })],
    ['disabled', (instance) => ({ ...instance, enabled: false })],
    ['gone', undefined],
  ])('an instance that was %s in the registry and is back has restarted: its ejection is over', (_, change) => {
    const trial = new Trial('b1 g1 g2 g3').fails('g1');
    const others = ['b1', 'g2', 'g3'].map(one);
    trial.memory.tell(change === undefined ? others : [...others, change(one('g1'))], 'registry', trial.nowMs);
    expect(trial.served).toBe('b1 g2 g3');
    trial.memory.tell([...others, one('g1')], 'registry', trial.nowMs);
    expect(trial.served).toBe('b1 g1 g2 g3');
    expect(trial.fails('g1', 4).served).toBe('b1 g1 g2 g3');
    expect(trial.fails('g1', 1).after(31).served).toBe('b1 g1? g2 g3');
  });

  test('a list with the ejected instance unchanged ends no ejection', () => {
    const trial = new Trial('b1 g1 g2').fails('g1');
    trial.memory.tell(['b1', 'g1', 'g2', 'g3'].map(one), 'registry', trial.nowMs);
    expect(trial.served).toBe('b1 g2 g3');
  });

  test('nobody is ejected if ejection is off', () => {
    expect(new Trial('g1 g2', NO_OUTLIERS).fails('g1', 100).served).toBe('g1 g2');
  });
});

describe('the answers of others in the lane', () => {
  /** The same numbers each time: who is asked, and whether it is a request that fails everywhere. */
  function* random(): Generator<number, never> {
    let state = 42;
    for (;;) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      yield state / 2 ** 32;
    }
  }

  /** Sends requests to those that are served; how many it took until each was ejected. */
  function traffic(
    trial: Trial,
    { poison, sick = [], requests }: { poison: number; sick?: readonly string[]; requests: number },
  ): Map<string, number> {
    const numbers = random();
    const next = (): number => numbers.next().value;
    const ejectedAfter = new Map<string, number>();
    let served = trial.served.split(' ');
    for (let i = 0; i < requests; i++) {
      const name = served[Math.floor(next() * served.length)] as string;
      const change = trial.memory.responded(name, 80, sick.includes(name) || next() < poison, trial.nowMs);
      trial.nowMs += 5;
      if (change?.kind !== 'ejected') continue;
      if (!ejectedAfter.has(name)) ejectedAfter.set(name, i);
      served = trial.served.split(' ');
    }
    return ejectedAfter;
  }

  test.each([0.05, 0.1, 0.3, 0.5, 0.8, 1])('requests that fail everywhere, %f of all, eject nobody', (poison) => {
    expect([...traffic(new Trial('g1 g2'), { poison, requests: 50_000 }).keys()]).toEqual([]);
    expect([...traffic(new Trial('g1 g2 g3 g4 g5 g6 g7 g8'), { poison, requests: 50_000 }).keys()]).toEqual([]);
  });

  test.each([2, 4])('a failure of all %i instances at once ejects nobody, even after earlier errors', (count) => {
    const numbers = random();
    const next = (): number => numbers.next().value;
    const names = Array.from({ length: count }, (_, i) => `g${i + 1}`);
    for (let outage = 0; outage < 200; outage++) {
      const trial = new Trial(names.join(' '));
      // The last calls before it are all answered well: what had begun to fail just then is another matter.
      const before = [...Array.from({ length: 300 }, () => next() < 0.05), ...Array.from({ length: 10 * count }, () => false)];
      for (const isBad of [...before, ...Array.from({ length: 400 }, () => true)])
        expect(trial.answers(names[Math.floor(next() * count)] as string, isBad).served).toBe(names.join(' '));
    }
  });

  test.each([2, 4, 10])('a client that mixes good and bad requests to %i instances, and then sends bad ones in a burst, ejects nobody', (count) => {
    const numbers = random();
    const names = Array.from({ length: count }, (_, i) => `g${i + 1}`);
    for (let attack = 0; attack < 20; attack++) {
      const trial = new Trial(names.join(' '));
      const mixed = Array.from({ length: 200 * (count + 1) }, (_, i) => i % (count + 1) === 0);
      const burst = Array.from({ length: 20 * count }, () => true);
      for (const isBad of [...mixed, ...burst, false, ...burst]) {
        trial.answers(names[Math.floor(numbers.next().value * count)] as string, isBad);
        trial.nowMs += 2;
      }
      expect(trial.served).toBe(names.toSorted().join(' '));
    }
  });

  test('a client that repeats one bad request to an otherwise idle lane ejects nobody', () => {
    const numbers = random();
    const trial = new Trial('g1 g2');
    for (let i = 0; i < 1_000; i++) expect(trial.answers(numbers.next().value < 0.5 ? 'g1' : 'g2', true).served).toBe('g1 g2');
  });

  test.each([
    [0, ['g1'], 40],
    [0.1, ['g1'], 60],
    [0.5, ['g1'], 200],
    [0, ['g1', 'g2'], 200],
    [0.1, ['g1', 'g2'], 400],
  ])('if %f of all requests fail everywhere, instances that always fail (%o) are ejected within %i requests', (poison, sick, requests) => {
    const ejected = traffic(new Trial('g1 g2 g3 g4'), { poison, sick, requests });
    expect([...ejected.keys()].toSorted()).toEqual(sick);
  });

  test('without knowledge of the others nobody is ejected; the less is known, the longer it takes', () => {
    const failuresUntilEjected = (good: number): number => {
      const trial = new Trial('g1 g2').answers('g1', true);
      for (let i = 0; i < good; i++) trial.succeeds('g2');
      let failures = 1;
      for (; failures < 1_000 && trial.served === 'g1 g2'; failures++) trial.answers('g1', true);
      return failures;
    };
    expect([0, 1, 5, 19].map(failuresUntilEjected)).toEqual([1_000, 22, 9, 5]);
  });

  test('an instance on probation stays there while others fail too', () => {
    const trial = new Trial('g1 g2').fails('g1').after(30);
    for (let i = 0; i < 200; i++) trial.answers('g2', true);
    expect(trial.answers('g1', true).served).toBe('g1? g2');
    expect(trial.succeeds('g1').served).toBe('g1 g2');
  });

  test("base's answers say nothing about a lane", () => {
    const trial = new Trial('b1 b2 g1 g2');
    for (let i = 0; i < 50; i++) trial.answers('g1', true).answers('g2', true).answers('b1', false).answers('b2', false);
    expect(trial.served).toBe('b1 b2 g1 g2');
  });

  test('the number of consecutive failures that eject', () => {
    const needed = (bad: number, of: number): number => failuresNeeded(5, { bad, good: of - bad });
    expect([needed(0, 1_000), needed(1, 100), needed(10, 100), needed(50, 100), needed(90, 100)]).toEqual([5, 5, 7, 22, 144]);
    expect([needed(0, 0), needed(1e6, 1e6)]).toEqual([Infinity, Infinity]);
    expect(failuresNeeded(1, { bad: 0, good: 100 })).toBe(1);
  });
});

test('keeps no answers of a service whose instances answer well', () => {
  const { memory } = new Trial('g1 g2 b1');
  // Nobody could take its calls.
  memory.responded('b1', 80, true, 0);
  expect(memory.hasSuspects).toBe(false);
  memory.responded('g1', 80, true, 0);
  expect(memory.hasSuspects).toBe(true);
  memory.responded('g1', 80, false, 0);
  expect(memory.hasSuspects).toBe(false);
  memory.responded('g1', 80, true, 0);
  memory.tell([one('g2'), one('g3')], 'registry', 0);
  memory.tell([one('g2'), one('g3')], 'registry', 100_000);
  expect(memory.hasSuspects).toBe(false);
});

test('an instance is skipped after the configured number of consecutive failed connects', () => {
  const trial = new Trial('g1 g2', { connect: 2 });
  trial.memory.refused('g1', 80, 0);
  trial.memory.answered('g1', 80);
  trial.memory.refused('g1', 80, 0);
  expect(trial.served).toBe('g1 g2');
  trial.memory.refused('g1', 80, 0);
  expect(trial.served).toBe('g2');
});

test('server errors are 5xx except 501', () => {
  expect([200, 404, 499, 500, 501, 503, 599, 600].filter(isServerError)).toEqual([500, 503, 599]);
});

test('gRPC statuses are server errors as in Envoy: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS', () => {
  expect(Array.from({ length: 20 }, (_, code) => code).filter((code) => isServerError(httpStatusOfGrpc(code)))).toEqual([2, 4, 13, 14, 15]);
});

const NAMES = ['b1', 'b2', 'b3', 'g1', 'g2', 'g3', 'g4', 'g5'];
const step = fc.record({
  name: fc.constantFrom(...NAMES),
  what: fc.constantFrom('fails alone', 'fails', 'fails', 'fails', 'succeeds'),
  seconds: fc.constantFrom(0, 0, 0, 0, 1, 31, 400),
});

test('for any answers, no lane loses its last instance, caps hold, and all come back once they answer', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.constantFrom(0.01, 0.3, 0.5, 1), (steps, cap) => {
      const trial = new Trial(NAMES.join(' '), { cap, serverErrors: 2 });
      for (const { name, what, seconds } of steps) {
        trial.after(seconds);
        if (what === 'fails alone') trial.fails(name, 2);
        else trial.answers(name, what === 'fails');
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
