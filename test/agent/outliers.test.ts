/** Instances that answer with server errors: others of their lane take their calls, and base never does. */
import { once } from 'node:events';
import http from 'node:http';
import { join } from 'node:path';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { eventually } from '@lane/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startRegisteredInstance } from './registered-instance.js';
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
      instances[name] = await startRegisteredInstance(registrar, SERVICES, name, name === 'base' ? {} : { lane: 'gray' });
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
        LANE_SERVICES: [...SERVICES, 'stock-h2'].join(),
        NODE_EXTRA_CA_CERTS: join(__dirname, 'tls/cert.pem'),
        LANE_OUTLIER: outlier,
      },
    });
    onTestFinished(() => app.stop());
    return app;
  }

  async function answersWith(name: string, status: number, how: 'plainly' | 'announced' | 'late' | 'broken' = 'plainly'): Promise<void> {
    const { child } = instances[name] as App;
    const heard = once(child, 'message');
    child.send({ status, how });
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
  /** Ports of the instances that the agent has in a state. */
  async function portsThat(app: App, state: 'ejected' | 'probed'): Promise<number[]> {
    const { body } = await send(app.port, '/?way=known', {}, client);
    return (JSON.parse(body) as Record<typeof state, number[]>)[state];
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
  test.each(['http', 'fetch', 'agent'])('%s: answers that early hints announce count as any', async (way) => {
    const app = await startCaller('5xx=3,time=10m');
    await answersWith('gray-1', 500, 'announced');
    expect(countOf(await gray(app, way, 40), 'gray-1')).toBe(3);
  });

  test.each(['http', 'fetch'])('%s: fifty calls at once, of three lanes, each stay in their lane, whoever fails, and late', async (way) => {
    const app = await startCaller('5xx=3,time=10m');
    await answersWith('gray-1', 500, 'late');
    await answersWith('base', 500, 'late');
    const callOf = async (tag: string | undefined): Promise<readonly [string | undefined, string]> => {
      const headers = tag === undefined ? {} : { baggage: `lane=${tag}` };
      const { body } = await send(app.port, `/?way=${way}&together=50`, headers, client);
      return [tag, (JSON.parse(body) as { name: string }).name];
    };
    const tags = ['gray', undefined, 'blue'];
    const answeredBy = new Map<string | undefined, Set<string>>();
    for (let round = 0; round < 4; round++)
      for (const [tag, name] of await Promise.all(Array.from({ length: 50 }, (_, i) => callOf(tags[i % 3]))))
        answeredBy.set(tag, (answeredBy.get(tag) ?? new Set()).add(name));
    expect([...(answeredBy.get('gray') ?? [])].toSorted()).toEqual(['gray-1', 'gray-2']);
    expect([...(answeredBy.get(undefined) ?? [])]).toEqual(['base']);
    // Nobody has that lane: base serves, sick as it is.
    expect([...(answeredBy.get('blue') ?? [])]).toEqual(['base']);
    expect(countOf(await gray(app, way, 30), 'gray-1')).toBe(0);
  });

  test('an answer that breaks off is no word of the instance: nobody is ejected, and the caller is told', async () => {
    const app = await startCaller('5xx=3,time=10m');
    await answersWith('gray-1', 200, 'broken');
    const names = await gray(app, 'fetch', 60);
    expect(countOf(names, 'gray-2')).toBeGreaterThan(8);
    expect(countOf(names, 'gray-2')).toBeLessThan(52);
    expect(countOf(names, 'base')).toBe(0);
  });

  test('what an HTTP/2 session answers counts, and ends the probation of who is well again', async () => {
    const app = await startCaller('5xx=3,time=300ms');
    for (const name of ['gray-1', 'gray-2']) {
      const port = (instances[name] as App).ports['stock-h2'] as number;
      await registrar.register({ name: 'stock-h2', group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port, metadata: { lane: 'gray' } });
    }
    await gray(app, 'http2', 3);
    const [sick] = (await gray(app, 'http2', 1)) as ['gray-1' | 'gray-2'];
    await answersWith(sick, 500);
    await gray(app, 'http2', 3);
    expect(await portsThat(app, 'ejected')).toEqual([(instances[sick] as App).ports['stock-h2']]);
    await answersWith(sick, 200);
    await eventually(async () => {
      await gray(app, 'http2', 2);
      expect(await portsThat(app, 'ejected')).toEqual([]);
      expect(await portsThat(app, 'probed')).toEqual([]);
    });
  });
});
