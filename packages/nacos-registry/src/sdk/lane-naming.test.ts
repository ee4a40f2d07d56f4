import { describe, expect, test } from 'vitest';
import { compileLaneGroups } from '@lane/core/rules';
import {
  createTagCodec,
  DEFAULT_FORMATS,
  DEFAULT_NEAR_POLICY,
  ServiceTables,
  type NearPolicy,
  type Tag,
  type TagCodecOptions,
} from '@lane/core/model';
import { LaneNaming, type LaneNamingOptions } from './lane-naming.js';
import type { NacosInstance } from '../nacos-instance.js';
import { createSnapshotStore } from '@lane/storage';
import { instanceAt, ManualClock, Received, RecordingLog, temporaryFolder } from '@lane/testing';

const KEY = { group: 'DEFAULT_GROUP', name: 'orders' };

interface Host {
  ip: string;
  port: number;
  weight: number;
  healthy: boolean;
  enabled: boolean;
  clusterName: string;
  metadata: Record<string, string>;
}

function host(port: number, tag?: Tag, rest: Partial<Host> = {}): Host {
  return { ...instanceAt(port, tag), clusterName: 'DEFAULT', ...rest };
}

/** How an instance that the SDK's list lacks is shown. */
const SHOWN = {
  toHost: ({ cluster, ...instance }: NacosInstance): Host => ({ ...instance, metadata: { ...instance.metadata }, clusterName: cluster }),
};

const ports = (hosts: ReadonlyArray<{ port: number }>): number[] => hosts.map(({ port }) => port);

function laneNaming(options: Partial<LaneNamingOptions> & { formats?: TagCodecOptions['formats'] } = {}): {
  lanes: LaneNaming;
  tables: ServiceTables;
  log: RecordingLog;
} {
  const tables = options.tables ?? new ServiceTables({ formats: DEFAULT_FORMATS });
  const log = new RecordingLog();
  const codec = createTagCodec(options.formats === undefined ? {} : { formats: options.formats });
  const lanes = new LaneNaming({
    codec,
    guard: (_, work) => work(),
    currentTag: () => undefined,
    backgroundTag: () => undefined,
    log,
    ...options,
    tables,
  });
  return { lanes, tables, log };
}

describe('metadata to register with', () => {
  test("is the app's own object if the instance has no tag", () => {
    const metadata = { lane: 'blue' };
    expect(laneNaming().lanes.tagMetadata(KEY.name, metadata)).toBe(metadata);
  });

  test('is a copy with the tag in all written formats', () => {
    const metadata = Object.freeze({ zone: 'a' });
    expect(laneNaming({ tag: 'gray', formats: ['baggage', 'mse', 'dubbo'] }).lanes.tagMetadata(KEY.name, metadata)).toEqual({
      zone: 'a',
      lane: 'gray',
      'alicloud.service.tag': 'gray',
      'dubbo.tag': 'gray',
    });
    expect(laneNaming({ tag: 'gray' }).lanes.tagMetadata(KEY.name, undefined)).toEqual({ lane: 'gray' });
  });

  test('names no other lane, which is logged once', () => {
    const { lanes, log } = laneNaming({ tag: 'gray' });
    for (let i = 0; i < 2; i++) {
      expect(
        lanes.tagMetadata(KEY.name, { zone: 'a', lane: 'blue', 'alicloud.service.tag': 'blue', 'opensergo.io/canary-blue': '', 'dubbo.tag': 'gray' }),
      ).toEqual({
        zone: 'a',
        lane: 'gray',
        'dubbo.tag': 'gray',
      });
    }
    expect(log.lines).toEqual([
      expect.stringMatching(/^warn: .*lane=blue, alicloud.service.tag=blue, opensergo.io\/canary-blue=.*lane gray.*LANE_TAG/),
    ]);
  });
});

describe('near first', () => {
  const NEAR: NearPolicy = { ...DEFAULT_NEAR_POLICY, circle: 'zone' };
  const at = (port: number, zone: string, tag?: Tag, more: Partial<Host> = {}): Host => {
    const plain = host(port, tag, more);
    return { ...plain, metadata: { ...plain.metadata, zone } };
  };

  test('a list has the near ones of its lane as long as one of them can serve; those that cannot stay unchanged', () => {
    const { lanes } = laneNaming({ tables: new ServiceTables({ formats: DEFAULT_FORMATS, near: NEAR, place: { zone: 'a' } }) });
    const hosts = [at(1, 'a'), at(2, 'b'), at(3, 'b', undefined, { healthy: false }), at(4, 'b', 'gray')];
    lanes.observe(KEY, hosts);
    expect(ports(lanes.view(KEY, hosts, undefined, SHOWN))).toEqual([1, 3]);
    expect(ports(lanes.view(KEY, hosts, 'gray', SHOWN))).toEqual([4]);
    const without = [at(1, 'a', undefined, { healthy: false }), ...hosts.slice(1)];
    lanes.observe(KEY, without);
    expect(ports(lanes.view(KEY, without, undefined, SHOWN))).toEqual([1, 2, 3]);
  });

  test('an older or newer list without the near ones counts by itself', () => {
    const { lanes } = laneNaming({ tables: new ServiceTables({ formats: DEFAULT_FORMATS, near: NEAR, place: { zone: 'a' } }) });
    lanes.observe(KEY, [at(1, 'a'), at(2, 'b')]);
    expect(ports(lanes.view(KEY, [at(2, 'b')], undefined, SHOWN))).toEqual([2]);
  });

  test('an instance registers with its place, unless the app sets it', () => {
    const { lanes } = laneNaming({ place: { zone: 'a', region: 'north' } });
    expect(lanes.tagMetadata(KEY.name, { zone: 'b', weight: '1' })).toEqual({ zone: 'b', region: 'north', weight: '1' });
    expect(laneNaming({ place: { zone: 'a' }, tag: 'gray' }).lanes.tagMetadata(KEY.name, null)).toEqual({ zone: 'a', lane: 'gray' });
    const metadata = {};
    expect(laneNaming({ place: {} }).lanes.tagMetadata(KEY.name, metadata)).toBe(metadata);
  });
});

describe('the view of a list', () => {
  // The contract's table: who is there → what a tag sees.
  test.each<[string, Host[], Tag | undefined, number[]]>([
    ['untagged traffic goes to base', [host(1), host(2, 'gray')], undefined, [1]],
    ['tagged traffic goes to its lane', [host(1), host(2, 'gray'), host(3, 'blue')], 'gray', [2]],
    ['a lane that is absent is served by base', [host(1), host(2, 'gray')], 'blue', [1]],
    ['an unhealthy lane counts as absent', [host(1), host(2, 'gray', { healthy: false })], 'gray', [1]],
    ['so does a disabled one', [host(1), host(2, 'gray', { enabled: false })], 'gray', [1]],
    ['and one of weight 0', [host(1), host(2, 'gray', { weight: 0 })], 'gray', [1]],
    ['what is in the lane is seen in whatever health', [host(1), host(2, 'gray'), host(3, 'gray', { healthy: false })], 'gray', [2, 3]],
    ['an empty base is never filled from a lane', [host(2, 'gray')], undefined, []],
    ['an unhealthy base is seen as it is', [host(1, undefined, { healthy: false }), host(2, 'gray')], undefined, [1]],
    ['a tag with neither lane nor usable base sees nothing', [host(1, undefined, { healthy: false }), host(2, 'gray')], 'blue', []],
    ['without lanes everything is seen, as it is', [host(1), host(2, undefined, { healthy: false })], undefined, [1, 2]],
    ['without lanes a tag sees all of base', [host(1), host(2, undefined, { healthy: false })], 'gray', [1, 2]],
  ])('%s', (_rule, hosts, tag, seen) => {
    const { lanes } = laneNaming();
    lanes.observe(KEY, hosts);
    const before = structuredClone(hosts);
    expect(ports(lanes.view(KEY, hosts, tag, SHOWN))).toEqual(seen);
    expect(hosts).toEqual(before);
  });

  test('is empty for an absent lane with fallback none', () => {
    const { lanes } = laneNaming({ tables: new ServiceTables({ formats: DEFAULT_FORMATS, fallback: 'none' }) });
    const hosts = [host(1)];
    lanes.observe(KEY, hosts);
    expect(lanes.view(KEY, hosts, 'gray', SHOWN)).toEqual([]);
    expect(ports(lanes.view(KEY, hosts, undefined, SHOWN))).toEqual([1]);
  });

  test('has instances of disabled lanes in base, if base is everything outside enabled lanes', () => {
    const { lanes, tables } = laneNaming({ tables: new ServiceTables({ formats: DEFAULT_FORMATS, baseMode: 'outside-enabled-lanes' }) });
    const lane = { name: 'gray', tag: 'gray' };
    const document = (enabled: boolean) => ({ version: 1 as const, groups: [{ name: 'shop', services: ['orders'], lanes: [{ ...lane, enabled }] }] });
    const hosts = [host(1), host(2, 'gray')];
    lanes.observe(KEY, hosts);
    tables.setRules(compileLaneGroups(document(true)));
    expect(ports(lanes.view(KEY, hosts, undefined, { ...SHOWN, lasting: true }))).toEqual([1]);
    expect(ports(lanes.view(KEY, hosts, 'gray', { ...SHOWN, lasting: true }))).toEqual([2]);
    tables.setRules(compileLaneGroups(document(false)));
    expect(ports(lanes.view(KEY, hosts, undefined, { ...SHOWN, lasting: true }))).toEqual([1, 2]);
    expect(ports(lanes.view(KEY, hosts, 'gray', { ...SHOWN, lasting: true }))).toEqual([1, 2]);
  });

  test('is a copy each time, even of the same array', () => {
    const { lanes } = laneNaming();
    const hosts = [host(1), host(2)];
    lanes.observe(KEY, hosts);
    lanes.view(KEY, hosts, undefined, { ...SHOWN, lasting: true }).pop();
    expect(ports(lanes.view(KEY, hosts, undefined, { ...SHOWN, lasting: true }))).toEqual([1, 2]);
    expect(lanes.view(KEY, hosts, undefined, SHOWN)).not.toBe(hosts);
  });

  test('of a list older than the observed one shows the list', () => {
    const { lanes } = laneNaming();
    lanes.observe(KEY, [host(1), host(2, 'gray')]);
    expect(ports(lanes.view(KEY, [host(1)], 'gray', SHOWN))).toEqual([1]);
  });

  test('of a service never observed follows the list', () => {
    const { lanes } = laneNaming();
    expect(ports(lanes.view(KEY, [host(1), host(2, 'gray')], 'gray', SHOWN))).toEqual([2]);
  });

  test('of some clusters looks for the lane in those', () => {
    const { lanes } = laneNaming();
    const hosts = [host(1), host(2, undefined, { clusterName: 'B' }), host(3, 'gray', { clusterName: 'B' })];
    lanes.observe(KEY, hosts);
    expect(ports(lanes.view(KEY, hosts.slice(0, 1), 'gray', { ...SHOWN, clusters: 'DEFAULT' }))).toEqual([1]);
    expect(ports(lanes.view(KEY, hosts.slice(1), 'gray', { ...SHOWN, clusters: ['B'] }))).toEqual([3]);
    expect(ports(lanes.view(KEY, hosts, 'gray', { ...SHOWN, clusters: 'B,DEFAULT' }))).toEqual([3]);
  });
});

describe('an observed list', () => {
  test('fills the tables, an answer for some clusters in addition to those for others', () => {
    const { lanes, tables } = laneNaming();
    const known = (): number[] => ports(tables.get(KEY)?.instances ?? []).sort((a, b) => a - b);
    lanes.observe(KEY, [host(1)], 'DEFAULT');
    lanes.observe(KEY, [host(2, undefined, { clusterName: 'B' })], 'B');
    expect(known()).toEqual([1, 2]);
    lanes.observe(KEY, [], 'B');
    expect(known()).toEqual([1]);
    lanes.observe(KEY, [host(3)], '');
    expect(known()).toEqual([3]);
    expect(tables.findByAddress('10.0.0.1', 3)?.table.key).toEqual(KEY);
  });

  test('that is empty is shown as the table treats it: instances that stay in use are in the view of the list that lacks them', () => {
    const clock = new ManualClock();
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, holdMs: () => 40_000, clock });
    const { lanes } = laneNaming({ tables });
    const changes = new Received<string>();
    lanes.onChange(({ name }) => changes.push(name));
    const view = (list: Host[], tag?: Tag): number[] => ports(lanes.view(KEY, list, tag, { ...SHOWN, lasting: true }));
    lanes.observe(KEY, [host(1), host(2, 'gray'), host(3, 'gray', { clusterName: 'B' })]);
    const empty: Host[] = [];
    lanes.observe(KEY, empty);
    expect(view(empty)).toEqual([1]);
    expect(view(empty, 'gray')).toEqual([2, 3]);
    expect(ports(lanes.view(KEY, empty, 'gray', { ...SHOWN, clusters: 'B' }))).toEqual([3]);
    // Listed again in part: the rest stays in use, each in its lane.
    const some = [host(1)];
    lanes.observe(KEY, some);
    expect(view(some)).toEqual([1]);
    expect(view(some, 'gray')).toEqual([2, 3]);
    expect(changes.all).toEqual(['orders']);
    clock.pass(40_000);
    expect(changes.all).toEqual(['orders', 'orders']);
    expect(view(some, 'gray')).toEqual([1]);
  });

  test('that is all unhealthy is shown with the health in which it is in use', () => {
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, holdMs: () => 40_000, clock: new ManualClock() });
    const { lanes } = laneNaming({ tables });
    lanes.observe(KEY, [host(1), host(2, 'gray')]);
    const ill = [host(1, undefined, { healthy: false }), host(2, 'gray', { healthy: false })];
    lanes.observe(KEY, ill);
    const keeps = ({ healthy }: Host): boolean => healthy;
    expect(lanes.view(KEY, ill, 'gray', { ...SHOWN, keeps })).toEqual([host(2, 'gray')]);
    expect(ill[1]?.healthy).toBe(false);
  });

  test('omits entries that are not instances', () => {
    const { lanes, tables } = laneNaming();
    lanes.observe(KEY, [null, {}, { ip: '10.0.0.1' }, host(1, undefined, { metadata: null as never })]);
    expect(ports(tables.get(KEY)?.instances ?? [])).toEqual([1]);
  });

  test('of very many is awaited if it is the first one, and then viewed through its table', async () => {
    const slices: Array<() => void> = [];
    const clock = { nowMs: () => 0, after: (_: number, work: () => void) => (slices.push(work), () => {}) };
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, clock, slicing: { atOnce: 2, pieces: 3, holdMs: 0 } });
    const { lanes } = laneNaming({ tables });
    const list = [host(1), host(2, 'gray'), host(3, 'gray')];
    expect(lanes.untilKnown(KEY)).toBe(undefined);
    lanes.observe(KEY, list);
    const known = lanes.untilKnown(KEY);
    slices.shift()?.();
    expect(tables.get(KEY)).toBe(undefined);
    while (slices.length > 0) slices.shift()?.();
    await known;
    expect(ports(tables.get(KEY)?.instances ?? [])).toEqual([1, 2, 3]);
    // The next one comes into use behind the back of calls.
    lanes.observe(KEY, [host(1), host(4, 'gray'), host(5, 'blue')]);
    expect(lanes.untilKnown(KEY)).toBe(undefined);
  });

  test('is remembered for the next run, with clusters', async () => {
    const store = { directory: temporaryFolder(), namespace: 'public' };
    const snapshots = createSnapshotStore(store);
    laneNaming({ snapshots }).lanes.observe(KEY, [host(1), host(2, 'gray', { clusterName: 'B' })]);
    await snapshots.flush();

    const { lanes, tables, log } = laneNaming({ snapshots: createSnapshotStore(store) });
    expect(ports(lanes.recall(KEY) ?? [])).toEqual([1, 2]);
    expect(ports(lanes.recall(KEY, 'B') ?? [])).toEqual([2]);
    expect(tables.get(KEY)?.origin).toBe('snapshot');
    expect(lanes.recall({ ...KEY, name: 'unknown' })).toBeUndefined();
    expect(log.lines).toEqual([expect.stringMatching(/^warn: Nacos can't be asked for orders: .*2 instances/)]);

    lanes.observe(KEY, [host(9)]);
    expect(tables.get(KEY)?.origin).toBe('sdk');
  });
});
