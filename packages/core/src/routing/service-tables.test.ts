import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Instance } from './instance.js';
import { compileLaneGroups } from '../rules/compile.js';
import type { CompiledLane, LaneRules } from '../rules/types.js';
import { DEFAULT_FORMATS } from '../wire/formats.js';
import { isInRightLane, ServiceTables, type KnownAddress, type ServiceKey } from './service-tables.js';

const A: ServiceKey = { name: 'a', group: 'DEFAULT_GROUP' };
const B: ServiceKey = { name: 'b', group: 'DEFAULT_GROUP' };

let nextPort = 20_000;
const instance = (tag?: string, changes: Partial<Instance> = {}): Instance => ({
  ip: '10.0.0.1',
  port: nextPort++,
  weight: 1,
  healthy: true,
  enabled: true,
  metadata: tag === undefined ? {} : { lane: tag },
  ...changes,
});

/** Lane groups in short: `a/gray` is an enabled lane of tag gray in a group that has service a; `a/gray:none` has a fallback of its own. */
function rulesOf(...lanes: string[]): LaneRules {
  const known = new Map<string, CompiledLane>();
  for (const lane of lanes) {
    const [, service, tag, fallback] = /^(.+)\/([^:]+)(?::(.+))?$/.exec(lane) as unknown as [string, string, string, CompiledLane['fallback']];
    known.set(`${service}/${tag}`, { group: 'shop', lane: tag, tag, fallback });
  }
  return {
    document: { version: 1, groups: [] },
    services: new Set(),
    polarisLabelsOf: () => [],
    groupOf: () => undefined,
    wireOf: () => undefined,
    tagOfPolaris: () => undefined,
    baseModeOf: () => undefined,
    isDisabledTag: () => false,
    laneOf: (service, tag) => known.get(`${service}/${tag}`),
    entryOf: () => undefined,
  };
}

describe('what is known', () => {
  test('an unknown service has no decision', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    expect(tables.isEmpty).toBe(true);
    expect(tables.route(A, 'gray')).toBe(undefined);
    expect(tables.get(A)).toBe(undefined);
    expect([...tables.all()]).toEqual([]);
  });

  test('a service without instances is known, and cannot be served', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    tables.update(A, []);
    expect(tables.isEmpty).toBe(false);
    expect(tables.route(A, undefined)).toMatchObject({ reason: 'none', instances: [] });
  });

  test('an update replaces the known instances, for that service only', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const [first, second, other] = [instance(), instance(), instance()];
    tables.update(B, [other]);
    tables.update(A, [first]);
    expect(tables.route(A, undefined)?.instances).toEqual([first]);
    expect(tables.update(A, [second])).toBe(tables.get(A));
    expect(tables.route(A, undefined)?.instances).toEqual([second]);
    expect(tables.findByAddress(first.ip, first.port)).toBe(undefined);
    expect(tables.findByAddress(second.ip, second.port)?.instance).toBe(second);
    expect(tables.route(B, undefined)?.instances).toEqual([other]);
    expect([...tables.all()].map((table) => table.key)).toEqual([B, A]);
  });

  test('services with the same name in two groups are distinct', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const [first, second] = [instance(), instance()];
    tables.update(A, [first]);
    tables.update({ name: 'a', group: 'OTHER' }, [second]);
    expect(tables.route(A, undefined)?.instances).toEqual([first]);
    expect(tables.route({ name: 'a', group: 'OTHER' }, undefined)?.instances).toEqual([second]);
  });

  test('a snapshot is used until the registry answers, and never after', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const [old, older, told] = [instance(), instance(), instance()];
    expect(tables.update(A, [older], 'snapshot').origin).toBe('snapshot');
    expect(tables.update(A, [old], 'snapshot').instances).toEqual([old]);
    expect(tables.update(A, [told]).origin).toBe('registry');
    expect(tables.update(A, [old], 'snapshot').instances).toEqual([told]);
    expect(tables.route(A, undefined)?.instances).toEqual([told]);
    tables.update(A, []);
    expect(tables.update(A, [old], 'snapshot').instances).toEqual([]);
    tables.setRules(rulesOf());
    expect(tables.get(A)).toMatchObject({ origin: 'registry', instances: [] });
  });

  test('Nepxion metadata is read if the format is listed', () => {
    const tagged = instance(undefined, { metadata: { version: '1.1' } });
    const plain = new ServiceTables({ formats: DEFAULT_FORMATS });
    const nepxion = new ServiceTables({ formats: ['baggage', 'nepxion'] });
    expect(plain.update(A, [tagged]).index.tags.get(tagged)).toBe(undefined);
    expect(nepxion.update(A, [tagged]).index.tags.get(tagged)).toBe('1.1');
    expect(nepxion.tagOf('a', tagged)).toBe('1.1');
    expect(nepxion.route(A, '1.1')?.reason).toBe('in-lane');
  });
});

describe('lane groups', () => {
  const base = instance();
  const gray = instance('gray');

  test.each<[what: string, rules: LaneRules | undefined, reason: string, instances: Instance[]]>([
    ['none known: a tag is a lane wherever instances carry it', undefined, 'in-lane', [gray]],
    ['an enabled lane of a group with this service', rulesOf('a/gray'), 'in-lane', [gray]],
    ['groups without this lane', rulesOf(), 'lane-not-here', [base]],
    ['the lane in a group without this service', rulesOf('b/gray'), 'lane-not-here', [base]],
    ['another lane with this service', rulesOf('a/blue'), 'lane-not-here', [base]],
  ])('%s', (_, rules, reason, instances) => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    tables.setRules(rules);
    tables.update(A, [base, gray]);
    expect(tables.route(A, 'gray')).toMatchObject({ reason, instances });
    expect(tables.route(A, undefined)).toMatchObject({ reason: 'base', instances: [base] });
  });

  test('take effect later for every service at once', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    tables.update(A, [base, gray]);
    tables.update(B, [base, gray], 'snapshot');
    expect(tables.route(A, 'gray')?.reason).toBe('in-lane');
    const rules = rulesOf('b/gray');
    tables.setRules(rules);
    expect(tables.rules).toBe(rules);
    expect(tables.route(A, 'gray')).toMatchObject({ reason: 'lane-not-here', instances: [base] });
    expect(tables.route(B, 'gray')).toMatchObject({ reason: 'in-lane', instances: [gray] });
    expect(tables.get(B)?.origin).toBe('snapshot');
    tables.setRules(undefined);
    expect(tables.route(A, 'gray')?.reason).toBe('in-lane');
  });

  test.each<[what: string, fallback: 'base' | 'none' | undefined, rules: LaneRules | undefined, reason: string]>([
    ['default', undefined, undefined, 'fell-back-to-base'],
    ['option none', 'none', undefined, 'none'],
    ['option none, lane without its own', 'none', rulesOf('a/blue'), 'none'],
    ['option none, lane base', 'none', rulesOf('a/blue:base'), 'fell-back-to-base'],
    ['option base, lane none', 'base', rulesOf('a/blue:none'), 'none'],
    ['option none, but the lane is not here', 'none', rulesOf('b/blue:none'), 'lane-not-here'],
  ])('fallback: %s', (_, fallback, rules, reason) => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, ...(fallback === undefined ? {} : { fallback }) });
    tables.setRules(rules);
    tables.update(A, [base, gray]);
    expect(tables.route(A, 'blue')?.reason).toBe(reason);
  });

  test('take effect for very many instances slice by slice, the latest ones', () => {
    const waiting: Array<() => void> = [];
    const clock = { nowMs: () => 0, after: (_: number, work: () => void) => (waiting.push(work), () => {}) };
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, clock });
    const keys = Array.from({ length: 30 }, (_, i): ServiceKey => ({ name: `s${i}`, group: 'DEFAULT_GROUP' }));
    for (const key of keys)
      tables.update(
        key,
        Array.from({ length: 500 }, () => instance('gray')),
      );
    const inLane = (): number => keys.filter((key) => tables.route(key, 'gray')?.reason === 'in-lane').length;
    expect(inLane()).toBe(30);
    tables.setRules(rulesOf());
    // Those of the first slice at once, and of none is asked what no slice has come to.
    expect(inLane()).toBeGreaterThan(20);
    expect(inLane()).toBeLessThan(30);
    waiting.shift()?.();
    const gray = rulesOf(...keys.map(({ name }) => `${name}/gray`));
    tables.setRules(gray);
    while (waiting.length > 0) waiting.shift()?.();
    expect(inLane()).toBe(30);
    tables.setRules(rulesOf());
    const late = { name: 'late', group: 'DEFAULT_GROUP' };
    tables.update(late, [instance('gray')]);
    expect(tables.route(late, 'gray')?.reason).toBe('none');
    while (waiting.length > 0) waiting.shift()?.();
    expect(inLane()).toBe(0);
  });

  test('outside-enabled-lanes: instances of a lane that is not enabled serve base', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, baseMode: 'outside-enabled-lanes' });
    tables.update(A, [base, gray]);
    expect(tables.route(A, undefined)?.instances).toEqual([base]);
    tables.setRules(rulesOf());
    expect(tables.route(A, undefined)?.instances).toEqual([base, gray]);
    tables.setRules(rulesOf('a/gray'));
    expect(tables.route(A, undefined)?.instances).toEqual([base]);
  });

  test('any list of instances can be indexed under the rules in force', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    tables.setRules(rulesOf('a/gray'));
    expect(tables.buildIndex('a', [gray]).byTag.get('gray')?.reason).toBe('in-lane');
    expect(tables.buildIndex('b', [base, gray]).byTag.get('gray')?.reason).toBe('lane-not-here');
    expect(tables.isEmpty).toBe(true);
  });
});

describe('addresses', () => {
  test('an instance is found by host and port, whether or not it can serve', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const [healthy, down] = [instance(), instance('gray', { ip: '10.0.0.2', healthy: false })];
    const table = tables.update(A, [healthy, down]);
    for (const at of [healthy, down]) {
      const found = tables.findByAddress(at.ip, at.port);
      expect([found?.instance, found?.table]).toEqual([at, table]);
    }
    expect(tables.findByAddress(healthy.ip, down.port)).toBe(undefined);
    expect(tables.findByAddress('10.0.0.3', healthy.port)).toBe(undefined);
    expect(tables.hasHost('10.0.0.2')).toBe(true);
    expect(tables.hasHost('10.0.0.3')).toBe(false);
  });

  test('an address that two services share belongs to neither, however often they list it', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const shared = instance();
    const [again, other] = [{ ...shared }, { ...shared }];
    tables.update(A, [shared, again]);
    expect(tables.findByAddress(shared.ip, shared.port)?.table.key).toBe(A);
    tables.update(B, [other]);
    expect(tables.findByAddress(shared.ip, shared.port)).toBe(undefined);
    tables.update({ name: 'c', group: 'DEFAULT_GROUP' }, [{ ...shared }, { ...shared }]);
    expect(tables.findByAddress(shared.ip, shared.port)).toBe(undefined);
    expect(tables.hasHost(shared.ip)).toBe(true);
    tables.update({ name: 'c', group: 'DEFAULT_GROUP' }, []);
    tables.update(B, []);
    expect(tables.findByAddress(shared.ip, shared.port)?.table.key).toBe(A);
  });

  test('is found in the current table after the rules change', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const gray = instance('gray');
    tables.update(A, [gray]);
    tables.findByAddress(gray.ip, gray.port);
    tables.setRules(rulesOf());
    expect(tables.findByAddress(gray.ip, gray.port)?.table).toBe(tables.get(A));
  });
});

describe('an equivalent push', () => {
  const copyOf = (list: readonly Instance[]): Instance[] => list.map((one) => ({ ...one, metadata: { ...one.metadata } }));
  const list = [instance(), instance('gray'), instance('gray', { healthy: false })];

  test('changes nothing: same table, same decisions, same addresses, in any order', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const table = tables.update(A, list);
    const decisions = ['gray', 'blue', undefined].map((tag) => tables.route(A, tag));
    const known = tables.findByAddress(list[1]?.ip as string, list[1]?.port as number);
    for (const said of [list, copyOf(list), copyOf(list).toReversed()]) {
      expect(tables.update({ ...A }, said)).toBe(table);
      expect(tables.get(A)).toBe(table);
      expect(['gray', 'blue', undefined].map((tag) => tables.route(A, tag))).toEqual(decisions);
      expect(tables.route(A, 'blue')).toBe(decisions[1]);
      expect(tables.findByAddress(list[1]?.ip as string, list[1]?.port as number)).toBe(known);
    }
  });

  test.each<[what: string, change: Partial<Instance> & { readonly cluster?: string }]>([
    ['weight', { weight: 2 }],
    ['health', { healthy: false }],
    ['enabled', { enabled: false }],
    ['the tag', { metadata: { lane: 'blue' } }],
    ['other metadata', { metadata: { zone: 'a' } }],
    ['metadata that is gone', { metadata: {} }],
    ['the port', { port: 1 }],
    ['what only one registry tells', { cluster: 'B' }],
  ])('is not equivalent with another %s', (_, change) => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const before = instance('gray');
    const table = tables.update(A, [before, list[0] as Instance]);
    const said = [list[0] as Instance, { ...before, ...change }];
    expect(tables.update(A, said)).not.toBe(table);
    expect(tables.get(A)?.instances).toBe(said);
  });

  test('is not equivalent if the registry repeats a snapshot: from then on it counts as reported by the registry', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    tables.update(A, list, 'snapshot');
    expect(tables.update(A, copyOf(list)).origin).toBe('registry');
    expect(tables.findByAddress(list[0]?.ip as string, list[0]?.port as number)?.table).toBe(tables.get(A));
  });

  test('uses the later of two entries for an address, even if they swap places', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const first = instance('gray');
    const later = { ...first, metadata: { lane: 'blue' } };
    tables.update(A, [first, later]);
    expect(tables.findByAddress(first.ip, first.port)?.instance).toBe(later);
    tables.update(A, [later, first]);
    expect(tables.findByAddress(first.ip, first.port)?.instance).toBe(first);
  });
});

test('after any history, the known addresses are those of freshly built tables', () => {
  const address = fc.record({
    ip: fc.constantFrom('10.0.0.1', '10.0.0.2', '::1'),
    port: fc.integer({ min: 1, max: 3 }),
    lane: fc.constantFrom('', 'gray'),
  });
  const push = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    group: fc.constantFrom('DEFAULT_GROUP', 'OTHER'),
    instances: fc.array(address, { maxLength: 5 }),
    origin: fc.constantFrom('registry' as const, 'snapshot' as const),
  });
  const rules = fc.constantFrom(undefined, rulesOf('a/gray'), rulesOf());
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          push,
          rules.map((value) => ({ rules: value })),
        ),
        { maxLength: 20 },
      ),
      (history) => {
        const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
        for (const step of history) {
          if ('rules' in step) tables.setRules(step.rules);
          else {
            const { name, group, origin } = step;
            const said = step.instances.map(({ ip, port, lane }) => instance(lane, { ip, port }));
            tables.update({ name, group }, said, origin);
          }
          const anew = new ServiceTables({ formats: DEFAULT_FORMATS });
          anew.setRules(tables.rules);
          for (const table of tables.all()) anew.update(table.key, table.instances, table.origin);
          for (const ip of ['10.0.0.1', '10.0.0.2', '::1']) {
            expect(tables.hasHost(ip)).toBe(anew.hasHost(ip));
            for (const port of [1, 2, 3]) {
              const known = tables.findByAddress(ip, port);
              const wanted = anew.findByAddress(ip, port);
              expect(known?.instance).toBe(wanted?.instance);
              expect(known?.table).toBe(wanted && tables.get(wanted.table.key));
            }
          }
        }
      },
    ),
  );
});

describe('isInRightLane', () => {
  const base = instance();
  const baseDown = instance(undefined, { healthy: false });
  const gray = instance('gray');
  const grayDown = instance('gray', { healthy: false });
  const blue = instance('blue');
  const names = new Map([
    [base, 'base'],
    [baseDown, 'base down'],
    [gray, 'gray'],
    [grayDown, 'gray down'],
    [blue, 'blue'],
  ]);

  test.each<
    [
      what: string,
      tag: string | undefined,
      instances: Instance[],
      rules: LaneRules | undefined,
      options: Omit<ConstructorParameters<typeof ServiceTables>[0], 'formats'>,
      right: string[],
    ]
  >([
    ['untagged: base, up or down', undefined, [base, baseDown, gray, blue], undefined, {}, ['base', 'base down']],
    ['untagged with no base up: base, as the caller wills', undefined, [baseDown, gray], undefined, {}, ['base down']],
    ['in its lane: the instances of the lane, up or down', 'gray', [base, gray, grayDown, blue], undefined, {}, ['gray', 'gray down']],
    ['fallen back: base alone', 'gray', [base, baseDown, grayDown, blue], undefined, {}, ['base', 'base down']],
    ['strict with no instance: nothing', 'gray', [base, baseDown, grayDown, blue], undefined, { fallback: 'none' }, []],
    ['neither lane nor base up: nothing', 'gray', [baseDown, grayDown, blue], undefined, {}, []],
    ['the lane is not here: base', 'gray', [base, gray, blue], rulesOf('a/blue'), {}, ['base']],
    [
      'outside-enabled-lanes, untagged: base and lanes that are not enabled',
      undefined,
      [base, gray, blue],
      rulesOf('a/blue'),
      { baseMode: 'outside-enabled-lanes' },
      ['base', 'gray'],
    ],
    [
      'outside-enabled-lanes, the lane is not enabled: the same',
      'gray',
      [base, gray, blue],
      rulesOf('a/blue'),
      { baseMode: 'outside-enabled-lanes' },
      ['base', 'gray'],
    ],
    ['outside-enabled-lanes, in its lane', 'blue', [base, gray, blue], rulesOf('a/blue'), { baseMode: 'outside-enabled-lanes' }, ['blue']],
    [
      'outside-enabled-lanes, untagged with nothing up',
      undefined,
      [baseDown, grayDown, blue],
      rulesOf('a/blue'),
      { baseMode: 'outside-enabled-lanes' },
      ['base down', 'gray down'],
    ],
  ])('%s', (_, tag, instances, rules, options, right) => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, ...options });
    tables.setRules(rules);
    tables.update(A, instances);
    const decision = tables.route(A, tag);
    const found = instances.filter((at) =>
      isInRightLane(tables.findByAddress(at.ip, at.port) as KnownAddress, decision as NonNullable<typeof decision>, tag),
    );
    expect(found.map((at) => names.get(at))).toEqual(right);
    // What a decision offers is never called wrong.
    for (const offered of decision?.instances ?? []) expect(found).toContain(offered);
  });
});

describe('a registry that is believed immediately', () => {
  const one = instance();
  const gray = instance('gray');
  const serving = (tables: ServiceTables, tag?: string): readonly Instance[] => tables.route(A, tag)?.instances ?? [];

  test('removes a whole lane with one report', () => {
    const doubts: number[] = [];
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, holdMs: () => 0, onDoubt: ({ doubted }) => doubts.push(doubted) });
    tables.update(A, [one, gray]);
    tables.update(A, [one]);
    expect([serving(tables, 'gray'), doubts]).toEqual([[one], []]);
    tables.update(A, []);
    expect(serving(tables)).toEqual([]);
  });

  test('also has refused connections remembered, and how long to skip the instance', () => {
    let nowMs = 0;
    let wake = (): void => {};
    const clock = { nowMs: () => nowMs, after: (_: number, work: () => void) => ((wake = work), () => {}) };
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, holdMs: () => 0, clock });
    tables.update(A, [one, gray]);
    tables.refused(A, gray.ip, gray.port);
    expect(serving(tables, 'gray')).toEqual([one]);
    nowMs = 5_001;
    wake();
    expect(serving(tables, 'gray')).toEqual([gray]);
  });
});

describe('lane groups that arrive after the instances, and name one of their labels', () => {
  const [one, another] = [instance(), instance()];
  const labelled = instance(undefined, { metadata: { version: 'v2' } });
  const LABELS = compileLaneGroups({
    version: 1,
    groups: [{ name: 'shop', services: ['a'], lanes: [{ name: 'gray', tag: 'gray', polaris: { key: 'version', values: ['v2'] } }] }],
  });
  const clock = { nowMs: () => 0, after: () => () => {} };
  const tablesOf = (...instances: Instance[]): ServiceTables => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, holdMs: () => 40_000, remembersGone: true, clock });
    tables.update(A, instances);
    return tables;
  };
  const serving = (tables: ServiceTables, tag?: string): readonly Instance[] => tables.route(A, tag)?.instances ?? [];

  test('a list that lacks the whole lane is doubted, as if it had been a lane from the start', () => {
    const tables = tablesOf(one, another, labelled);
    tables.setRules(LABELS);
    tables.update(A, [one, another]);
    expect(serving(tables, 'gray')).toEqual([labelled]);
    // And when they are taken back, the one that is gone was a base instance among others.
    const back = tablesOf(one, another, labelled);
    back.setRules(LABELS);
    back.setRules(undefined);
    back.update(A, [one, another]);
    expect(serving(back, 'gray')).toEqual([one, another]);
  });

  test('base that has refused connections is tried again if nobody else is base', () => {
    const tables = tablesOf(one, labelled);
    tables.refused(A, one.ip, one.port);
    expect(serving(tables)).toEqual([labelled]);
    tables.setRules(LABELS);
    expect(serving(tables)).toEqual([one]);
  });

  test('a doubt whether a lane has lost its tags ends if the new labels name them', () => {
    const doubts: number[] = [];
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, holdMs: () => 40_000, clock, onDoubt: ({ doubted }) => doubts.push(doubted) });
    const tagged = instance('gray');
    const relabelled = { ...tagged, metadata: { version: 'v2' } };
    tables.update(A, [one, tagged]);
    tables.update(A, [one, relabelled]);
    expect(serving(tables, 'gray')).toEqual([tagged]);
    tables.setRules(LABELS);
    expect([serving(tables, 'gray'), doubts]).toEqual([[relabelled], [1, 0]]);
  });

  test('the address of a gone instance is known by its former lane', () => {
    const other = instance(undefined, { metadata: { version: 'v2' } });
    const tables = tablesOf(one, other, labelled);
    tables.update(A, [one, labelled]);
    const tag = (): string | undefined => tables.findByAddress(other.ip, other.port)?.tag;
    expect([tables.findByAddress(other.ip, other.port)?.gone === undefined, tag()]).toEqual([false, undefined]);
    tables.setRules(LABELS);
    expect(tag()).toBe('gray');
    tables.setRules(undefined);
    expect(tag()).toBe(undefined);
  });
});
