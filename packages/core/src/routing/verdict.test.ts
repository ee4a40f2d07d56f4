import { beforeEach, describe, expect, test } from 'vitest';
import { ServiceTables, type ServiceKey } from './service-tables.js';
import type { Instance } from './instance.js';
import { DEFAULT_FORMATS } from '../wire/formats.js';
import { createRouter, type Router } from './verdict.js';
import { trafficRouteOf } from '../agent/reports.js';

const SHOP_B: ServiceKey = { name: 'shop-b', group: 'DEFAULT_GROUP' };
const at = (port: number, lane?: string, more: Partial<Instance> = {}): Instance =>
  ({ ip: '10.0.0.1', port, weight: 1, healthy: true, enabled: true, metadata: lane === undefined ? {} : { lane }, ...more }) as Instance;

let tables: ServiceTables;
let names: Map<string, ServiceKey>;
let asked: ServiceKey[];
let router: Router;

const namesOf = (): Parameters<typeof createRouter>[1] => ({
  find: (host) => names.get(host),
  isInternal: (host) => names.has(host),
  get isEmpty() {
    return names.size === 0;
  },
});

beforeEach(() => {
  tables = new ServiceTables({ formats: DEFAULT_FORMATS });
  names = new Map();
  asked = [];
  router = createRouter(tables, namesOf(), (key) => {
    asked.push(key);
    return Promise.resolve();
  });
});

const routeOf = (...call: Parameters<Router['judge']>): string => {
  const verdict = router.judge(...call);
  return verdict.kind === 'wait' ? 'wait' : trafficRouteOf(verdict);
};

test('nothing is looked at while nothing is known', () => {
  expect(router.isEmpty).toBe(true);
  names.set('shop-b', SHOP_B);
  expect(router.isEmpty).toBe(false);
});

describe('an address', () => {
  beforeEach(() => void tables.update(SHOP_B, [at(1), at(2, 'gray')]));

  test('of an instance in the right lane is left as it is, and said to be that instance', () => {
    expect(router.judge('10.0.0.1', 1, undefined)).toMatchObject({ kind: 'as-is', service: SHOP_B, reason: 'base', instance: { port: 1 } });
    expect(router.judge('10.0.0.1', 2, 'gray')).toMatchObject({ kind: 'as-is', reason: 'in-lane', instance: { port: 2 } });
    expect(router.judge('10.0.0.1', 1, 'blue')).toMatchObject({ kind: 'as-is', reason: 'fell-back-to-base' });
    expect([routeOf('10.0.0.1', 1, undefined), routeOf('10.0.0.1', 2, 'gray'), routeOf('10.0.0.1', 1, 'blue')]).toEqual(['base', 'lane', 'fallback']);
  });

  test('of an instance in the wrong lane is corrected, either way', () => {
    expect(router.judge('10.0.0.1', 1, 'gray')).toMatchObject({ kind: 'redirect', instance: { port: 2 }, byName: false });
    expect(router.judge('10.0.0.1', 2, undefined)).toMatchObject({ kind: 'redirect', instance: { port: 1 }, byName: false });
    expect(router.judge('10.0.0.1', 2, 'blue')).toMatchObject({ kind: 'redirect', instance: { port: 1 } });
    expect(routeOf('10.0.0.1', 1, 'gray')).toBe('corrected');
  });

  test('that nobody knows is unknown', () => {
    expect(router.judge('10.0.0.1', 3, 'gray')).toMatchObject({ kind: 'unknown' });
    expect(router.judge('10.0.0.2', 1, 'gray')).toMatchObject({ kind: 'unknown' });
    expect(routeOf('10.0.0.2', 1, 'gray')).toBe('outside');
  });

  test('where nothing may serve is unavailable, and says service and tag', () => {
    tables.update(SHOP_B, [at(2, 'gray')]);
    expect(router.judge('10.0.0.1', 2, undefined)).toMatchObject({ kind: 'unavailable', service: SHOP_B, tag: undefined });
    expect(routeOf('10.0.0.1', 2, undefined)).toBe('none');
  });

  test('of a base instance that is unhealthy, with nothing to go to instead, is the caller’s own business', () => {
    tables.update(SHOP_B, [at(1, undefined, { healthy: false })]);
    expect(router.judge('10.0.0.1', 1, undefined)).toMatchObject({ kind: 'as-is', reason: 'none' });
    expect(routeOf('10.0.0.1', 1, undefined)).toBe('base');
  });
});

describe('a service name', () => {
  beforeEach(() => void names.set('shop-b', SHOP_B));

  test('is resolved within the lane', () => {
    tables.update(SHOP_B, [at(1), at(2, 'gray')]);
    expect(router.judge('shop-b', 80, 'gray')).toMatchObject({ kind: 'redirect', reason: 'in-lane', instance: { port: 2 }, byName: true });
    expect(router.judge('shop-b', 80, 'blue')).toMatchObject({ kind: 'redirect', reason: 'fell-back-to-base', instance: { port: 1 } });
    expect(router.judge('shop-b', 80, undefined)).toMatchObject({ kind: 'redirect', reason: 'base', instance: { port: 1 } });
    expect([routeOf('shop-b', 80, 'gray'), routeOf('shop-b', 80, 'blue'), routeOf('shop-b', 80, undefined)]).toEqual(['lane', 'fallback', 'base']);
  });

  test('never goes to an instance that is unhealthy, disabled or of weight 0', () => {
    tables.update(SHOP_B, [at(1), at(2, 'gray', { healthy: false }), at(3, 'gray', { enabled: false }), at(4, 'gray', { weight: 0 })]);
    for (let i = 0; i < 20; i++) expect(router.judge('shop-b', 80, 'gray')).toMatchObject({ instance: { port: 1 } });
  });

  test('that has no instance is unavailable', () => {
    tables.update(SHOP_B, []);
    expect(router.judge('shop-b', 80, 'gray')).toMatchObject({ kind: 'unavailable', service: SHOP_B, tag: 'gray' });
  });

  test('that nobody has asked for yet is asked for, and goes its way untouched where that was in vain', async () => {
    const verdict = router.judge('shop-b', 80, 'gray');
    expect(verdict.kind).toBe('wait');
    expect(asked).toEqual([SHOP_B]);
    if (verdict.kind === 'wait') await verdict.until;
    expect(router.judge('shop-b', 80, 'gray', true).kind).toBe('unknown');
    tables.update(SHOP_B, [at(2, 'gray')]);
    expect(router.judge('shop-b', 80, 'gray', true)).toMatchObject({ instance: { port: 2 } });
  });

  test('goes its way untouched where there is nobody to ask', () => {
    const alone = createRouter(tables, namesOf(), () => undefined);
    expect(alone.judge('shop-b', 80, 'gray').kind).toBe('unknown');
  });
});
