import { EventEmitter } from 'node:events';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { NacosNamingClient } from 'nacos';
import { createTagCodec, currentLane, DEFAULT_FORMATS, runInLane, ServiceTables, type Tag } from '@lane/core/model';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import {
  connectNacos,
  decorate,
  LaneNaming,
  nacosAdapter,
  type ConnectionInfo,
  type LaneNamingOptions,
  type NacosConnection,
} from '../../dist/index.js';
import { closing, eventually, freePort, ManualClock, Received, temporaryFolder } from '@lane/testing';
import { createSnapshotStore } from '@lane/storage';

/** The SDK's client, with the parts of it that its types leave out. */
type Client = NacosNamingClient & {
  getAllInstances(service: string, group?: string, clusters?: string, subscribe?: boolean): Promise<Host[]>;
  selectInstances(service: string, group?: string, clusters?: string, healthy?: boolean, subscribe?: boolean): Promise<Host[]>;
  subscribe(info: unknown, listener: (...args: never[]) => unknown): void;
  unSubscribe(info: unknown, listener?: (...args: never[]) => unknown): void;
  readonly _hostReactor: { on(event: string, listener: () => void): void };
};

interface Host {
  readonly ip: string;
  readonly port: number;
  readonly healthy: boolean;
  readonly metadata: Record<string, string>;
}

const GROUP = 'DEFAULT_GROUP';
const quiet = { info() {}, warn() {}, error() {}, debug() {}, log() {} } as unknown as typeof console;
const ports = (hosts: readonly Host[]): number[] => hosts.map(({ port }) => port).sort((a, b) => a - b);
const at = (port: number, tag?: Tag, rest: object = {}) => ({
  ip: '127.0.0.1',
  port,
  metadata: (tag === undefined ? {} : { lane: tag }) as Record<string, string>,
  ...rest,
});

let nacos: EmbeddedNacos;
beforeAll(async () => {
  nacos = await startEmbeddedNacos({ port: 0 });
  return () => nacos.close();
});

let count = 0;
const newService = (): string => `service-${++count}`;

function provide(server: string = nacos.address): NacosConnection {
  return closing(connectNacos({ server }));
}

function laneNaming(options: Partial<LaneNamingOptions> = {}): LaneNaming {
  return new LaneNaming({
    tables: new ServiceTables({ formats: DEFAULT_FORMATS }),
    codec: createTagCodec(),
    guard: (_, work) => work(),
    currentTag: currentLane,
    backgroundTag: () => undefined,
    ...options,
  });
}

/** A client as an app makes it. */
async function plainClient(options: Record<string, unknown> = {}): Promise<Client> {
  const client = new NacosNamingClient({ logger: quiet, serverList: nacos.address, ...options }) as unknown as Client;
  // Else the SDK prints to the console what it could not reach.
  client._hostReactor.on('error', () => {});
  await client.ready();
  closing(client as Client & { close(): void });
  return client;
}

async function decorated(lanes: LaneNaming = laneNaming(), options: Record<string, unknown> = {}): Promise<Client> {
  const client = await plainClient(options);
  decorate(nacosAdapter, client, lanes);
  return client;
}

describe('registration', () => {
  test('adds the tag, to a plain instance and to one of the app’s own class', async () => {
    class Registered {
      ip = '127.0.0.1';
      port = 1001;
      metadata = { zone: 'a' };
      get weight(): number {
        return 3;
      }
    }
    const registered = new Received<unknown>();
    const client = await decorated(laneNaming({ tag: 'gray', onRegister: (key, metadata) => registered.push([key, metadata]) }));
    const service = newService();
    const instance = new Registered();
    await client.registerInstance(service, instance as never);
    await client.registerInstance(service, { ip: '127.0.0.1', port: 1002 } as never, GROUP);

    expect(instance.metadata).toEqual({ zone: 'a' });
    const stored = await provide().list({ group: GROUP, name: service });
    expect(stored.map(({ port, weight, metadata }) => [port, weight, metadata]).sort(([a], [b]) => Number(a) - Number(b))).toEqual([
      [1001, 3, { zone: 'a', lane: 'gray' }],
      [1002, 1, { lane: 'gray' }],
    ]);
    expect(registered.all[0]).toEqual([
      { group: GROUP, name: service },
      { zone: 'a', lane: 'gray' },
    ]);
  });

  test('leaves the app’s metadata alone without a tag, and instances can be deregistered', async () => {
    const client = await decorated();
    const service = newService();
    await client.registerInstance(service, at(1001, 'blue') as never);
    expect((await provide().list({ group: GROUP, name: service }))[0]?.metadata).toEqual({ lane: 'blue' });
    await client.deregisterInstance(service, at(1001) as never);
    await eventually(async () => expect(await provide().list({ group: GROUP, name: service })).toEqual([]));
  });
});

describe('discovery', () => {
  test('shows each lane its instances, and the others base', async () => {
    const service = newService();
    const provider = provide();
    await provider.register({ group: GROUP, name: service }, at(1));
    await provider.register({ group: GROUP, name: service }, at(2, 'gray'));
    const client = await decorated();
    for (const [tag, seen] of [
      [undefined, 1],
      ['gray', 2],
      ['blue', 1],
    ] as const) {
      await runInLane(tag, async () => {
        expect(ports(await client.getAllInstances(service))).toEqual([seen]);
        expect(ports(await client.getAllInstances(service, GROUP, '', false))).toEqual([seen]);
        expect(ports(await client.selectInstances(service))).toEqual([seen]);
        expect(ports(await client.selectInstances(service, GROUP, 'DEFAULT', true, false))).toEqual([seen]);
        expect(await client.selectInstances(service, GROUP, '', false)).toEqual([]);
        expect(currentLane()).toBe(tag);
      });
    }
  });

  test('waits until a first list of very many instances, which is applied in slices, is in use', async () => {
    const service = newService();
    for (const port of [1, 2, 3, 4]) await provide().register({ group: GROUP, name: service }, at(port, port % 2 === 0 ? 'gray' : undefined));
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, slicing: { atOnce: 2, pieces: 3, holdMs: 0 } });
    const client = await decorated(laneNaming({ tables }));
    const gray = await runInLane('gray', () => client.getAllInstances(service));
    expect(tables.get({ group: GROUP, name: service })?.instances).toHaveLength(4);
    expect(ports(gray)).toEqual([2, 4]);
  });

  test('uses the lane of the call, not of the answer', async () => {
    const service = newService();
    await provide().register({ group: GROUP, name: service }, at(2, 'gray'));
    const client = await decorated();
    const gray = runInLane('gray', () => client.getAllInstances(service));
    const base = client.getAllInstances(service);
    expect(ports(await gray)).toEqual([2]);
    expect(ports(await base)).toEqual([]);
  });

  test('returns a new list each time', async () => {
    const service = newService();
    await provide().register({ group: GROUP, name: service }, at(1));
    const client = await decorated();
    (await client.getAllInstances(service)).pop();
    expect(ports(await client.getAllInstances(service))).toEqual([1]);
  });

  test('follows an instance that changes its lane', async () => {
    const service = newService();
    const provider = await decorated();
    const client = await decorated();
    await provider.registerInstance(service, at(1) as never);
    expect(ports(await client.getAllInstances(service))).toEqual([1]);
    await provider.registerInstance(service, at(1, 'gray') as never);
    await eventually(async () => expect(await client.getAllInstances(service)).toEqual([]));
    expect(ports(await runInLane('gray', () => client.getAllInstances(service)))).toEqual([1]);
  });

  test('knows when the last instance has gone', async () => {
    const service = newService();
    const provider = provide();
    await provider.register({ group: GROUP, name: service }, at(1));
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const client = await decorated(laneNaming({ tables }));
    const received = new Received<readonly Host[]>();
    client.subscribe(service, received.push);
    await received.until((hosts) => hosts.length === 1);
    expect(ports(await client.getAllInstances(service))).toEqual([1]);

    await provider.deregister({ group: GROUP, name: service }, at(1));
    await received.until((hosts) => hosts.length === 0);
    await eventually(async () => expect(await client.getAllInstances(service)).toEqual([]));
    expect(tables.get({ group: GROUP, name: service })?.instances).toEqual([]);

    await provider.register({ group: GROUP, name: service }, at(2));
    await received.until((hosts) => hosts.length === 1);
  });

  test('answers all concurrent calls for a service without instances', async () => {
    const service = newService();
    const client = await decorated();
    expect(await Promise.all([client.getAllInstances(service), client.getAllInstances(service), client.selectInstances(service)])).toEqual([
      [],
      [],
      [],
    ]);
  });

  test('updates the tables, with the instances of all clusters', async () => {
    const service = newService();
    const provider = provide();
    await provider.register({ group: 'ODD', name: service }, { ...at(1), cluster: 'A' });
    await provider.register({ group: 'ODD', name: service }, { ...at(2, 'gray'), cluster: 'B' });
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const client = await decorated(laneNaming({ tables }));
    expect(ports(await client.getAllInstances(service, 'ODD', 'A'))).toEqual([1]);
    expect(await client.getAllInstances(service, 'ODD', 'B')).toEqual([]);
    expect(ports(await runInLane('gray', () => client.getAllInstances(service, 'ODD', 'A,B')))).toEqual([2]);
    expect(tables.get({ group: 'ODD', name: service })?.instances.map(({ port }) => port)).toEqual([1, 2]);
  });
});

describe('clients of several namespaces', () => {
  test.each([
    ['first', undefined],
    ['second', undefined],
    ['second', 'public'],
  ] as const)('keep services with one name apart: the %s is asked first, calls by name use %s', async (first, own) => {
    const service = newService();
    const other = `tenant-${service}`;
    await provide().register({ group: GROUP, name: service }, at(1));
    const elsewhere = closing(connectNacos({ server: nacos.address, namespace: other }));
    await elsewhere.register({ group: GROUP, name: service }, at(2));
    await elsewhere.register({ group: GROUP, name: service }, at(3, 'gray'));
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const lanes = laneNaming({ tables, namespace: () => own });
    const clients = [await decorated(lanes), await decorated(lanes, { namespace: other })] as const;
    const lists = (): Promise<number[][]> =>
      Promise.all(
        clients.flatMap((client) => [
          client.getAllInstances(service).then(ports),
          runInLane('gray', () => client.selectInstances(service)).then(ports),
        ]),
      );
    if (first === 'second') await clients[1].getAllInstances(service);
    const wanted = [[1], [1], [2], [3]];
    expect(await lists()).toEqual(wanted);
    // What comes later of one is nothing to the other.
    const heard = new Received<readonly Host[]>();
    clients[1].subscribe(service, heard.push);
    await heard.until((hosts) => hosts.length === 1);
    await elsewhere.register({ group: GROUP, name: service }, at(4));
    await heard.until((hosts) => hosts.length === 2);
    expect(await lists()).toEqual([[1], [1], [2, 4], [3]]);
    const home = tables.get({ group: GROUP, name: service })?.instances.map(({ port }) => port);
    expect(home).toEqual(first === 'second' && own === undefined ? [2, 3, 4] : [1]);
  });
});

describe('subscriptions', () => {
  test('show the lane of background work, in that lane, whatever lane they were made in', async () => {
    const service = newService();
    const provider = provide();
    for (const background of [undefined, 'gray'] as const) {
      const client = await decorated(laneNaming({ backgroundTag: () => background }));
      const received = new Received<{ hosts: readonly Host[]; info: { hosts: readonly Host[] } | undefined; lane: Tag | undefined }>();
      runInLane('blue', () =>
        client.subscribe({ serviceName: service }, (hosts: readonly Host[], info?: { hosts: readonly Host[] }) =>
          received.push({ hosts, info, lane: currentLane() }),
        ),
      );
      await provider.register({ group: GROUP, name: service }, at(1));
      await provider.register({ group: GROUP, name: service }, at(2, 'gray'));
      const wanted = background === undefined ? 1 : 2;
      const { lane, hosts, info } = await received.until(
        (told) => told.hosts.length === 1 && told.hosts[0]?.port === wanted && told.info !== undefined,
      );
      expect(lane).toBe(background);
      expect(info?.hosts).toEqual(hosts);
      for (const port of [1, 2]) await provider.deregister({ group: GROUP, name: service }, at(port));
    }
  });

  test('end with unSubscribe, for the one listener of the one service', async () => {
    const [first, second] = [newService(), newService()];
    const provider = provide();
    const client = await decorated();
    const left = new Received<readonly Host[]>();
    const stayed = new Received<readonly Host[]>();
    for (const service of [first, second]) client.subscribe({ serviceName: service, groupName: GROUP }, left.push);
    client.subscribe(first, stayed.push);
    await provider.register({ group: GROUP, name: first }, at(1));
    await provider.register({ group: GROUP, name: second }, at(2));
    await left.until(() => left.all.length === 2);
    await stayed.until(() => true);

    client.unSubscribe(first, left.push);
    await provider.register({ group: GROUP, name: first }, at(3));
    await stayed.until((hosts) => hosts.length === 2);
    await provider.register({ group: GROUP, name: second }, at(4));
    await left.until((hosts) => hosts.length === 2);
    expect(ports(left.last as Host[])).toEqual([2, 4]);
    expect(left.all).toHaveLength(3);
  });

  test('of a listener subscribed twice, one ends with one unSubscribe', async () => {
    const service = newService();
    const provider = provide();
    const client = await decorated();
    await provider.register({ group: GROUP, name: service }, at(1));
    await client.getAllInstances(service, GROUP, 'DEFAULT');
    const received = new Received<readonly Host[]>();
    const timesOf = (length: number): number => received.all.filter((hosts) => hosts.length === length).length;
    client.subscribe(service, received.push);
    client.subscribe(service, received.push);
    await received.until(() => timesOf(1) === 2);
    client.unSubscribe(service, received.push);
    await provider.register({ group: GROUP, name: service }, at(2));
    await received.until(() => timesOf(2) === 1);
    client.unSubscribe(service, received.push);
    const marker = new Received<readonly Host[]>();
    client.subscribe(service, marker.push);
    await provider.register({ group: GROUP, name: service }, at(3));
    await marker.until((hosts) => hosts.length === 3);
    expect([timesOf(1), timesOf(2), timesOf(3)]).toEqual([2, 1, 0]);
  });

  test('run generator functions as the SDK does', async () => {
    const service = newService();
    const client = await decorated();
    const received = new Received<readonly Host[]>();
    client.subscribe(service, function* (hosts: readonly Host[]) {
      received.push((yield Promise.resolve(hosts)) as readonly Host[]);
    });
    await provide().register({ group: GROUP, name: service }, at(1));
    await received.until((hosts) => hosts.length === 1);
  });

  test('hear of a change at once even with calls for all clusters, to which the server pushes instead', async () => {
    const service = newService();
    const provider = provide();
    await provider.register({ group: GROUP, name: service }, at(1));
    const client = await decorated();
    const received = new Received<readonly Host[]>();
    client.subscribe(service, received.push);
    await received.until(() => true);
    await client.getAllInstances(service);
    await provider.register({ group: GROUP, name: service }, at(2));
    await received.until((hosts) => hosts.length === 2);
    expect(ports(await client.getAllInstances(service))).toEqual([1, 2]);
  });
});

describe('while Nacos is down', () => {
  /** A Nacos that is down, and a store that remembers a service of it. */
  async function lost(): Promise<{ address: string; port: number; service: string; snapshots: () => ReturnType<typeof createSnapshotStore> }> {
    const own = await startEmbeddedNacos({ port: await freePort() });
    const options = { directory: temporaryFolder(), namespace: 'public' };
    const service = newService();
    const provider = provide(own.address);
    await provider.register({ group: GROUP, name: service }, at(1));
    await provider.register({ group: GROUP, name: service }, at(2, 'gray'));
    // What they still have to write would make the folder anew after the test.
    const open = (): ReturnType<typeof createSnapshotStore> => {
      const store = createSnapshotStore(options);
      onTestFinished(() => store.flush());
      return store;
    };
    const snapshots = open();
    const client = await decorated(laneNaming({ snapshots }), { serverList: own.address });
    expect(ports(await client.getAllInstances(service))).toEqual([1]);
    await snapshots.flush();
    await provider.close();
    await own.close();
    return { address: own.address, port: own.port, service, snapshots: open };
  }

  test('a new process uses what an earlier one knew, until Nacos answers', async () => {
    const { address, port, service, snapshots } = await lost();
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
    const client = await decorated(laneNaming({ tables, snapshots: snapshots() }), { serverList: address });
    const received = new Received<readonly Host[]>();
    client.subscribe(service, received.push);
    expect(ports(await received.until(() => true))).toEqual([1]);
    expect(ports(await client.getAllInstances(service))).toEqual([1]);
    expect(ports(await client.getAllInstances(service, GROUP, '', false))).toEqual([1]);
    expect(tables.get({ group: GROUP, name: service })?.origin).toBe('snapshot');
    await runInLane('gray', async () => {
      expect(ports(await client.getAllInstances(service))).toEqual([2]);
      expect(ports(await client.selectInstances(service))).toEqual([2]);
      expect(await client.selectInstances(service, GROUP, '', false)).toEqual([]);
    });
    await expect(client.getAllInstances('never-seen', GROUP, '', false)).rejects.toThrow('after all servers');

    const again = closing(await startEmbeddedNacos({ port }));
    await provide(again.address).register({ group: GROUP, name: service }, at(3));
    await eventually(async () => expect(ports(await client.getAllInstances(service))).toEqual([3]));
    expect(tables.get({ group: GROUP, name: service })?.origin).toBe('sdk');
  });

  test('an empty answer of a running Nacos is accepted', async () => {
    const { service, snapshots } = await lost();
    const client = await decorated(laneNaming({ snapshots: snapshots() }));
    expect(await client.getAllInstances(service)).toEqual([]);
    expect(await client.selectInstances(service)).toEqual([]);
  });

  test('when it comes back still empty, the known instances stay', async () => {
    const own = await startEmbeddedNacos({ port: await freePort() });
    const service = newService();
    const provider = provide(own.address);
    await provider.register({ group: GROUP, name: service }, at(1));
    const tables = new ServiceTables({ formats: DEFAULT_FORMATS, holdMs: () => 40_000, clock: new ManualClock() });
    const client = await decorated(laneNaming({ tables }), { serverList: own.address });
    expect(ports(await client.getAllInstances(service))).toEqual([1]);
    await provider.close();
    // The client has not heard of the last instance going: the connection was cut.
    await own.close();
    await expect(client.registerInstance('other', at(9) as never)).rejects.toThrow();
    closing(await startEmbeddedNacos({ port: own.port }));
    expect(ports(await client.getAllInstances(service, GROUP, '', false))).toEqual([1]);
    expect(ports(await client.getAllInstances(service))).toEqual([1]);
  });
});

describe('around the SDK', () => {
  test('the connection of a client is reported once, at its first use', async () => {
    const told = new Received<ConnectionInfo>();
    const lanes = laneNaming({ onConnection: told.push });
    const client = await decorated(lanes, { serverList: [nacos.address], namespace: 'public', username: 'me', password: 'secret' });
    expect(told.all).toEqual([]);
    await client.getAllInstances(newService());
    await client.getAllInstances(newService());
    expect(told.all).toEqual([{ server: nacos.address, namespace: 'public', username: 'me', password: 'secret', transport: 'http' }]);
  });

  test('methods look as before, and can be restored', () => {
    class SubClient extends NacosNamingClient {}
    const prototype = SubClient.prototype as unknown as Record<string, { name: string; length: number }>;
    const before = ['registerInstance', 'getAllInstances', 'selectInstances', 'subscribe', 'unSubscribe'].map(
      (name) => [name, prototype[name]?.length, prototype[name]] as const,
    );
    const undos = decorate(nacosAdapter, prototype, laneNaming());
    for (const [name, length, method] of before) {
      expect([prototype[name]?.name, prototype[name]?.length]).toEqual([name, length]);
      expect(prototype[name]).not.toBe(method);
    }
    expect(decorate(nacosAdapter, prototype, laneNaming())).toEqual([]);
    for (const undo of undos) undo();
    expect(Object.keys(Object.getOwnPropertyDescriptors(prototype))).toEqual(['constructor']);
  });

  test('methods that a version does not have are skipped', () => {
    expect(decorate(nacosAdapter, { getAllInstances: () => [] }, laneNaming())).toHaveLength(1);
  });

  test('the SDK itself runs outside any lane: its timers belong to nobody', async () => {
    const seen: Array<Tag | undefined> = [];
    const target = {
      async getAllInstances(): Promise<unknown[]> {
        seen.push(currentLane());
        return [at(1), at(2, 'gray')];
      },
      async registerInstance(): Promise<void> {
        seen.push(currentLane());
      },
    };
    decorate(nacosAdapter, target, laneNaming());
    await runInLane('gray', async () => {
      // An SDK without the inner workings that are used: what it gives is what there is.
      expect(await target.getAllInstances()).toEqual([at(2, 'gray')]);
      await target.registerInstance();
    });
    expect(seen).toEqual([undefined, undefined]);
  });

  const broken = (): never => {
    throw new Error('mine');
  };
  const failed = new Set<string>();
  const catching: LaneNamingOptions['guard'] = (what, work) => {
    try {
      return work();
    } catch {
      failed.add(what);
      return undefined;
    }
  };
  test.each([
    ['a defect of ours', catching, ['nacos registerInstance', 'nacos discovery', 'nacos subscribe']],
    ['an adapter that is out', () => undefined, []],
  ] as const)('%s leaves the app with the result of the SDK', async (_, guard, expected) => {
    failed.clear();
    const lanes = laneNaming({ tag: 'gray', currentTag: broken, backgroundTag: broken, onRegister: broken, onConnection: broken, guard });
    lanes.view = broken;
    lanes.observe = broken;
    const service = newService();
    const client = await decorated(lanes);
    const received = new Received<readonly Host[]>();
    client.subscribe(service, received.push);
    await client.registerInstance(service, at(1) as never);
    await received.until((hosts) => hosts.length === 1);
    await eventually(async () => expect(ports(await client.getAllInstances(service))).toEqual([1]));
    expect(ports(await client.selectInstances(service))).toEqual([1]);
    client.unSubscribe(service, received.push);
    expect([...failed]).toEqual(expect.arrayContaining([...expected]));
  });

  test('errors of the SDK reach the app', async () => {
    const client = await decorated(laneNaming(), { serverList: '127.0.0.1:1' });
    await expect(client.registerInstance(newService(), at(1) as never)).rejects.toThrow('after all servers');
  });
});

/** `nacos` 3.x over gRPC as far as its typings and nacos-group/nacos-sdk-nodejs, packages/nacos-naming/src/naming, show it: it isn't on npm yet. */
class Client3 {
  readonly _transport = 'grpc';
  readonly _hostReactor = new Reactor3();
  readonly registered: Array<{ metadata?: Record<string, string> }> = [];
  readonly options: Record<string, unknown>;
  constructor(options: Record<string, unknown> = {}) {
    this.options = { namespace: 'public', ...options };
  }
  async registerInstance(_service: string, instance: { metadata?: Record<string, string> }): Promise<void> {
    this.registered.push(instance);
  }
  async getAllInstances(service: string, group = GROUP, clusters = ''): Promise<Host[]> {
    return (await this._hostReactor.getServiceInfo(`${group}@@${service}`, clusters)).hosts;
  }
  async selectInstances(service: string, group = GROUP, clusters = '', healthy = true): Promise<Host[]> {
    return (await this._hostReactor.getServiceInfo(`${group}@@${service}`, clusters)).hosts.filter((host) => host.healthy === healthy);
  }
  async selectOneHealthyInstance(service: string): Promise<Host | null> {
    return (await this.selectInstances(service))[0] ?? null;
  }
}

class Reactor3 extends EventEmitter {
  readonly _serviceInfoMap = new Map<string, { hosts: Host[]; name: string; clusters: string }>();
  readonly _updatingSet = new Set<string>();
  readonly _futureMap = new Map();
  readonly _pushReceiver = null;
  processServiceJSON(json: string): unknown {
    const info = JSON.parse(json) as { hosts: Host[]; name: string; clusters: string };
    this._serviceInfoMap.set(info.name, info);
    return info;
  }
  async getServiceInfo(name: string, clusters: string): Promise<{ hosts: Host[] }> {
    return this._serviceInfoMap.get(name) ?? { hosts: [], name, clusters };
  }
}

test('nacos 3.x over gRPC: its client registers with the tag, discovers and chooses within the lane, and reports its transport', async () => {
  const prototype = Object.create(Client3.prototype) as Client3;
  const told = new Received<ConnectionInfo>();
  expect(decorate(nacosAdapter, prototype, laneNaming({ tag: 'gray', onConnection: told.push }))).toHaveLength(4);
  const client = Object.assign(Object.create(prototype) as Client3, new Client3({ serverList: ['10.0.0.9:8848'] }));
  await client.registerInstance('stock', at(9));
  expect(client.registered).toMatchObject([{ metadata: { lane: 'gray' } }]);
  expect(told.all).toMatchObject([{ server: '10.0.0.9:8848', transport: 'grpc' }]);

  const push = (hosts: object[]): unknown =>
    client._hostReactor.processServiceJSON(JSON.stringify({ name: `${GROUP}@@stock`, clusters: '', hosts, lastRefTime: 1 }));
  const here = { healthy: true, enabled: true, weight: 1, clusterName: 'DEFAULT' };
  push([at(1, undefined, here), at(2, 'gray', here), at(3, undefined, { ...here, healthy: false })]);
  for (const [tag, port] of [
    [undefined, 1],
    ['gray', 2],
    ['blue', 1],
  ] as const)
    for (let i = 0; i < 20; i++) expect((await runInLane(tag, () => client.selectOneHealthyInstance('stock')))?.port).toBe(port);
  expect(ports(await runInLane('gray', () => client.getAllInstances('stock')))).toEqual([2]);
  // As the SDK says that there is none.
  push([]);
  expect(await client.selectOneHealthyInstance('stock')).toBe(null);
});

test('an undecorated client is unchanged: in the same process it sees everything', async () => {
  const service = newService();
  const provider = provide();
  await provider.register({ group: GROUP, name: service }, at(1));
  await provider.register({ group: GROUP, name: service }, at(2, 'gray'));
  await decorated();
  const client = await plainClient();
  expect(ports(await client.getAllInstances(service))).toEqual([1, 2]);
});
