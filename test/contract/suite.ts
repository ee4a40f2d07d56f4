import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '@lane/testing/eventually';
import { type NacosServer, type RunningNacos } from '../servers/index.js';
import {
  type ConfigClient,
  type Connection,
  connectionTo,
  type Instance,
  type NacosDriver,
  type NamingClient,
  type Service,
  uniqueName,
} from './driver.js';
import { HttpApi } from './http-api.js';
import { Received } from '@lane/testing/received';

/**
 * Metadata that shortens a server's timeouts for an instance without heartbeats, in ms. The interval must be less than both timeouts. These
 * differ by more than the server's check interval of 5 s, or it would delete an instance in the same check that finds it unhealthy.
 */
export const shortBeats = {
  'preserved.heart.beat.interval': '1000',
  'preserved.heart.beat.timeout': '3000',
  'preserved.ip.delete.timeout': '9000',
};

/** Long enough for the first suite to fetch and start a server. */
export const startTimeoutMs = 300_000;

/** What any Nacos does for an app with this SDK: each behaviour once, for every pair of server and SDK. */
export function describeNacosContract(server: NacosServer, driver: NacosDriver): void {
  describe.concurrent(`${server.name} through ${driver.sdk}`, { timeout: 60_000 }, () => {
    let running: RunningNacos;
    let connection: Connection;
    // A gRPC connection has one instance a service, so two providers; the watcher is apart because the `nacos` client tells its
    // subscribers of what list() finds, too.
    let provider: NamingClient;
    let secondProvider: NamingClient;
    let consumer: NamingClient;
    let watcher: NamingClient;
    let publisher: ConfigClient;
    let reader: ConfigClient;
    const opened: { close(): Promise<void> }[] = [];

    beforeAll(async () => {
      running = await server.start();
      connection = connectionTo(running, uniqueName('contract'));
      for (let count = 0; count < 4; count += 1) opened.push(await driver.createNaming(connection));
      [provider, secondProvider, consumer, watcher] = opened as [NamingClient, NamingClient, NamingClient, NamingClient];
      publisher = await driver.createConfig(connection);
      reader = await driver.createConfig(connection);
      opened.push(publisher, reader);
    }, startTimeoutMs);

    afterAll(async () => {
      await Promise.all(opened.map((client) => client.close()));
      await running?.stop();
    });

    describe.concurrent('discovery', () => {
      test('another client finds a registered instance with its tag, weight and cluster', async () => {
        const service = newService();
        const metadata = { lane: 'gray', 'alicloud.service.tag': 'gray', owner: '订单' };
        await provider.register(service, { ip: '10.0.0.1', port: 8080, weight: 3, clusterName: 'HANGZHOU', metadata });

        expect(await listed(service, ['10.0.0.1:8080'])).toEqual([
          {
            ip: '10.0.0.1',
            port: 8080,
            weight: 3,
            healthy: true,
            enabled: true,
            ephemeral: true,
            clusterName: 'HANGZHOU',
            metadata,
          },
        ]);
      });

      test('an instance registered with an address only has weight 1, the cluster DEFAULT and no metadata', async () => {
        const service = newService();
        await provider.register(service, { ip: '10.0.0.1', port: 8080 });

        expect(await listed(service, ['10.0.0.1:8080'])).toMatchObject([{ weight: 1, clusterName: 'DEFAULT', metadata: {} }]);
      });

      test('a service nobody registered has no instances', async () => {
        expect(await consumer.list(newService())).toEqual([]);
      });

      test('the instances of two clients are one list, which can be filtered by cluster', async () => {
        const service = newService();
        await provider.register(service, { ip: '10.0.0.1', port: 8080, clusterName: 'A' });
        await secondProvider.register(service, { ip: '10.0.0.2', port: 8080, clusterName: 'B' });

        await listed(service, ['10.0.0.1:8080', '10.0.0.2:8080']);
        expect(addresses(await consumer.list(service, ['A']))).toEqual(['10.0.0.1:8080']);
        expect(addresses(await consumer.list(service, ['A', 'B']))).toEqual(['10.0.0.1:8080', '10.0.0.2:8080']);
        expect(await consumer.list(service, ['C'])).toEqual([]);
      });

      test('groups are separate', async () => {
        const service = newService();
        const otherGroup = { ...service, group: 'OTHER' };
        await provider.register(service, { ip: '10.0.0.1', port: 8080 });
        await provider.register(otherGroup, { ip: '10.0.0.2', port: 8080 });

        await listed(service, ['10.0.0.1:8080']);
        await listed(otherGroup, ['10.0.0.2:8080']);
        expect(await consumer.list({ ...service, group: 'THIRD' })).toEqual([]);
      });

      test('namespaces are separate', async () => {
        const service = newService();
        const elsewhere = await driver.createNaming({ ...connection, namespace: uniqueName('elsewhere') });
        opened.push(elsewhere);
        await provider.register(service, { ip: '10.0.0.1', port: 8080 });

        await listed(service, ['10.0.0.1:8080']);
        expect(await elsewhere.list(service)).toEqual([]);
      });

      test.for(['spring-cloud-a', 'orders.v2', 'com.example.Orders-api_v2', 'providers:com.example.Orders:1.0.0:'])(
        'the service name %s is kept',
        async (name) => {
          const service = { name, group: uniqueName('GROUP') };
          await provider.register(service, { ip: '10.0.0.1', port: 8080 });

          await listed(service, ['10.0.0.1:8080']);
        },
      );

      test('registering the same address again changes its metadata, for others too', async () => {
        const service = newService();
        await provider.register(service, { ip: '10.0.0.1', port: 8080, metadata: { lane: 'gray', zone: 'a' } });
        await listed(service, ['10.0.0.1:8080']);

        await provider.register(service, { ip: '10.0.0.1', port: 8080, metadata: { lane: 'blue' } });

        await eventually(async () => {
          const instances = await consumer.list(service);
          expect(addresses(instances)).toEqual(['10.0.0.1:8080']);
          expect(instances[0]?.metadata).toEqual({ lane: 'blue' });
        });
      });

      test('a deregistered instance is gone, the others stay', async () => {
        const service = newService();
        await provider.register(service, { ip: '10.0.0.1', port: 8080 });
        await secondProvider.register(service, { ip: '10.0.0.2', port: 8080 });
        await listed(service, ['10.0.0.1:8080', '10.0.0.2:8080']);

        await secondProvider.deregister(service, { ip: '10.0.0.2', port: 8080 });

        await listed(service, ['10.0.0.1:8080']);
      });

      test('the last instance to be deregistered leaves an empty list', async () => {
        const service = newService();
        await provider.register(service, { ip: '10.0.0.1', port: 8080 });
        await listed(service, ['10.0.0.1:8080']);

        await provider.deregister(service, { ip: '10.0.0.1', port: 8080 });

        // Over HTTP: the `nacos` client does not accept an empty list as an answer.
        await eventually(async () => expect(await hostsOverHttp(service)).toEqual([]));
      });

      test('a disabled instance is not offered', async () => {
        const service = newService();
        await provider.register(service, { ip: '10.0.0.1', port: 8080 });
        await secondProvider.register(service, { ip: '10.0.0.2', port: 8080 });
        await listed(service, ['10.0.0.1:8080', '10.0.0.2:8080']);

        await secondProvider.register(service, { ip: '10.0.0.2', port: 8080, enabled: false });

        await listed(service, ['10.0.0.1:8080']);
      });

      test('an unhealthy instance is listed as such, and omitted from lists of healthy ones', async () => {
        const service = newService();
        await provider.register(service, { ip: '10.0.0.1', port: 8080 });
        await api().naming('POST', '/instance', {
          query: { serviceName: service.name, groupName: service.group, ip: '10.0.0.2', port: 8080, healthy: false },
        });

        const instances = await listed(service, ['10.0.0.1:8080', '10.0.0.2:8080']);
        expect(instances.map((one) => one.healthy)).toEqual([true, false]);
        expect(addresses(await consumer.listHealthy(service))).toEqual(['10.0.0.1:8080']);
      });
    });

    describe.concurrent('subscription', () => {
      test('a subscriber is told of existing instances, of a new one and of one that left', async () => {
        const service = newService();
        const told = new Received<Instance[]>();
        await provider.register(service, { ip: '10.0.0.1', port: 8080, metadata: { lane: 'gray' } });
        await listed(service, ['10.0.0.1:8080']);

        await watcher.subscribe(service, told.push);
        const first = await told.next(has('10.0.0.1:8080'));
        expect(first).toMatchObject([{ healthy: true, metadata: { lane: 'gray' } }]);

        await secondProvider.register(service, { ip: '10.0.0.2', port: 8080 });
        await told.next(has('10.0.0.1:8080', '10.0.0.2:8080'));

        await secondProvider.deregister(service, { ip: '10.0.0.2', port: 8080 });
        await told.next(has('10.0.0.1:8080'));
      });

      test('a subscriber of a service that has no instance yet is told of the first', async () => {
        const service = newService();
        const told = new Received<Instance[]>();
        await watcher.subscribe(service, told.push);

        await provider.register(service, { ip: '10.0.0.1', port: 8080 });

        await told.next(has('10.0.0.1:8080'));
      });

      test('a subscriber is told of a changed tag', async () => {
        const service = newService();
        const told = new Received<Instance[]>();
        await provider.register(service, { ip: '10.0.0.1', port: 8080, metadata: { lane: 'gray' } });
        await listed(service, ['10.0.0.1:8080']);
        await watcher.subscribe(service, told.push);
        await told.next(has('10.0.0.1:8080'));

        await provider.register(service, { ip: '10.0.0.1', port: 8080, metadata: { lane: 'blue' } });

        await told.next((instances) => instances[0]?.metadata['lane'] === 'blue');
      });
    });

    test('an instance whose client vanishes disappears', async () => {
      const service = newService();
      const told = new Received<Instance[]>();
      await provider.register(service, { ip: '10.0.0.1', port: 8080 });
      await listed(service, ['10.0.0.1:8080']);
      await watcher.subscribe(service, told.push);
      await told.next(has('10.0.0.1:8080'));
      const doomed = await driver.startProvider(connection, service, { ip: '10.0.0.2', port: 8080, metadata: shortBeats });
      await told.next(has('10.0.0.1:8080', '10.0.0.2:8080'));

      await doomed.vanish();

      if (driver.protocol === 'http') {
        // Missing heartbeats first make it unhealthy; a broken connection removes it at once.
        await told.next((instances) => instances.some((one) => one.ip === '10.0.0.2' && !one.healthy));
      }
      await told.next(has('10.0.0.1:8080'));
      await listed(service, ['10.0.0.1:8080']);
    });

    describe.concurrent('config', () => {
      test('another client reads what was published', async () => {
        const dataId = uniqueName('lane-groups');
        await publisher.publish(dataId, 'LANE', '{"version":1}');

        await eventually(async () => expect(await reader.get(dataId, 'LANE')).toBe('{"version":1}'));
      });

      test('publishing again replaces the content', async () => {
        const dataId = uniqueName('config');
        await publisher.publish(dataId, 'LANE', 'one');
        await eventually(async () => expect(await reader.get(dataId, 'LANE')).toBe('one'));

        await publisher.publish(dataId, 'LANE', 'two');

        await eventually(async () => expect(await reader.get(dataId, 'LANE')).toBe('two'));
      });

      test('content of any length and any script arrives unchanged', async () => {
        const dataId = uniqueName('config');
        const content = `灰度 🚦 "quoted" & a=b+c%20\n\ttab\r\n${'0123456789'.repeat(10_000)}`;
        await publisher.publish(dataId, 'LANE', content);

        // Compare without expect: a diff of 100 KB would help nobody.
        await eventually(async () => expect((await reader.get(dataId, 'LANE')) === content).toBe(true));
      });

      test('a config that was never published, or is in another group or namespace, does not exist', async () => {
        const dataId = uniqueName('config');
        expect(await reader.get(dataId, 'LANE')).toBeUndefined();
        await publisher.publish(dataId, 'LANE', 'here');
        await eventually(async () => expect(await reader.get(dataId, 'LANE')).toBe('here'));

        const elsewhere = await driver.createConfig({ ...connection, namespace: uniqueName('elsewhere') });
        opened.push(elsewhere);
        expect(await reader.get(dataId, 'OTHER')).toBeUndefined();
        expect(await elsewhere.get(dataId, 'LANE')).toBeUndefined();
      });

      test('a listener is told of a change', async () => {
        const dataId = uniqueName('config');
        const told = new Received<string>();
        await publisher.publish(dataId, 'LANE', 'one');
        await eventually(async () => expect(await reader.get(dataId, 'LANE')).toBe('one'));
        await reader.listen(dataId, 'LANE', told.push);

        await publisher.publish(dataId, 'LANE', 'two');

        await told.next((content) => content === 'two');
      });

      test('a removed config is gone', async () => {
        const dataId = uniqueName('config');
        await publisher.publish(dataId, 'LANE', 'one');
        await eventually(async () => expect(await reader.get(dataId, 'LANE')).toBe('one'));

        await publisher.remove(dataId, 'LANE');

        await eventually(async () => expect(await reader.get(dataId, 'LANE')).toBeUndefined());
        expect(await api().config('GET', '/configs', { query: { dataId, group: 'LANE' } })).toMatchObject({
          status: 404,
          body: 'config data not exist\n',
        });
      });
    });

    function newService(): Service {
      return { name: uniqueName('service'), group: 'DEFAULT_GROUP' };
    }

    function api(): HttpApi {
      return new HttpApi(connection);
    }

    async function hostsOverHttp({ name, group }: Service): Promise<unknown> {
      const answer = await api().naming('GET', '/instance/list', { query: { serviceName: name, groupName: group } });
      return (JSON.parse(answer.body) as { hosts: unknown }).hosts;
    }

    /** Waits until the service has exactly these instances; returns them in this order. */
    function listed(service: Service, expected: string[]): Promise<Instance[]> {
      return eventually(async () => {
        const instances = await consumer.list(service);
        expect(addresses(instances)).toEqual(expected);
        return instances.sort((left, right) => expected.indexOf(addressOf(left)) - expected.indexOf(addressOf(right)));
      });
    }
  });
}

function addressOf({ ip, port }: Instance): string {
  return `${ip}:${port}`;
}

function addresses(instances: Instance[]): string[] {
  return instances.map(addressOf).sort();
}

function has(...expected: string[]): (instances: Instance[]) => boolean {
  return (instances) => addresses(instances).join() === expected.join();
}
