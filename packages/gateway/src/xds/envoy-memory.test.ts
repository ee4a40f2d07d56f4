/** What strangers can make the controller remember. */
import { expect, test } from 'vitest';
import { EnvoyMemory } from './envoy-memory.js';
import type { EnvoyState } from './envoy-state.js';

const MAX_BYTES = 1_000_000;
const endpoints = (name: string) => ({ kind: 'endpoints', name, version: '1', problem: undefined }) as const;

/** What is there of Envoys after somebody at each address has said to have clusters of these names. */
class Told {
  readonly forgotten = new Set<EnvoyState>();
  readonly memory = new EnvoyMemory(MAX_BYTES, (state) => this.forgotten.add(state));
  readonly states = new Set<EnvoyState>();

  hear(node: string, address: string, names: readonly string[] = []): EnvoyState {
    const state = this.memory.stateOf(node, address, 0);
    this.states.add(state);
    for (const name of names) state.hear(endpoints(name));
    this.memory.weigh(state);
    return state;
  }

  get bytes(): number {
    let sum = 0;
    for (const state of this.states) if (!this.forgotten.has(state)) sum += state.bytes;
    return sum;
  }
}

const names = (of: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${of}-${i}`.padEnd(500, 'x'));

test('made-up Envoys with made-up clusters cannot exceed the limit, and no Envoy at another address is forgotten for them', () => {
  const told = new Told();
  const real = ['one', 'two'].map((node) => told.hear(node, '10.0.0.1', names('real', 20)));
  for (let i = 0; i < 1_000; i++) {
    told.hear(`made-up-${i}`, '10.0.0.66', names(`${i}`, 10));
    expect(told.bytes).toBeLessThanOrEqual(MAX_BYTES);
  }
  expect(real.filter((state) => told.forgotten.has(state))).toEqual([]);
  expect(real.map((state, i) => told.memory.stateOf(['one', 'two'][i] as string, '10.0.0.1', 0) === state)).toEqual([true, true]);
});

test('an Envoy with more clusters than the limit is forgotten', () => {
  const told = new Told();
  told.hear('greedy', '10.0.0.66', names('a', 1_000));
  expect(told.bytes).toBe(0);
});

test('Envoys without clusters are also bounded: those at one address are forgotten in the order in which they were last seen', () => {
  const told = new Told();
  const first = told.hear('0', 'a');
  const second = told.hear('1', 'a');
  for (let i = 2; !told.forgotten.has(second); i++) {
    told.hear(`${i}`, 'a');
    told.hear('0', 'a');
    expect(i).toBeLessThan(2_000);
  }
  expect(told.forgotten.has(first)).toBe(false);
});
