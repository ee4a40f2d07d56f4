import { beforeEach, describe, expect, test } from 'vitest';
import { ServiceTables, type ServiceKey } from './service-tables.js';
import type { Instance } from './instance.js';
import { DEFAULT_FORMATS } from '../wire/formats.js';
import { createRouter, type Corrects, type Router } from './verdict.js';
import { trafficRouteOf } from '../agent/reports.js';
import { ManualClock } from './testing/manual-clock.js';

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

test('nothing is examined while nothing is known', () => {
  expect(router.isEmpty).toBe(true);
  names.set('shop-b', SHOP_B);
  expect(router.isEmpty).toBe(false);
});

describe('an address', () => {
  beforeEach(() => void tables.update(SHOP_B, [at(1), at(2, 'gray')]));

  test('of an instance in the right lane is unchanged, and identified as that instance', () => {
    expect(router.judge('10.0.0.1', 1, undefined)).toMatchObject({ kind: 'as-is', service: SHOP_B, reason: 'base', instance: { port: 1 } });
    expect(router.judge('10.0.0.1', 2, 'gray')).toMatchObject({ kind: 'as-is', reason: 'in-lane', instance: { port: 2 } });
    expect(router.judge('10.0.0.1', 1, 'blue')).toMatchObject({ kind: 'as-is', reason: 'fell-back-to-base' });
    expect([routeOf('10.0.0.1', 1, undefined), routeOf('10.0.0.1', 2, 'gray'), routeOf('10.0.0.1', 1, 'blue')]).toEqual(['base', 'lane', 'fallback']);
  });

  test('of an instance in the wrong lane is corrected, in both directions', () => {
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

  test('is unavailable if nothing may serve, with service and tag', () => {
    tables.update(SHOP_B, [at(2, 'gray')]);
    expect(router.judge('10.0.0.1', 2, undefined)).toMatchObject({ kind: 'unavailable', service: SHOP_B, tag: undefined });
    expect(routeOf('10.0.0.1', 2, undefined)).toBe('none');
  });

  test('of an unhealthy base instance without an alternative is left to the caller', () => {
    tables.update(SHOP_B, [at(1, undefined, { healthy: false })]);
    expect(router.judge('10.0.0.1', 1, undefined)).toMatchObject({ kind: 'as-is', reason: 'none' });
    expect(routeOf('10.0.0.1', 1, undefined)).toBe('base');
  });
});

describe('an address that an app keeps', () => {
  let clock: ManualClock;
  const keeping = (corrects: Corrects = 'all', fallback: 'base' | 'none' = 'base', holdMs?: () => number): void => {
    clock = new ManualClock();
    tables = new ServiceTables({ formats: DEFAULT_FORMATS, fallback, remembersGone: true, clock, ...(holdMs === undefined ? {} : { holdMs }) });
    router = createRouter(tables, namesOf(), () => undefined, corrects);
    tables.update(SHOP_B, [at(1), at(2), at(3, 'gray'), at(4, 'gray')]);
  };
  const goesTo = (port: number, tag?: string): string => {
    const verdict = router.judge('10.0.0.1', port, tag);
    return verdict.kind === 'redirect' ? String(verdict.instance.port) : verdict.kind;
  };
  beforeEach(() => keeping());

  test('of an instance that the registry lists as unhealthy is corrected, while its lane has others', () => {
    tables.update(SHOP_B, [at(1, undefined, { healthy: false }), at(2), at(3, 'gray', { healthy: false }), at(4, 'gray')]);
    expect([goesTo(1), goesTo(3, 'gray')]).toEqual(['2', '4']);
    tables.update(SHOP_B, [at(1, undefined, { healthy: false }), at(3, 'gray', { healthy: false })]);
    expect(goesTo(1)).toBe('as-is');
  });

  test('of an instance that intentionally gets no calls is unchanged', () => {
    tables.update(SHOP_B, [at(1, undefined, { enabled: false }), at(2), at(3, 'gray', { weight: 0 }), at(4, 'gray')]);
    expect([goesTo(1), goesTo(3, 'gray')]).toEqual(['as-is', 'as-is']);
  });

  test('of a gone instance leads to the rest of the lane, then to base, and never to another lane', () => {
    tables.update(SHOP_B, [at(2), at(4, 'gray')]);
    expect([goesTo(1), goesTo(3, 'gray'), goesTo(1, 'gray'), goesTo(3)]).toEqual(['2', '4', '4', '2']);
    tables.update(SHOP_B, [at(2)]);
    expect([goesTo(3, 'gray'), goesTo(4, 'gray')]).toEqual(['2', '2']);
    tables.update(SHOP_B, [at(4, 'gray')]);
    expect([goesTo(1), goesTo(3)]).toEqual(['unknown', 'unavailable']);
  });

  test('of a gone instance that was the last one is tried itself: it may be alive', () => {
    tables.update(SHOP_B, []);
    expect([goesTo(1), goesTo(3, 'gray'), goesTo(3)]).toEqual(['unknown', 'unknown', 'unavailable']);
  });

  test('of a long-gone instance may belong to a stranger, which takes precedence while it accepts connections', () => {
    tables.update(SHOP_B, [at(2), at(4, 'gray')]);
    clock.pass(60_000);
    expect([goesTo(1), goesTo(3, 'gray'), goesTo(3)]).toEqual(['1', '3', '3']);
    expect(router.judge('10.0.0.1', 3, 'gray')).toMatchObject({ kind: 'redirect', tag: 'gray', reason: 'in-lane' });
    tables.refused(SHOP_B, '10.0.0.1', 1);
    expect(goesTo(1)).toBe('2');
    clock.pass(5_000);
    expect(goesTo(1)).toBe('1');
    tables.answered(SHOP_B, '10.0.0.1', 1);
    expect([goesTo(1), goesTo(3, 'gray')]).toEqual(['unknown', '3']);
  });

  describe('of a long-gone instance, which may be back unreported:', () => {
    beforeEach(() => {
      keeping('all', 'base', () => 40_000);
      tables.update(SHOP_B, [at(2), at(4, 'gray')]);
      clock.pass(60_000);
      expect([goesTo(1), goesTo(1, 'gray'), goesTo(3, 'gray'), goesTo(3)]).toEqual(['1', '1', '3', '3']);
    });
    const expectNoneElsewhere = (): void => {
      // Its own lane asks there, which is right whether it is back or not, and does not make it somebody else's.
      expect([goesTo(1), goesTo(1, 'gray'), goesTo(3, 'gray'), goesTo(3)]).toEqual(['1', '4', '3', '2']);
      tables.answered(SHOP_B, '10.0.0.1', 3);
      expect([goesTo(3, 'gray'), goesTo(3)]).toEqual(['3', '2']);
    };

    test('the registry is down, or was a moment ago: calls of other lanes do not go there', () => {
      tables.trouble(false);
      clock.pass(1_000_000);
      expectNoneElsewhere();
      tables.trouble(true);
      clock.pass(39_000);
      expectNoneElsewhere();
      clock.pass(1_000);
      expect([goesTo(1, 'gray'), goesTo(3)]).toEqual(['1', '3']);
      tables.answered(SHOP_B, '10.0.0.1', 3);
      expect(goesTo(3)).toBe('unknown');
    });

    test("the registry's list of the service is doubted: likewise", () => {
      tables.update(SHOP_B, []);
      expectNoneElsewhere();
      tables.update(SHOP_B, [at(2), at(4, 'gray')]);
      expect([goesTo(1, 'gray'), goesTo(3)]).toEqual(['1', '3']);
    });

    test('nor if base has no instance left', () => {
      tables.update(SHOP_B, [at(2, undefined, { enabled: false }), at(4, 'gray')]);
      tables.update(SHOP_B, [at(4, 'gray')]);
      clock.pass(60_000);
      expect(goesTo(3)).toBe('unknown');
      tables.trouble(false);
      expect([goesTo(3), goesTo(1)]).toEqual(['unavailable', 'unknown']);
    });

    test('is corrected by lane where only lanes are corrected', () => {
      keeping('lanes', 'base', () => 40_000);
      tables.update(SHOP_B, [at(2), at(4, 'gray')]);
      clock.pass(60_000);
      tables.trouble(false);
      expect([goesTo(1), goesTo(1, 'gray'), goesTo(3)]).toEqual(['unknown', '4', '2']);
    });
  });

  test('that accepts connections while its instance drains still belongs to the instance', () => {
    tables.update(SHOP_B, [at(2), at(4, 'gray')]);
    tables.answered(SHOP_B, '10.0.0.1', 1);
    expect(goesTo(1)).toBe('2');
  });

  test('belongs to its instance again once that is back, and to another service as soon as that lists it', () => {
    tables.update(SHOP_B, [at(2), at(4, 'gray')]);
    tables.update({ name: 'shop-c', group: 'DEFAULT_GROUP' }, [at(3), at(9)]);
    expect(router.judge('10.0.0.1', 3, undefined)).toMatchObject({ kind: 'as-is', service: { name: 'shop-c' } });
    tables.update(SHOP_B, [at(1), at(2), at(4, 'gray')]);
    expect(goesTo(1)).toBe('as-is');
  });

  test('that several services shared belongs to nobody once all have left it, in any order', () => {
    const SHOP_C = { name: 'shop-c', group: 'DEFAULT_GROUP' };
    tables.update(SHOP_C, [at(1), at(9)]);
    expect(goesTo(1)).toBe('unknown');
    tables.update(SHOP_B, [at(2), at(4, 'gray')]);
    tables.update(SHOP_C, [at(1), at(8), at(9)]);
    expect(router.judge('10.0.0.1', 1, undefined)).toMatchObject({ kind: 'as-is', service: { name: 'shop-c' } });
    tables.update(SHOP_C, [at(9)]);
    expect([goesTo(1), goesTo(8)]).toEqual(['unknown', '9']);
    tables.update(SHOP_C, [at(1), at(9)]);
    tables.update(SHOP_C, [at(9)]);
    expect(goesTo(1)).toBe('9');
  });

  test('is remembered until a thousand others have gone', () => {
    const churn = (from: number, count: number): void => {
      for (let port = from; port < from + count; port++) {
        tables.update(SHOP_B, [at(2), at(4, 'gray'), at(port)]);
        tables.update(SHOP_B, [at(2), at(4, 'gray')]);
      }
    };
    tables.update(SHOP_B, [at(2), at(4, 'gray')]);
    churn(1_000, 998);
    expect([goesTo(1), goesTo(3, 'gray')]).toEqual(['2', '4']);
    tables.refused(SHOP_B, '10.0.0.1', 1);
    churn(3_000, 1);
    expect([goesTo(1), goesTo(3, 'gray')]).toEqual(['2', 'unknown']);
    expect(tables.findByAddress('10.0.0.1', 3)).toBeUndefined();
  });

  test('in the right lane is unchanged where only lanes are corrected', () => {
    keeping('lanes');
    tables.update(SHOP_B, [at(1, undefined, { healthy: false }), at(2), at(4, 'gray')]);
    expect([goesTo(1), goesTo(3, 'gray'), goesTo(3)]).toEqual(['as-is', 'unknown', '2']);
  });

  test('whose lane may not fall back is unavailable while its owner is certain, and not left to base', () => {
    keeping('all', 'none');
    tables.update(SHOP_B, [at(2)]);
    expect([goesTo(1, 'gray'), goesTo(3, 'gray')]).toEqual(['unavailable', 'unknown']);
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

  test('without an instance is unavailable', () => {
    tables.update(SHOP_B, []);
    expect(router.judge('shop-b', 80, 'gray')).toMatchObject({ kind: 'unavailable', service: SHOP_B, tag: 'gray' });
  });

  test('that is not known yet is looked up, and left unchanged if that fails', async () => {
    const verdict = router.judge('shop-b', 80, 'gray');
    expect(verdict.kind).toBe('wait');
    expect(asked).toEqual([SHOP_B]);
    if (verdict.kind === 'wait') await verdict.until;
    expect(router.judge('shop-b', 80, 'gray', true).kind).toBe('unknown');
    tables.update(SHOP_B, [at(2, 'gray')]);
    expect(router.judge('shop-b', 80, 'gray', true)).toMatchObject({ instance: { port: 2 } });
  });

  test('is left unchanged if there is no registry to ask', () => {
    const alone = createRouter(tables, namesOf(), () => undefined);
    expect(alone.judge('shop-b', 80, 'gray').kind).toBe('unknown');
  });
});
