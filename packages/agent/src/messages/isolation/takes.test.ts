import { expect, test } from 'vitest';
import type { Messaging } from '../messaging.js';
import { createTakes, type Presence } from './takes.js';

const told: unknown[] = [];
const runtimeOf = (tag?: string): Messaging => ({ options: { tag }, log: { once: (...line: unknown[]) => told.push(line) } }) as unknown as Messaging;

let clock = 0;
const takes = (presence: Partial<Presence>, tag?: string) =>
  createTakes(runtimeOf(tag), 'a broker', { ask: () => Promise.resolve(false), holds: 100, ...presence }, () => clock);

test('a consumer of a lane takes its own messages, and asks nobody', () => {
  const gray = takes({ ask: () => Promise.reject(new Error('asked')) }, 'gray');
  expect([gray('gray'), gray('blue'), gray(undefined)]).toEqual([true, false, false]);
});

test('base takes untagged messages, and those of lanes without a consumer', async () => {
  const base = takes({ ask: (tag) => Promise.resolve(tag === 'gray') });
  expect([await base(undefined), await base('gray'), await base('blue')]).toEqual([true, false, true]);
});

test('an answer is cached for a while, and concurrent waiters share one request', async () => {
  let asked = 0;
  let alive = true;
  const base = takes({ ask: () => (asked++, Promise.resolve(alive)) });
  expect(await Promise.all([base('gray'), base('gray'), base('gray')])).toEqual([false, false, false]);
  alive = false;
  clock += 99;
  expect([await base('gray'), asked]).toEqual([false, 1]);
  clock += 1;
  expect([await base('gray'), asked]).toEqual([true, 2]);
});

test('base leaves messages to a new lane only after a while', async () => {
  let alive = true;
  const base = takes({ ask: () => Promise.resolve(alive), settles: 150 });
  expect(await base('gray')).toBe(true);
  clock += 149;
  expect(await base('gray')).toBe(true);
  clock += 1;
  expect(await base('gray')).toBe(false);
  alive = false;
  clock += 100;
  expect(await base('gray')).toBe(true);
  alive = true;
  clock += 100;
  expect(await base('gray')).toBe(true);
});

test('a consumer that cannot ask takes the message, and logs that', async () => {
  told.length = 0;
  const base = takes({ ask: () => Promise.reject(new Error('no connection')) });
  expect(await base('gray')).toBe(true);
  expect(told).toEqual([['presence a broker', 'warn', expect.stringContaining('base takes their messages'), { error: 'no connection' }]]);
});

test('made-up tags do not exhaust memory', async () => {
  let asked = 0;
  const base = takes({ ask: () => (asked++, Promise.resolve(false)) });
  for (let i = 0; i < 300; i++) await base(`made-up-${i}`);
  await base('made-up-0');
  expect(asked).toBe(301);
});
