import { describe, expect, test } from 'vitest';
import { DEFAULT_FORMATS } from '../wire/formats.js';
import type { Instance } from './instance.js';
import { pick, type Decision } from './lane-index.js';
import { ServiceTables, type ServiceKey } from './service-tables.js';
import { ManualClock } from './testing/manual-clock.js';
import { warmupMetadata, warmupOf } from './warmup.js';

const PAY: ServiceKey = { name: 'pay', group: 'DEFAULT_GROUP' };
const MINUTES_2 = 120_000;

const instance = (port: number, metadata: Record<string, string> = {}, changes: Partial<Instance> = {}): Instance => ({
  ip: '10.0.0.1',
  port,
  weight: 1,
  healthy: true,
  enabled: true,
  metadata,
  ...changes,
});

/** The share of requests that an instance gets, by asking for each of many evenly spread random numbers. */
function shareOf(port: number, decision: Decision | undefined): number {
  const count = 100_000;
  let hits = 0;
  for (let i = 0; i < count; i++) if (pick(decision as Decision, () => i / count)?.port === port) hits++;
  return hits / count;
}

describe('an instance that has just started', () => {
  test.each([
    ['base', undefined, {}],
    ['its lane', 'gray', { lane: 'gray' }],
  ])('takes more and more of the requests of %s, by the square of its age', (_, tag, metadata) => {
    const clock = new ManualClock();
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, clock });
    tables.update(PAY, [instance(1, metadata), instance(2, { ...metadata, ...warmupMetadata(clock.epochMs(), MINUTES_2) })]);
    const share = (): number => shareOf(2, tables.route(PAY, tag));
    expect(share()).toBeCloseTo(0.01 / 1.01, 3);
    clock.pass(MINUTES_2 / 2);
    expect(share()).toBeCloseTo(0.25 / 1.25, 2);
    clock.pass(MINUTES_2 / 2);
    expect(share()).toBeCloseTo(0.5, 3);
  });

  test('takes no request of another lane, and all requests of its lane if it is alone', () => {
    const clock = new ManualClock();
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, clock });
    tables.update(PAY, [instance(1), instance(2), instance(3, { lane: 'gray', ...warmupMetadata(clock.epochMs(), MINUTES_2) })]);
    expect(shareOf(3, tables.route(PAY, 'gray'))).toBe(1);
    expect(shareOf(3, tables.route(PAY, undefined))).toBe(0);
    expect(shareOf(1, tables.route(PAY, undefined))).toBeCloseTo(0.5, 3);
  });

  test('shares evenly with others that started at the same time', () => {
    const clock = new ManualClock();
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, clock });
    const started = warmupMetadata(clock.epochMs(), MINUTES_2);
    tables.update(PAY, [instance(1, started), instance(2, started)]);
    expect(shareOf(2, tables.route(PAY, undefined))).toBeCloseTo(0.5, 3);
  });

  test('keeps the proportion of the weights', () => {
    const clock = new ManualClock();
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, clock });
    tables.update(PAY, [instance(1), instance(2, warmupMetadata(clock.epochMs() - MINUTES_2 / 2, MINUTES_2), { weight: 4 })]);
    expect(shareOf(2, tables.route(PAY, undefined))).toBeCloseTo(0.5, 2);
  });

  test.each([
    ['ahead by a day', 86_400_000],
    ['right', 0],
  ])('has its full weight after the warm-up time, if its clock is %s', (_, aheadMs) => {
    const clock = new ManualClock();
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, clock });
    const list = [instance(1), instance(2, warmupMetadata(clock.epochMs() + aheadMs, MINUTES_2))];
    tables.update(PAY, list);
    clock.pass(MINUTES_2 / 2);
    // Told again, with another word about somebody else, it does not begin anew.
    tables.update(PAY, [...list, instance(3, {}, { healthy: false })]);
    clock.pass(MINUTES_2 / 2);
    expect(shareOf(2, tables.route(PAY, undefined))).toBeCloseTo(0.5, 3);
  });

  test('warms up again when it has started again', () => {
    const clock = new ManualClock();
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, clock });
    const started = (): Instance => instance(2, warmupMetadata(clock.epochMs(), MINUTES_2));
    tables.update(PAY, [instance(1), started()]);
    clock.pass(MINUTES_2);
    tables.update(PAY, [instance(1), started()]);
    expect(shareOf(2, tables.route(PAY, undefined))).toBeCloseTo(0.01 / 1.01, 3);
  });

  test('whose service is gone leaves no pending work', () => {
    const clock = new ManualClock();
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, clock });
    tables.update(PAY, [instance(1), instance(2, warmupMetadata(clock.epochMs(), MINUTES_2))]);
    tables.update(PAY, []);
    expect(clock.isIdle).toBe(true);
  });
});

describe('metadata', () => {
  test('is that of Sermant: seconds, and the time of the start', () => {
    expect(warmupMetadata(1_700_000_000_000, MINUTES_2)).toEqual({
      'sermant.grace.warmup.time': '120',
      'sermant.grace.warmup.inject.time': '1700000000000',
    });
  });

  test.each([
    ['nothing', {}],
    ['no start', { 'sermant.grace.warmup.time': '120' }],
    ['no time', { 'sermant.grace.warmup.inject.time': '1700000000000' }],
    ['an instance that does not warm up', { 'sermant.grace.warmup.time': '0', 'sermant.grace.warmup.inject.time': '1700000000000' }],
    ['words', { 'sermant.grace.warmup.time': 'long', 'sermant.grace.warmup.inject.time': 'soon' }],
    ['for ever', { 'sermant.grace.warmup.time': 'Infinity', 'sermant.grace.warmup.inject.time': '1' }],
  ])('with %s counts as none', (_, metadata) => {
    expect(warmupOf({ metadata: metadata as Record<string, string> })).toBeUndefined();
  });

  test.each([
    ['1', 1],
    ['-3', 2],
    ['NaN', 2],
    ['1000', 2],
  ])('a curve of %s counts as %d', (text, curve) => {
    const metadata = { ...warmupMetadata(1, MINUTES_2), 'sermant.grace.warmup.cal.curve': text };
    expect(warmupOf({ metadata })).toMatchObject({ curve });
  });
});
