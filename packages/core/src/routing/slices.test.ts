/** Lists of very many instances, taken a slice at a time: here more than three are very many, and a slice is a few pieces of work. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileLaneGroups } from '../rules/compile.js';
import { parseLaneGroups } from '../rules/parse.js';
import type { LaneRules } from '../rules/types.js';
import { DEFAULT_FORMATS } from '../wire/formats.js';
import type { Instance } from './instance.js';
import { DEFAULT_OUTLIER_POLICY } from './outlier.js';
import { ServiceTables, type ServiceKey, type ServiceTable, type ServiceTablesOptions, type Slicing } from './service-tables.js';

const A: ServiceKey = { name: 'a', group: 'DEFAULT_GROUP' };
const B: ServiceKey = { name: 'b', group: 'DEFAULT_GROUP' };
const SLICING: Slicing = { atOnce: 3, pieces: 4, holdMs: 0 };

const at = (port: number, tag?: string, rest: Partial<Instance> = {}): Instance => ({
  ip: `10.0.0.${port % 4}`,
  port,
  weight: 1,
  healthy: true,
  enabled: true,
  metadata: tag === undefined ? {} : { lane: tag },
  ...rest,
});
/** Eight, half of them base, with ports from `from` on. */
const manyFrom = (from: number, tag = 'gray'): Instance[] => Array.from({ length: 8 }, (_, i) => at(from + i, i % 2 === 0 ? undefined : tag));

/** Tables whose slices come when told. */
class Sliced {
  readonly waiting: Array<() => void> = [];
  readonly errors: unknown[] = [];
  readonly seen: ServiceTable[] = [];
  readonly tables: ServiceTables;

  constructor(options: Partial<ServiceTablesOptions> = {}) {
    const after = (ms: number, work: () => void): (() => void) => {
      if (ms === 0) this.waiting.push(work);
      return () => void (ms === 0 && this.waiting.splice(this.waiting.indexOf(work), 1));
    };
    this.tables = new ServiceTables({
      formats: DEFAULT_FORMATS,
      slicing: SLICING,
      clock: { nowMs: () => 0, after },
      onError: (error) => this.errors.push(error),
      ...options,
    });
    this.tables.onChange((table) => void this.seen.push(table));
  }

  slice(): void {
    this.waiting.shift()?.();
  }

  /** How many slices there were. */
  finish(): number {
    let slices = 0;
    for (; this.waiting.length > 0; slices++) this.slice();
    return slices;
  }
}

test('a short list is applied at once, before the call returns', () => {
  const { tables, waiting } = new Sliced();
  const list = [at(1), at(2, 'gray')];
  let taken: ServiceTable | undefined;
  tables.push(A, list, 'registry', (table) => (taken = table));
  expect(taken).toBe(tables.get(A));
  expect(taken?.instances).toBe(list);
  expect(waiting).toEqual([]);
});

describe('a long list', () => {
  test('is applied in small slices; until the last one the previous table stays in use completely', () => {
    const sliced = new Sliced({ remembersGone: true, holdMs: () => 0, outlier: DEFAULT_OUTLIER_POLICY });
    const { tables } = sliced;
    const first = [at(1), at(2, 'gray')];
    tables.push(A, first);
    const before = tables.get(A);
    const list = manyFrom(100);
    let taken: ServiceTable | undefined;
    tables.push(A, list, 'registry', (table) => (taken = table));
    let slices = 0;
    for (; taken === undefined; slices++) {
      expect(tables.get(A)).toBe(before);
      expect(tables.findByAddress(first[1]?.ip as string, 2)?.tag).toBe('gray');
      for (const { ip, port } of list) expect(tables.findByAddress(ip, port)).toBe(undefined);
      expect(sliced.waiting).toHaveLength(1);
      sliced.slice();
    }
    // More than a dozen passes over eight instances, four pieces each.
    expect(slices).toBeGreaterThan(12);
    expect(tables.get(A)).toBe(taken);
    expect(taken.instances).toBe(list);
    expect(sliced.seen.map(({ instances }) => instances)).toEqual([first, list]);
    for (const one of list) expect(tables.findByAddress(one.ip, one.port)).toMatchObject({ instance: one, table: taken, tag: one.metadata['lane'] });
    expect(tables.findByAddress(first[1]?.ip as string, 2)?.gone?.isRecent).toBe(true);
    expect(sliced.waiting).toEqual([]);
  });

  test('that is equivalent costs a comparison, and nothing at all if it is identical', () => {
    const sliced = new Sliced({ holdMs: () => 40_000, outlier: DEFAULT_OUTLIER_POLICY });
    sliced.tables.push(A, manyFrom(1));
    const whole = sliced.finish();
    const table = sliced.tables.get(A);
    sliced.tables.push(A, manyFrom(1));
    const compared = sliced.finish();
    sliced.tables.push(A, table?.instances as Instance[]);
    expect(sliced.finish()).toBe(1);
    // Eight instances, four in a slice, and the end.
    expect(compared).toBeLessThanOrEqual(3);
    expect(compared * 4).toBeLessThan(whole);
    expect(sliced.tables.get(A)).toBe(table);
  });

  test('is awaited if it is the first one', async () => {
    const sliced = new Sliced();
    expect(sliced.tables.whenTaken(A)).toBe(undefined);
    sliced.tables.push(A, manyFrom(1));
    const taken = sliced.tables.whenTaken(A);
    let isTaken = false;
    void taken?.then(() => (isTaken = true));
    sliced.slice();
    void sliced.tables.whenTaken(A)?.then(() => expect(isTaken).toBe(true));
    await Promise.resolve();
    expect([isTaken, sliced.tables.isEmpty]).toEqual([false, true]);
    sliced.finish();
    await taken;
    expect(sliced.tables.get(A)?.instances).toHaveLength(8);
    expect(sliced.tables.whenTaken(A)).toBe(undefined);
  });

  test('is applied at once on request', () => {
    const sliced = new Sliced();
    const told: Array<readonly Instance[] | undefined> = [];
    for (const from of [1, 11]) sliced.tables.push(A, manyFrom(from), 'registry', (table) => told.push(table?.instances));
    sliced.slice();
    sliced.tables.finish(A);
    expect(told).toEqual([manyFrom(1), manyFrom(11)]);
    sliced.tables.push(A, manyFrom(21));
    sliced.slice();
    // Whoever takes a list at once comes after those that came before.
    expect(sliced.tables.update(A, [at(1)]).instances).toEqual([at(1)]);
    sliced.finish();
    expect(sliced.seen.map(({ instances }) => instances[0]?.port)).toEqual([1, 11, 21, 1]);
  });

  test('is followed by lists that arrived in the meantime, even a short one; of many, only the last is applied, and waiters for the others get that', () => {
    const sliced = new Sliced();
    const told: string[] = [];
    for (const from of [100, 200, 300, 400, 500, 600, 700]) {
      const list = from === 300 ? [at(300)] : manyFrom(from);
      sliced.tables.push(A, list, 'registry', (table) => told.push(`${from} by ${String(table?.instances[0]?.port)}`));
      sliced.slice();
    }
    sliced.finish();
    expect(sliced.seen.map(({ instances }) => instances[0]?.port)).toEqual([100, 200, 300, 400, 700]);
    expect(told).toEqual(['100 by 100', '200 by 200', '300 by 300', '400 by 400', '500 by 700', '600 by 700', '700 by 700']);
  });

  test('comes into use, however quickly others follow', () => {
    const sliced = new Sliced();
    for (let i = 0; i < 200; i++) {
      sliced.tables.push(A, manyFrom(1000 + i * 10));
      sliced.slice();
    }
    expect(sliced.seen.length).toBeGreaterThan(3);
  });

  test('from a snapshot never replaces one from the registry, whichever came first', () => {
    for (const order of [
      ['registry', 'snapshot'],
      ['snapshot', 'registry'],
    ] as const) {
      const sliced = new Sliced();
      sliced.tables.push(B, manyFrom(1));
      for (const origin of order) sliced.tables.push(A, manyFrom(origin === 'registry' ? 100 : 200), origin);
      sliced.finish();
      expect(sliced.tables.get(A)).toMatchObject({ origin: 'registry', instances: manyFrom(100) });
    }
  });

  test('of one service alternates with that of another: one slice per turn of the event loop', () => {
    const sliced = new Sliced();
    sliced.tables.push(A, manyFrom(1));
    sliced.tables.push(B, manyFrom(100));
    for (let slices = 0; sliced.waiting.length > 0; slices++) {
      expect(sliced.waiting).toHaveLength(1);
      sliced.slice();
    }
    expect(sliced.seen.map(({ key }) => key)).toEqual([A, B]);
  });

  test('is still applied after one that failed, even if equivalent; waiters are notified, and the error is reported', () => {
    const sliced = new Sliced({ holdMs: () => 40_000 });
    const told: unknown[] = [];
    const list = manyFrom(1);
    const broken = [
      ...list.slice(1),
      {
        ...at(1),
        get weight(): number {
          throw new Error('broken');
        },
      },
    ];
    sliced.tables.push(A, broken, 'registry', (table) => told.push(table));
    sliced.finish();
    expect([told, sliced.errors]).toEqual([[undefined], [new Error('broken')]]);
    sliced.tables.push(A, list, 'registry', () => {
      throw new Error('a listener');
    });
    sliced.finish();
    expect(sliced.tables.get(A)?.instances).toBe(list);
    expect(sliced.errors).toEqual([new Error('broken'), new Error('a listener')]);
  });

  test('is not applied after close, and waiters are notified', () => {
    const sliced = new Sliced();
    const told: unknown[] = [];
    for (const from of [1, 11]) sliced.tables.push(A, manyFrom(from), 'registry', (table) => told.push(table));
    sliced.slice();
    sliced.tables.close();
    expect([sliced.waiting, told, sliced.seen]).toEqual([[], [undefined, undefined], []]);
  });

  test('may be passed in by a listener for tables', () => {
    const sliced = new Sliced();
    sliced.tables.onChange(({ instances }) => {
      if (instances[0]?.port === 1) sliced.tables.push(A, manyFrom(100));
      if (instances[0]?.port === 100) sliced.tables.update(A, [at(200)]);
    });
    sliced.tables.push(A, manyFrom(1));
    sliced.finish();
    expect(sliced.seen.map(({ instances }) => instances[0]?.port)).toEqual([1, 100, 200]);
    expect(sliced.errors).toEqual([]);
  });

  test('of a lane that fails meanwhile: the results of calls count once it is applied', () => {
    const sliced = new Sliced({ holdMs: () => 40_000 });
    const list = manyFrom(1);
    sliced.tables.push(A, list);
    sliced.finish();
    const gray = list.filter(({ metadata }) => metadata['lane'] === 'gray');
    for (let slices = 1; slices < 12; slices++) {
      sliced.tables.push(A, [...list, at(100 + slices)]);
      for (let i = 0; i < slices; i++) sliced.slice();
      const refusing = gray[slices % gray.length] as Instance;
      sliced.tables.refused(A, refusing.ip, refusing.port);
      sliced.finish();
      expect(sliced.tables.route(A, 'gray')?.instances.map(({ port }) => port)).not.toContain(refusing.port);
      sliced.tables.answered(A, refusing.ip, refusing.port);
      sliced.finish();
      expect(sliced.tables.route(A, 'gray')?.instances).toHaveLength(gray.length);
    }
  });

  test('does not bring back an instance kept against the registry that refuses a connection in the meantime', () => {
    for (let slices = 0; slices < 25; slices++) {
      const sliced = new Sliced({ holdMs: () => 40_000 });
      const last = at(50, 'blue');
      for (const list of [[...manyFrom(1), last], manyFrom(1)]) {
        sliced.tables.push(A, list);
        sliced.finish();
      }
      expect(sliced.tables.route(A, 'blue')).toMatchObject({ reason: 'in-lane', instances: [last] });
      sliced.tables.push(A, manyFrom(2));
      for (let i = 0; i < slices; i++) sliced.slice();
      sliced.tables.refused(A, last.ip, last.port);
      sliced.finish();
      expect(sliced.tables.route(A, 'blue')?.reason).toBe('fell-back-to-base');
      expect(sliced.tables.memories()[0]?.instances.map(({ address }) => address)).not.toContain(`${last.ip}:${last.port}`);
    }
  });
});

function rulesOf(isOn: boolean): LaneRules {
  const lanes = [{ name: 'gray', tag: 'gray', enabled: isOn }];
  const parsed = parseLaneGroups(JSON.stringify({ version: 1, groups: [{ name: 'shop', services: ['a', 'b'], lanes }] }));
  if (!parsed.ok) throw new Error('no lane groups');
  return compileLaneGroups(parsed.document);
}
const [ON, OFF] = [rulesOf(true), rulesOf(false)];

test('new lane groups also apply to long lists: to one in use, and to one that is being applied', () => {
  const sliced = new Sliced();
  sliced.tables.push(A, manyFrom(1));
  sliced.finish();
  sliced.tables.push(B, manyFrom(100));
  sliced.slice();
  sliced.tables.setRules(OFF);
  expect(sliced.tables.route(A, 'gray')?.reason).toBe('in-lane');
  sliced.finish();
  expect([A, B].map((key) => sliced.tables.route(key, 'gray')?.reason)).toEqual(['lane-not-here', 'lane-not-here']);
  sliced.tables.push(A, manyFrom(11));
  for (let i = 0; i < 8; i++) {
    sliced.slice();
    sliced.tables.setRules(i % 2 === 0 ? ON : OFF);
  }
  sliced.tables.setRules(ON);
  sliced.finish();
  expect([A, B].map((key) => sliced.tables.route(key, 'gray')?.reason)).toEqual(['in-lane', 'in-lane']);
});

test('labels from new lane groups also apply to remembered instances of long lists, whatever calls show in the meantime', () => {
  const lane = { name: 'gray', tag: 'gray', polaris: { key: 'version', values: ['v2'] } };
  const parsed = parseLaneGroups(JSON.stringify({ version: 1, groups: [{ name: 'shop', services: ['a'], lanes: [lane] }] }));
  if (!parsed.ok) throw new Error('no lane groups');
  const labelled = compileLaneGroups(parsed.document);
  const base = at(1);
  const list = [base, ...Array.from({ length: 7 }, (_, i) => at(2 + i, undefined, { metadata: { version: 'v2' } }))];
  const other = list[5] as Instance;
  // By itself, and with a call that shows something after so many slices.
  for (const slices of [undefined, ...Array.from({ length: 12 }, (_, i) => i)]) {
    const sliced = new Sliced({ holdMs: () => 0, outlier: { ...DEFAULT_OUTLIER_POLICY, connect: 1 } });
    const { tables } = sliced;
    tables.push(A, list);
    sliced.finish();
    tables.refused(A, base.ip, base.port);
    sliced.finish();
    // Others of base can serve.
    expect(tables.route(A, undefined)?.instances).not.toContainEqual(base);
    tables.setRules(labelled);
    for (let i = 0; i < (slices ?? 0); i++) sliced.slice();
    if (slices !== undefined) tables.refused(A, other.ip, other.port);
    sliced.finish();
    // All the others turn out to be gray: the last of base stays in use, refused or not.
    expect(tables.route(A, undefined)).toMatchObject({ reason: 'base', instances: [base] });
    const gray = tables.route(A, 'gray');
    expect(gray?.reason).toBe('in-lane');
    expect(gray?.instances.map(({ port }) => port).toSorted()).toEqual(
      list.filter((one) => one !== base && (one !== other || slices === undefined)).map(({ port }) => port),
    );
    expect(sliced.errors).toEqual([]);
  }
});

test('in any history of lists, slices and lane groups, each service uses one complete list, calls keep their lanes, and the newest is in use in the end', () => {
  const lists = fc
    .array(fc.record({ port: fc.integer({ min: 1, max: 9 }), lane: fc.constantFrom(undefined, 'gray', 'blue') }), { maxLength: 9 })
    .map((list) => list.map(({ port, lane }) => at(port, lane)));
  const key = fc.constantFrom(A, B);
  const step = fc.oneof(
    fc.record({ do: fc.constant('push' as const), key, list: lists }),
    fc.record({ do: fc.constant('update' as const), key, list: lists }),
    { weight: 4, arbitrary: fc.record({ do: fc.constant('slices' as const), count: fc.integer({ min: 1, max: 12 }) }) },
    fc.record({ do: fc.constant('rules' as const), rules: fc.constantFrom(undefined, ON, OFF) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), fc.integer({ min: 1, max: 20 }), fc.boolean(), (history, pieces, remembersGone) => {
      const sliced = new Sliced({ slicing: { ...SLICING, pieces }, remembersGone });
      const { tables } = sliced;
      const told = new Map<ServiceKey, Instance[][]>([
        [A, []],
        [B, []],
      ]);
      const check = (): void => {
        const anew = new ServiceTables({ formats: DEFAULT_FORMATS });
        for (const table of tables.all()) {
          expect(told.get(table.key)).toContain(table.instances);
          anew.update(table.key, table.instances);
          for (const tag of ['gray', 'blue']) {
            const { reason, instances } = tables.route(table.key, tag) ?? {};
            const lane = reason === 'in-lane' ? tag : undefined;
            for (const one of instances ?? []) {
              expect(one.metadata['lane']).toBe(lane);
              expect(table.instances).toContain(one);
            }
          }
        }
        for (let port = 1; port <= 9; port++) {
          const { ip } = at(port);
          const known = tables.findByAddress(ip, port);
          const wanted = anew.findByAddress(ip, port);
          if (known?.gone === undefined) expect(known?.instance).toBe(wanted?.instance);
          else expect(wanted).toBe(undefined);
          if (known?.gone === undefined) expect(known?.tag).toBe(known?.instance.metadata['lane']);
        }
      };
      for (const what of history) {
        if (what.do === 'rules') tables.setRules(what.rules);
        else if (what.do === 'slices') for (let i = 0; i < what.count; i++) sliced.slice();
        else {
          told.get(what.key)?.push(what.list);
          if (what.do === 'push') tables.push(what.key, what.list);
          else tables.update(what.key, what.list);
        }
        check();
      }
      sliced.finish();
      check();
      expect(sliced.errors).toEqual([]);
      for (const [service, lists_] of told) {
        const newest = lists_.at(-1);
        if (newest === undefined) continue;
        const anew = new ServiceTables({ formats: DEFAULT_FORMATS });
        anew.setRules(tables.rules);
        anew.update(service, newest);
        expect(tables.get(service)?.instances).toEqual(newest);
        for (const tag of [undefined, 'gray', 'blue'])
          expect(tables.route(service, tag)).toMatchObject({
            reason: anew.route(service, tag)?.reason,
            instances: anew.route(service, tag)?.instances,
          });
      }
    }),
    { numRuns: 1_000 },
  );
});
