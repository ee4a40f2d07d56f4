/** Instances that answer with server errors: others of their lane take their calls, and base never does. */
import { once } from 'node:events';
import http from 'node:http';
import { join } from 'node:path';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { eventually } from '@lane/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { send, startApp, type App } from './run-app.js';

const SERVICES = ['stock', 'shop-b'] as const;
const WAYS = ['http', 'http through one socket', 'http without an agent', 'https', 'fetch', 'agent', 'pool'] as const;

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
    for (const name of ['base', 'gray-1', 'gray-2']) {
      const instance = (instances[name] = await startApp({ script: 'instance.cjs', args: [name], load: 'none' }));
      for (const service of SERVICES) {
        const metadata: Record<string, string> = name === 'base' ? {} : { lane: 'gray' };
        await registrar.register({ name: service, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: instance.ports[service] as number, metadata });
      }
    }
  });
  afterEach(async () => {
    await registrar?.close();
    await Promise.all(Object.values(instances).map((instance) => instance.stop()));
  });

  async function startCaller(outlier: string): Promise<App> {
    const app = await startApp({
      node,
      script: 'caller.cjs',
      env: {
        LANE_NACOS_SERVER: nacos.address,
        LANE_SERVICES: SERVICES.join(),
        NODE_EXTRA_CA_CERTS: join(__dirname, 'tls/cert.pem'),
        LANE_OUTLIER: outlier,
      },
    });
    onTestFinished(() => app.stop());
    return app;
  }

  async function answersWith(name: string, status: number): Promise<void> {
    const { child } = instances[name] as App;
    const heard = once(child, 'message');
    child.send({ status });
    await heard;
  }

  /** Who answered each of some gray calls, one after the other. */
  async function gray(app: App, way: string, count: number): Promise<string[]> {
    const names: string[] = [];
    for (let i = 0; i < count; i++) {
      const { body } = await send(app.port, `/?way=${encodeURIComponent(way)}&together=1`, { baggage: 'lane=gray' }, client);
      names.push((JSON.parse(body) as { name: string }).name);
    }
    return names;
  }
  const countOf = (names: readonly string[], name: string): number => names.filter((one) => one === name).length;

  test.each(WAYS)('%s: after so many server errors all calls of the lane go to its healthy instance', async (way) => {
    const app = await startCaller('5xx=3,time=10m');
    await answersWith('gray-1', 500);
    const names = await gray(app, way, 60);
    expect(countOf(names, 'gray-1')).toBe(3);
    expect(countOf(names, 'gray-2')).toBe(57);
  });

  test('a lane that is sick as a whole stays in the lane, and base stays without its calls', async () => {
    const app = await startCaller('5xx=3,time=10m');
    await answersWith('gray-1', 500);
    await answersWith('gray-2', 503);
    expect(countOf(await gray(app, 'http', 40), 'base')).toBe(0);
  });

  test('who has recovered is probed and gets its share again', async () => {
    const app = await startCaller('5xx=3,time=200ms');
    await answersWith('gray-1', 500);
    await gray(app, 'fetch', 30);
    await answersWith('gray-1', 200);
    await eventually(async () => expect(countOf(await gray(app, 'fetch', 40), 'gray-1')).toBeGreaterThan(8));
  });

  test('nothing is ejected where it is off, nor for 501', async () => {
    await answersWith('gray-1', 500);
    expect(countOf(await gray(await startCaller('off'), 'http', 60), 'gray-1')).toBeGreaterThan(8);
    await answersWith('gray-1', 501);
    expect(countOf(await gray(await startCaller('5xx=3,time=10m'), 'http', 60), 'gray-1')).toBeGreaterThan(8);
  });
});
