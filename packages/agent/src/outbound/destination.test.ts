import { LaneUnavailableError, ServiceTables, type Instance, type ServiceKey } from '@lane/core/model';
import { beforeEach, describe, expect, test } from 'vitest';
import { createDestinations, type Destinations, type Outcome } from './destination.js';

const SHOP_B: ServiceKey = { name: 'shop-b', group: 'DEFAULT_GROUP' };
const at = (port: number, lane?: string, more: Partial<Instance> = {}): Instance =>
  ({ ip: '10.0.0.1', port, weight: 1, healthy: true, enabled: true, metadata: lane === undefined ? {} : { lane }, ...more }) as Instance;

let tables: ServiceTables;
let names: Map<string, ServiceKey>;
let outcomes: Outcome[];
let asked: ServiceKey[];
let destinations: Destinations;

beforeEach(() => {
  tables = new ServiceTables();
  names = new Map();
  outcomes = [];
  asked = [];
  destinations = createDestinations(
    tables,
    {
      find: (host) => names.get(host),
      isInternal: (host) => names.has(host),
      groupOfOwn: () => undefined,
      hasNames: () => names.size > 0,
      learn: (key) => {
        asked.push(key);
        return Promise.resolve();
      },
    },
    (outcome) => outcomes.push(outcome),
  );
});

test('nothing is looked at while nothing is known', () => {
  expect(destinations.isEmpty).toBe(true);
  names.set('shop-b', SHOP_B);
  expect(destinations.isEmpty).toBe(false);
});

describe('an address', () => {
  beforeEach(() => tables.update(SHOP_B, [at(1), at(2, 'gray')]));

  test('of an instance in the right lane is left as it is', () => {
    expect(destinations.choose('10.0.0.1', 1, undefined)).toBeUndefined();
    expect(destinations.choose('10.0.0.1', 2, 'gray')).toBeUndefined();
    expect(destinations.choose('10.0.0.1', 1, 'blue')).toBeUndefined();
    expect(outcomes).toEqual([]);
  });

  test('of an instance in the wrong lane is corrected, either way', () => {
    expect(destinations.choose('10.0.0.1', 1, 'gray')).toMatchObject({ instance: { port: 2 }, byName: false });
    expect(destinations.choose('10.0.0.1', 2, undefined)).toMatchObject({ instance: { port: 1 }, byName: false });
    expect(destinations.choose('10.0.0.1', 2, 'blue')).toMatchObject({ instance: { port: 1 } });
    expect(outcomes).toEqual(['corrected', 'corrected', 'corrected']);
  });

  test('that nobody knows is left as it is', () => {
    expect(destinations.choose('10.0.0.1', 3, 'gray')).toBeUndefined();
    expect(destinations.choose('10.0.0.2', 1, 'gray')).toBeUndefined();
  });

  test('where nothing may serve is an error that names service and tag', () => {
    tables.update(SHOP_B, [at(2, 'gray')]);
    const destination = destinations.choose('10.0.0.1', 2, undefined);
    expect(destination).toBeInstanceOf(LaneUnavailableError);
    expect(destination).toMatchObject({ code: 'ELANE_UNAVAILABLE', service: 'shop-b', tag: undefined });
    expect(outcomes).toEqual(['none']);
  });
});

describe('a service name', () => {
  beforeEach(() => names.set('shop-b', SHOP_B));

  test('is resolved within the lane', () => {
    tables.update(SHOP_B, [at(1), at(2, 'gray')]);
    expect(destinations.choose('shop-b', 80, 'gray')).toMatchObject({ instance: { port: 2 }, byName: true });
    expect(destinations.choose('shop-b', 80, 'blue')).toMatchObject({ instance: { port: 1 }, byName: true });
    expect(destinations.choose('shop-b', 80, undefined)).toMatchObject({ instance: { port: 1 } });
    expect(outcomes).toEqual(['in-lane', 'fell-back-to-base', 'base']);
  });

  test('never goes to an instance that is unhealthy, disabled or of weight 0', () => {
    tables.update(SHOP_B, [at(1), at(2, 'gray', { healthy: false }), at(3, 'gray', { enabled: false }), at(4, 'gray', { weight: 0 })]);
    for (let i = 0; i < 20; i++) expect(destinations.choose('shop-b', 80, 'gray')).toMatchObject({ instance: { port: 1 } });
  });

  test('that has no instance is an error', () => {
    tables.update(SHOP_B, []);
    expect(destinations.choose('shop-b', 80, 'gray')).toMatchObject({ code: 'ELANE_UNAVAILABLE', service: 'shop-b', tag: 'gray' });
  });

  test('that nobody has asked for yet is asked for, and goes its way untouched where that was in vain', async () => {
    const waiting = destinations.choose('shop-b', 80, 'gray');
    expect(waiting).toBeInstanceOf(Promise);
    expect(asked).toEqual([SHOP_B]);
    await waiting;
    expect(destinations.choose('shop-b', 80, 'gray', true)).toBeUndefined();
    tables.update(SHOP_B, [at(2, 'gray')]);
    expect(destinations.choose('shop-b', 80, 'gray', true)).toMatchObject({ instance: { port: 2 } });
  });

  test('goes its way untouched where there is nobody to ask', () => {
    const alone = createDestinations(
      tables,
      { find: () => SHOP_B, hasNames: () => true, isInternal: () => true, groupOfOwn: () => undefined, learn: () => undefined },
      () => {},
    );
    expect(alone.choose('shop-b', 80, 'gray')).toBeUndefined();
  });
});
