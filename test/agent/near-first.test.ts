/** Near first: calls stay in the caller's zone, within their lane, as long as the lane has an instance there. */
import http from 'node:http';
import { join } from 'node:path';
import type { StatusReport } from '@lane/core/agent';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '@lane/testing/ports';
import { nodeVersions } from './nodes.js';
import { startRegisteredInstance } from './registered-instance.js';
import { send, startApp, type App } from './run-app.js';

const SERVICES = ['stock', 'stock-h2', 'shop-b', 'stock-rpc'] as const;
const WAYS = ['http', 'https', 'fetch', 'pool', 'http2', 'http2 over TLS', 'grpc'] as const;
const NAMES = ['base-a', 'base-b', 'gray-a', 'gray-b', 'blue-b'] as const;
const GRAY = { baggage: 'lane=gray' };

describe.each(nodeVersions())('$name', ({ path: node }) => {
  let nacos: EmbeddedNacos;
  let registrar: NacosConnection;
  let instances: Record<string, App>;
  const client = new http.Agent({ keepAlive: true });

  beforeAll(async () => {
    nacos = await startEmbeddedNacos({ port: 0 });
  });
  afterAll(async () => {
    client.destroy();
    await nacos?.close();
  });

  beforeEach(async () => {
    registrar = connectNacos({ server: nacos.address });
    instances = {};
    await Promise.all(
      NAMES.map(async (name) => {
        const [lane, zone] = name.split('-') as [string, string];
        instances[name] = await startRegisteredInstance(registrar, SERVICES, name, { zone, ...(lane === 'base' ? {} : { lane }) });
      }),
    );
  });
  afterEach(async () => {
    await registrar?.close();
    await Promise.all(Object.values(instances).map((instance) => instance.stop()));
  });

  async function start(script: string, env: Record<string, string>): Promise<App> {
    const app = await startApp({
      node,
      script,
      env: {
        LANE_NACOS_SERVER: nacos.address,
        LANE_SERVICES: SERVICES.join(),
        NODE_EXTRA_CA_CERTS: join(__dirname, 'tls/cert.pem'),
        ...env,
      },
    });
    onTestFinished(() => app.stop());
    return app;
  }

  /** The instances that answered some calls, each once, in alphabetical order. That many calls miss one of two once in 10^9 runs. */
  async function answering(app: App, headers: Record<string, string>, way = 'http', count = 32): Promise<string> {
    const names = new Set<string>();
    for (let i = 0; i < count; i++) {
      const { body } = await send(app.port, `/?way=${encodeURIComponent(way)}&together=1`, headers, client);
      names.add((JSON.parse(body) as { name: string }).name);
    }
    return [...names].toSorted().join(' ');
  }

  test.each(WAYS)('%s: calls stay in the zone, and a lane without instances there serves from elsewhere', async (way) => {
    const app = await start('caller.cjs', { LANE_NEAR: 'zone', LANE_ZONE: 'a' });
    expect(await answering(app, {}, way)).toBe('base-a');
    expect(await answering(app, GRAY, way)).toBe('gray-a');
    expect(await answering(app, { baggage: 'lane=blue' }, way, 4)).toBe('blue-b');
    // base-a and gray-a are near; a lane without an instance falls back to near base instances.
    expect(await answering(app, { baggage: 'lane=green' }, way)).toBe('base-a');
  });

  test.each(WAYS)('%s: if the near instance of a lane dies, the far one of the lane serves, not base', async (way) => {
    const app = await start('caller.cjs', { LANE_NEAR: 'zone', LANE_ZONE: 'a' });
    expect(await answering(app, GRAY, way, 4)).toBe('gray-a');
    await instances['gray-a']?.stop();
    // By then open connections have been closed: a call on one of those would not be retried.
    await send(app.port, '/?way=turns', {}, client);
    expect(await answering(app, GRAY, way)).toBe('gray-b');
    expect(await answering(app, {}, way)).toBe('base-a');
  });

  test('if too few are near, the whole lane serves; by default nobody is preferred', async () => {
    expect(await answering(await start('caller.cjs', { LANE_NEAR: 'zone,share=60%', LANE_ZONE: 'a' }), GRAY)).toBe('gray-a gray-b');
    expect(await answering(await start('caller.cjs', { LANE_ZONE: 'a' }), GRAY)).toBe('gray-a gray-b');
  });

  test("the app's registration names its zone, and status names the skipped instances", async () => {
    const adminPort = await freePort();
    const app = await start('registered.cjs', {
      NACOS: nacos.address,
      SERVICE: 'shop',
      LANE_NEAR: 'zone',
      LANE_ADMIN_PORT: String(adminPort),
    });
    for (let i = 0; i < 3; i++) await send(app.port, '/?url=http://stock/', GRAY, client);
    const report = (await (await fetch(`http://127.0.0.1:${adminPort}/status`)).json()) as StatusReport;
    expect(report.place).toEqual({ zone: 'a', region: null });
    const passedOver = report.services.find(({ service }) => service === 'stock')?.instances.filter((one) => one.passedOver === true);
    expect(passedOver?.map(({ address }) => address).toSorted()).toEqual(
      ['base-b', 'gray-b'].map((name) => `127.0.0.1:${instances[name]?.ports['stock']}`).toSorted(),
    );
  });
});
