/**
 * Lanes on every Nacos with both SDKs, in apps under the agent: registration carries the tag, discovery answers within the
 * lane, the agent's own connection finds services called by name, and changes of the lane groups come into force.
 */
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { publishLaneGroups } from '@lane/storage';
import type { LaneGroupsDocument } from '@lane/core/rules';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { send, startApp, type App } from '../agent/run-app.js';
import { eventually } from '@lane/testing/eventually';
import { nacosServers, type RunningNacos } from '../servers/index.js';
import { startTimeoutMs } from './suite.js';

const pairs = nacosServers().flatMap((server) =>
  (server.grpc ? (['nacos', 'grpc'] as const) : (['nacos'] as const)).map((sdk) => ({ title: `${server.name} through ${sdk}`, server, sdk })),
);

describe.concurrent.each(pairs)('lanes on $title', { timeout: 90_000 }, ({ server, sdk }) => {
  const namespace = `lanes-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const apps: App[] = [];
  let nacos: RunningNacos;
  let connection: NacosConnection;
  let base: App;
  let gray: App;
  let consumer: App;
  let caller: App;

  const start = async (env: Record<string, string>, script = 'discovery.cjs'): Promise<App> => {
    const { username = '', password = '' } = nacos.credentials ?? {};
    const app = await startApp({
      script,
      env: {
        SDK: sdk,
        NACOS: nacos.address,
        NAMESPACE: namespace,
        SERVICE: 'shop-b',
        // How long to wait for the last instance of a lane that vanished silently.
        LANE_REGISTRY_HOLD: '2s',
        ...(username === '' ? {} : { USERNAME: username, PASSWORD: password }),
        ...env,
      },
    });
    apps.push(app);
    return app;
  };
  const list = async (tag?: string): Promise<Record<string, unknown>> =>
    JSON.parse((await send(consumer.port, '/list?service=shop-b', tag === undefined ? {} : { baggage: `lane=${tag}` })).body) as Record<
      string,
      unknown
    >;
  const expected = (ports: readonly number[], told: readonly number[]): Record<string, unknown> => ({
    getAllInstances: ports,
    selectInstances: ports,
    ...(sdk === 'grpc' ? { one: ports } : {}),
    told,
  });
  const byName = async (tag?: string): Promise<Record<string, string>> => {
    const { body } = await send(
      caller.port,
      `/?ways=http,fetch&url=${encodeURIComponent('http://shop-b/whoami')}`,
      tag === undefined ? {} : { baggage: `lane=${tag}` },
    );
    return JSON.parse(body) as Record<string, string>;
  };

  beforeAll(async () => {
    nacos = await server.start();
    connection = connectNacos({
      server: nacos.address,
      namespace,
      username: nacos.credentials?.username,
      password: nacos.credentials?.password,
      holdProcess: true,
    });
    [base, gray, consumer, caller] = await Promise.all([
      start({ NAME: 'base', REGISTER: '1' }),
      start({ NAME: 'gray', REGISTER: '1', LANE_TAG: 'gray' }),
      start({}),
      start(
        {
          LANE_NACOS_SERVER: nacos.address,
          LANE_NACOS_NAMESPACE: namespace,
          ...(nacos.credentials === undefined
            ? {}
            : { LANE_NACOS_USERNAME: nacos.credentials.username, LANE_NACOS_PASSWORD: nacos.credentials.password }),
          LANE_NACOS_TRANSPORT: sdk === 'grpc' ? 'grpc' : 'http',
          LANE_SERVICES: 'shop-b',
          ECHO_TEXT: '1',
        },
        'echo.cjs',
      ),
    ]);
  }, startTimeoutMs);

  afterAll(async () => {
    await Promise.all(apps.map((app) => app.stop()));
    await connection?.close();
    await nacos?.stop();
  });

  test.sequential("registration adds the tag to the app's metadata; base is unchanged", async () => {
    await eventually(async () => {
      const instances = await connection.list({ name: 'shop-b', group: 'DEFAULT_GROUP' });
      expect(Object.fromEntries(instances.map(({ port, metadata }) => [port, metadata]))).toEqual({
        [base.port]: { owner: 'team' },
        [gray.port]: { owner: 'team', lane: 'gray' },
      });
    });
  });

  test.sequential("every discovery call answers within the request's lane; a subscriber gets the base view", async () => {
    await eventually(async () => {
      expect(await list('gray')).toEqual(expected([gray.port], [base.port]));
      expect(await list()).toEqual(expected([base.port], [base.port]));
      expect(await list('blue')).toEqual(expected([base.port], [base.port]));
    });
  });

  test.sequential('the agent itself finds a service called by name', async () => {
    await eventually(async () => {
      expect(await byName('gray')).toMatchObject({ http: 'gray', fetch: 'gray' });
      expect(await byName()).toMatchObject({ http: 'base', fetch: 'base' });
    });
  });

  test.sequential('disabling a lane takes effect everywhere without a restart, and so does enabling it', async () => {
    const document = (enabled: boolean): LaneGroupsDocument => ({
      version: 1,
      groups: [{ name: 'shop', services: ['shop-b'], lanes: [{ name: 'gray', tag: 'gray', enabled }] }],
    });
    for (const enabled of [true, false, true]) {
      await publishLaneGroups(connection, document(enabled));
      await eventually(async () => {
        expect(await list('gray')).toEqual(expected([enabled ? gray.port : base.port], [base.port]));
        expect((await byName('gray'))['http']).toBe(enabled ? 'gray' : 'base');
      });
    }
  });

  test.sequential('an invalid document changes nothing, and the log says where it is wrong', async () => {
    await connection.publish('lane-groups', 'LANE', '{"version": 1, "groups": [{"name": "shop"}]}');
    await eventually(() => expect(caller.stderr()).toMatch(/^lane error: .*lane-groups.*last valid one stays in force.*lacks "services"/m));
    expect((await byName('gray'))['http']).toBe('gray');
    expect(await list('gray')).toEqual(expected([gray.port], [base.port]));
    await connection.remove('lane-groups', 'LANE');
  });

  test.sequential('without its last gray instance, base serves the lane', async () => {
    await send(gray.port, '/deregister');
    await eventually(async () => {
      expect(await list('gray')).toEqual(expected([base.port], [base.port]));
      expect((await byName('gray'))['http']).toBe('base');
    });
  });
});
