/**
 * What the adapter does is tried here on a stand-in for the SDK, which shows the SDK's own mistakes at will; the contract suite
 * tries it on real servers.
 */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createTagCodec, currentLane, DEFAULT_FORMATS, runInLane, ServiceTables, type Tag } from '@lane/core/model';
import {
  decorate,
  decorateClass,
  LaneNaming,
  nacosGrpcAdapter,
  type AppRegistration,
  type ConnectionInfo,
  type LaneNamingOptions,
} from '../../dist/index.js';
import { Received, temporaryFolder } from '@lane/testing';
import { createSnapshotStore } from '@lane/storage';

interface Host {
  ip: string;
  port: number;
  healthy?: boolean;
  metadata?: Record<string, string>;
}

type Listener = (error: Error | null, hosts: Host[]) => unknown;

/** The SDK's client: what the server has, what its cache has, and whether there is a connection. */
class StandIn {
  server: Host[] = [];
  cache: Host[] | undefined;
  isConnected = true;
  registered: unknown[] = [];
  deregistered: unknown[] = [];
  refuses = false;
  readonly listeners: Listener[] = [];
  readonly lanes: Array<Tag | undefined> = [];

  constructor(_options?: object) {}

  async registerInstance(...args: unknown[]): Promise<void> {
    this.registered.push(args);
  }
  async deregisterInstance(...args: unknown[]): Promise<void> {
    this.deregistered.push(args);
    if (this.refuses) throw new Error('refused');
  }
  async batchRegisterInstance(...args: unknown[]): Promise<void> {
    this.registered.push(args);
  }
  async getAllInstances(_service: string, _group: string, _clusters: string[] | undefined, subscribe: boolean): Promise<Host[]> {
    this.lanes.push(currentLane());
    if (!this.isConnected && !subscribe) throw new Error('the connection is not connected');
    const hosts = subscribe ? (this.cache ?? this.server) : this.server;
    return structuredClone(this.isConnected || this.cache !== undefined ? hosts : []);
  }
  async selectInstances(service: string, group: string, clusters?: string[], subscribe = true, healthy = true): Promise<Host[]> {
    return (await this.getAllInstances(service, group, clusters, subscribe)).filter((host) => (host.healthy ?? true) === healthy);
  }
  async selectOneHealthyInstance(service: string, group: string, clusters?: string[], subscribe = true): Promise<Host> {
    const [one] = await this.selectInstances(service, group, clusters, subscribe);
    if (one === undefined) throw new Error(`no available ${service} service instance can be selected`);
    return one;
  }
  async subscribe(_service: string, _group: string, _clusters: string[] | undefined, listener: Listener): Promise<void> {
    this.listeners.push(listener);
  }
  async unSubscribe(): Promise<void> {}
}

const GROUP = 'DEFAULT_GROUP';
const at = (port: number, tag?: Tag, healthy = true): Host => ({ ip: '10.0.0.1', port, healthy, metadata: tag === undefined ? {} : { lane: tag } });
const ports = (hosts: readonly Host[]): number[] => hosts.map(({ port }) => port);

/** The period in which the server is asked past the SDK's cache. */
const FOLLOW_MS = 3_000;

function useFakeTimers(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
}

function decorated({ holdMs = 0, ...options }: Partial<LaneNamingOptions> & { holdMs?: number } = {}): { client: StandIn; tables: ServiceTables } {
  const tables = new ServiceTables({ formats: DEFAULT_FORMATS, holdMs: () => holdMs });
  const lanes = new LaneNaming({
    tables,
    codec: createTagCodec(),
    guard: (_, work) => work(),
    currentTag: currentLane,
    backgroundTag: () => undefined,
    ...options,
  });
  const client = new StandIn();
  decorate(nacosGrpcAdapter, client, lanes);
  return { client, tables };
}

describe('registration', () => {
  test('adds the tag, for one and for several instances', async () => {
    const registered = new Received<unknown>();
    const { client } = decorated({ tag: 'gray', onRegister: (key, metadata) => registered.push([key, metadata]) });
    const instance = { ...at(1), metadata: { zone: 'a' } };
    await client.registerInstance('orders', GROUP, instance);
    await client.batchRegisterInstance('orders', GROUP, [instance, { ip: '10.0.0.2', port: 2 }]);
    const tagged = { ...instance, metadata: { zone: 'a', lane: 'gray' } };
    expect(client.registered).toEqual([
      ['orders', GROUP, tagged],
      ['orders', GROUP, [tagged, { ip: '10.0.0.2', port: 2, metadata: { lane: 'gray' } }]],
    ]);
    expect(instance.metadata).toEqual({ zone: 'a' });
    expect(registered.all).toHaveLength(3);
    expect(registered.all[0]).toEqual([
      { group: GROUP, name: 'orders' },
      { zone: 'a', lane: 'gray' },
    ]);
  });

  test('leaves the app’s objects alone without a tag', async () => {
    const { client } = decorated();
    const instance = at(1, 'blue');
    await client.registerInstance('orders', GROUP, instance);
    expect((client.registered[0] as unknown[])[2]).toBe(instance);
  });
});

describe('lossless', () => {
  const instance = at(1);

  test('the app does not deregister again what the agent has deregistered, until it has registered again', async () => {
    const registrations: AppRegistration[] = [];
    const gone = new Received<string>();
    const { client } = decorated({
      tag: 'gray',
      onRegister: (_, __, registration) => void registrations.push(registration),
      onDeregister: (key, address) => gone.push(`${key.name} ${address}`),
    });
    await client.registerInstance('orders', GROUP, instance);
    await registrations[0]?.announceLeave();
    expect(client.registered.at(-1)).toEqual(['orders', GROUP, { ...instance, metadata: { lane: 'gray', 'lane.leaving': 'true' } }]);
    await registrations[0]?.withdraw();
    await client.deregisterInstance('orders', GROUP, instance);
    expect([client.deregistered.length, registrations.length, gone.all]).toEqual([1, 1, []]);

    await client.registerInstance('orders', GROUP, instance);
    await client.deregisterInstance('orders', GROUP, instance);
    expect([client.deregistered.length, gone.all]).toEqual([2, ['orders 10.0.0.1:1']]);
  });

  test('the app itself deregisters what the agent could not', async () => {
    const registrations: AppRegistration[] = [];
    const { client } = decorated({ onRegister: (_, __, registration) => void registrations.push(registration) });
    await client.registerInstance('orders', GROUP, instance);
    client.refuses = true;
    await expect(registrations[0]?.withdraw()).rejects.toThrow('refused');
    await expect(client.deregisterInstance('orders', GROUP, instance)).rejects.toThrow('refused');
    client.refuses = false;
    await client.deregisterInstance('orders', GROUP, instance);
    expect(client.deregistered).toHaveLength(3);
  });

  test.each([
    ['one', 'registerInstance', instance],
    ['several', 'batchRegisterInstance', [instance, at(2)]],
  ] as const)('a gate decides about a registration of %s', async (_, method, given) => {
    const passed = new Received<unknown>();
    let open = (): void => {};
    const { client } = decorated({
      gate: {
        pass: (id, registration, go) => {
          passed.push([id, registration]);
          return new Promise<void>((resolve) => (open = resolve)).then(go);
        },
        cancel: () => false,
      },
    });
    const registered = client[method]('orders', GROUP, given);
    expect(passed.all).toEqual([[`${GROUP}@@orders 10.0.0.1:1`, { service: 'orders', ip: '10.0.0.1', port: 1 }]]);
    expect(client.registered).toEqual([]);
    open();
    await registered;
    expect(client.registered).toHaveLength(1);
  });

  test('an instance without an address does not concern the gate', async () => {
    const { client } = decorated({ gate: { pass: () => expect.unreachable(), cancel: () => false } });
    for (const odd of [undefined, {}, { ip: '10.0.0.1', port: 70_000 }, { ip: '', port: 1 }]) await client.registerInstance('orders', GROUP, odd);
    expect(client.registered).toHaveLength(4);
  });
});

describe('discovery', () => {
  test('shows each lane its instances, and the others base', async () => {
    const { client, tables } = decorated();
    client.server = [at(1), at(2, 'gray'), at(3, 'gray', false)];
    for (const [tag, all, one] of [
      [undefined, [1], 1],
      ['gray', [2, 3], 2],
      ['blue', [1], 1],
    ] as const) {
      await runInLane(tag, async () => {
        expect(ports(await client.getAllInstances('orders', GROUP, [], true))).toEqual(all);
        expect(ports(await client.selectInstances('orders', GROUP))).toEqual([one]);
        expect((await client.selectOneHealthyInstance('orders', GROUP)).port).toBe(one);
      });
    }
    expect(ports(await runInLane('gray', () => client.selectInstances('orders', GROUP, [], true, false)))).toEqual([3]);
    expect(tables.get({ group: GROUP, name: 'orders' })?.instances).toHaveLength(3);
    expect(new Set(client.lanes)).toEqual(new Set([undefined]));
  });

  test('of one instance fails like for an unreachable peer if the lane allows none', async () => {
    const { client } = decorated();
    client.server = [at(2, 'gray')];
    await expect(client.selectOneHealthyInstance('orders', GROUP)).rejects.toMatchObject({ code: 'ELANE_UNAVAILABLE', service: 'orders' });
  });

  test('knows when the last instance has gone, which the SDK’s cache does not', async () => {
    useFakeTimers();
    const { client, tables } = decorated();
    client.server = [at(1)];
    client.cache = [at(1)];
    expect(ports(await client.getAllInstances('orders', GROUP, [], true))).toEqual([1]);
    client.server = [];
    await vi.advanceTimersByTimeAsync(FOLLOW_MS);
    expect(await client.getAllInstances('orders', GROUP, [], true)).toEqual([]);
    expect(tables.get({ group: GROUP, name: 'orders' })?.instances).toEqual([]);
    client.server = client.cache = [at(2)];
    expect(ports(await client.getAllInstances('orders', GROUP, [], true))).toEqual([2]);
  });

  test('continues with the known instances when the connection is lost', async () => {
    const { client } = decorated({ holdMs: 40_000 });
    client.server = [at(1), at(2, 'gray')];
    expect(ports(await client.getAllInstances('orders', GROUP, [], true))).toEqual([1]);
    client.isConnected = false;
    expect(ports(await client.getAllInstances('orders', GROUP, [], true))).toEqual([1]);
    expect(ports(await runInLane('gray', () => client.getAllInstances('orders', GROUP, [], false)))).toEqual([2]);
    // Back, with the server not knowing anybody yet.
    client.isConnected = true;
    client.server = [];
    expect(ports(await client.getAllInstances('orders', GROUP, [], true))).toEqual([1]);
  });

  test('continues with the snapshot if there has been no connection yet', async () => {
    const store = { directory: temporaryFolder(), namespace: 'public' };
    const snapshots = createSnapshotStore(store);
    const first = decorated({ snapshots }).client;
    first.server = [at(1), at(2, 'gray')];
    await first.getAllInstances('orders', GROUP, [], true);
    await snapshots.flush();

    const { client } = decorated({ snapshots: createSnapshotStore(store) });
    client.isConnected = false;
    expect(ports(await runInLane('gray', () => client.selectInstances('orders', GROUP)))).toEqual([2]);
    await expect(client.getAllInstances('unknown', GROUP, [], false)).rejects.toThrow('not connected');
  });
});

describe('subscriptions', () => {
  test('show the lane of background work, until unSubscribe', async () => {
    const { client } = decorated();
    const received = new Received<readonly [unknown, Host[], Tag | undefined]>();
    const listener: Listener = (error, hosts) => received.push([error, hosts, currentLane()]);
    await runInLane('blue', () => client.subscribe('orders', GROUP, [], listener));
    const tell = (hosts: Host[]): void => {
      for (const each of client.listeners) runInLane('blue', () => each(null, hosts));
    };
    tell([at(1), at(2, 'gray')]);
    expect(received.all).toEqual([[null, [at(1)], undefined]]);
    const failure = new Error('theirs');
    for (const each of client.listeners) each(failure, undefined as never);
    expect(received.last?.[0]).toBe(failure);
    await (client.unSubscribe as (...args: unknown[]) => Promise<void>)('orders', GROUP, [], listener);
    tell([at(3)]);
    expect(received.all).toHaveLength(2);
  });

  test('hear that the last instance has gone, which the SDK does not report', async () => {
    useFakeTimers();
    const { client } = decorated();
    const received = new Received<Host[]>();
    client.server = client.cache = [at(1)];
    await client.subscribe('orders', GROUP, [], (_error, hosts) => received.push(hosts));
    for (const listener of client.listeners) listener(null, [at(1)]);
    client.server = [];
    await vi.advanceTimersByTimeAsync(FOLLOW_MS);
    expect(received.all).toEqual([[at(1)], []]);
  });
});

test('options of clients are reported when they are created', () => {
  const told = new Received<ConnectionInfo>();
  const lanes = new LaneNaming({
    tables: new ServiceTables({ formats: DEFAULT_FORMATS }),
    codec: createTagCodec(),
    guard: (_, work) => work(),
    currentTag: currentLane,
    backgroundTag: () => undefined,
    onConnection: told.push,
  });
  const exports = { NacosNamingClient: StandIn };
  decorateClass(nacosGrpcAdapter, exports, lanes);
  const client = new exports.NacosNamingClient({ serverAddr: '10.0.0.9:8848', namespace: 'dev', username: 'me', password: 'secret' });
  expect(client).toBeInstanceOf(StandIn);
  expect(told.all).toEqual([{ server: '10.0.0.9:8848', namespace: 'dev', username: 'me', password: 'secret', transport: 'grpc' }]);
});
