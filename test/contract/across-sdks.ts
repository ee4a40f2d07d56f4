import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '@lane/testing/eventually';
import { type NacosServer, type RunningNacos } from '../servers/index.js';
import { type Connection, connectionTo, type Instance, type NacosDriver, uniqueName } from './driver.js';
import { Received } from '@lane/testing/received';
import { startTimeoutMs } from './suite.js';

/** What apps with different SDKs, and so different protocols, see of each other on one server. */
export function describeNacosAcrossSdks(server: NacosServer, from: NacosDriver, to: NacosDriver): void {
  describe.concurrent(`${server.name} from ${from.sdk} to ${to.sdk}`, { timeout: 60_000 }, () => {
    let running: RunningNacos;
    let connection: Connection;
    const opened: { close(): Promise<void> }[] = [];

    beforeAll(async () => {
      running = await server.start();
      connection = connectionTo(running, uniqueName('across'));
    }, startTimeoutMs);

    afterAll(async () => {
      await Promise.all(opened.map((client) => client.close()));
      await running?.stop();
    });

    test('finds and subscribes to an instance with its tag', async () => {
      const service = { name: uniqueName('service'), group: 'DEFAULT_GROUP' };
      const told = new Received<Instance[]>();
      const provider = await from.createNaming(connection);
      const consumer = await to.createNaming(connection);
      const watcher = await to.createNaming(connection);
      opened.push(provider, consumer, watcher);
      await watcher.subscribe(service, told.push);

      await provider.register(service, { ip: '10.0.0.1', port: 8080, weight: 2, metadata: { lane: 'gray' } });

      const expected = [{ ip: '10.0.0.1', port: 8080, weight: 2, clusterName: 'DEFAULT', metadata: { lane: 'gray' } }];
      await eventually(async () => expect(await consumer.list(service)).toMatchObject(expected));
      expect(await told.next((instances) => instances.length === 1)).toMatchObject(expected);
    });

    test('reads and listens to a config', async () => {
      const dataId = uniqueName('config');
      const told = new Received<string>();
      const publisher = await from.createConfig(connection);
      const reader = await to.createConfig(connection);
      opened.push(publisher, reader);
      await publisher.publish(dataId, 'LANE', '一');
      await eventually(async () => expect(await reader.get(dataId, 'LANE')).toBe('一'));
      await reader.listen(dataId, 'LANE', told.push);

      await publisher.publish(dataId, 'LANE', '二');

      await told.next((content) => content === '二');
    });
  });
}
