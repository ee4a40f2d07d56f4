import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '@lane/testing/eventually';
import { type NacosServer, type OwnNacos } from '../servers/index.js';
import { type Connection, connectionTo, type Instance, type NacosDriver, type Service, uniqueName } from './driver.js';
import { HttpApi } from './http-api.js';
import { Received } from '@lane/testing/received';
import { startTimeoutMs } from './suite.js';

const auth = { username: 'lane', password: 'right' };

/** Tests that need their own server: authentication, and a restart. One server suffices for both, in this order. */
export function describeOwnNacos(server: NacosServer, drivers: NacosDriver[]): void {
  describe.concurrent(`${server.name} with authentication, restarted`, { timeout: 300_000 }, () => {
    let running: OwnNacos;
    let connection: Connection;
    const opened: { close(): Promise<void> }[] = [];

    beforeAll(async () => {
      if (server.startOwn === undefined) throw new Error(`${server.name} cannot be started for one test alone`);
      running = await server.startOwn({ auth });
      connection = connectionTo(running, uniqueName('own'));
    }, startTimeoutMs);

    afterAll(async () => {
      await Promise.all(opened.map((client) => client.close()));
      await running?.stop();
    });

    test.sequential.for([
      ['no credentials', undefined],
      ['a wrong password', { ...auth, password: 'wrong' }],
    ] as const)('over HTTP, %s is forbidden', async ([, credentials]) => {
      const { address, namespace } = connection;
      const api = new HttpApi({ address, namespace, ...credentials });

      const answers = [
        await api.naming('GET', '/instance/list', { query: { serviceName: 'service' } }),
        await api.naming('POST', '/instance', { query: { serviceName: 'service', ip: '10.0.0.1', port: 8080 } }),
        await api.config('GET', '/configs', { query: { dataId: 'config', group: 'LANE' } }),
        await api.config('POST', '/configs', { form: { dataId: 'config', group: 'LANE', content: 'one' } }),
      ];
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 403, contentType: 'application/json' });
        expect(JSON.parse(answer.body)).toMatchObject({ status: 403, error: 'Forbidden' });
      }
      // Clients call it before they log in.
      expect((await api.request('GET', '/ns/operator/metrics')).status).toBe(200);
    });

    test.sequential('over HTTP, a log-in returns a token that replaces the credentials', async () => {
      const { address, namespace } = connection;
      const api = new HttpApi({ address, namespace });
      const login = await api.request('POST', '/auth/login', { form: auth });
      expect(login).toMatchObject({ status: 200, contentType: 'application/json' });
      const token = JSON.parse(login.body) as { accessToken: string };
      expect(token).toMatchObject({ accessToken: expect.any(String), tokenTtl: 18_000, globalAdmin: true });

      const query = { serviceName: 'service', accessToken: token.accessToken };
      expect((await api.naming('GET', '/instance/list', { query })).status).toBe(200);
      expect((await api.naming('GET', '/instance/list', { query: { ...query, accessToken: 'made-up' } })).status).toBe(403);
      expect((await api.request('POST', '/auth/login', { form: { ...auth, password: 'wrong' } })).status).toBe(403);
    });

    for (const driver of drivers) {
      test.sequential(`through ${driver.sdk}, the right password gives access`, async () => {
        const service = newService();
        const naming = await driver.createNaming(connection);
        const config = await driver.createConfig(connection);
        opened.push(naming, config);

        await naming.register(service, { ip: '10.0.0.1', port: 8080 });
        await eventually(async () => expect(await naming.list(service)).toMatchObject([{ ip: '10.0.0.1' }]));
        await config.publish('right', 'LANE', driver.sdk);
        await eventually(async () => expect(await config.get('right', 'LANE')).toBe(driver.sdk));
      });

      test.sequential(`through ${driver.sdk}, a wrong password denies access`, async () => {
        const wrong = { ...connection, password: 'wrong' };
        const attempts = [
          async () => {
            const naming = await driver.createNaming(wrong);
            opened.push(naming);
            await naming.register(newService(), { ip: '10.0.0.1', port: 8080 });
          },
          async () => {
            const config = await driver.createConfig(wrong);
            opened.push(config);
            await config.publish('wrong', 'LANE', driver.sdk);
          },
        ];
        for (const attempt of attempts) await expect(attempt()).rejects.toThrow();
        const answer = await new HttpApi(connection).config('GET', '/configs', { query: { dataId: 'wrong', group: 'LANE' } });
        expect(answer.status).toBe(404);
      });
    }

    test.sequential('after a restart, running clients register again, and subscribers get changes as before', async () => {
      const clients = await Promise.all(
        drivers.map(async (driver) => {
          const service = newService();
          const told = new Received<Instance[]>();
          const provider = await driver.createNaming(connection);
          const watcher = await driver.createNaming(connection);
          opened.push(provider, watcher);
          await provider.register(service, { ip: '10.0.0.1', port: 8080, weight: 2, metadata: { lane: 'gray' } });
          await watcher.subscribe(service, told.push);
          await told.next(([first]) => first?.metadata['lane'] === 'gray');
          return { service, told, driver };
        }),
      );
      const api = new HttpApi(connection);
      await api.config('POST', '/configs', { form: { dataId: 'kept', group: 'LANE', content: 'one' } });

      await running.restart();

      await Promise.all(
        clients.map(async ({ service, told, driver }) => {
          await eventually(
            async () => {
              const answer = await api.naming('GET', '/instance/list', { query: { serviceName: service.name } });
              expect(JSON.parse(answer.body)).toMatchObject({
                hosts: [{ ip: '10.0.0.1', port: 8080, weight: 2, healthy: true, ephemeral: true, metadata: { lane: 'gray' } }],
              });
            },
            { timeoutMs: 60_000 },
          );
          const late = await driver.createNaming(connection);
          opened.push(late);
          await late.register(service, { ip: '10.0.0.2', port: 8080 });
          await told.next((instances) => instances.length === 2, 60_000);
        }),
      );
      // The embedded server keeps its configs in memory.
      if (server.kind === 'real') {
        const answer = await api.config('GET', '/configs', { query: { dataId: 'kept', group: 'LANE' } });
        expect(answer).toMatchObject({ status: 200, body: 'one' });
      }
    });
  });
}

function newService(): Service {
  return { name: uniqueName('service'), group: 'DEFAULT_GROUP' };
}
