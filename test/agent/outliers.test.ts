/** Instances that answer with server errors while others of their lane do not: the others take their calls, base never does. */
import { once } from 'node:events';
import http from 'node:http';
import { join } from 'node:path';
import type { StatusReport } from '@lane/core/agent';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { ask, eventually, freePort } from '@lane/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startRegisteredInstance } from './registered-instance.js';
import { send, startApp, type App } from './run-app.js';

const SERVICES = ['stock', 'shop-b', 'stock-h2', 'stock-rpc'] as const;
const WAYS = ['http', 'http through one socket', 'http without an agent', 'https', 'fetch', 'agent', 'pool'] as const;

describe.each(nodeVersions())('$name', ({ path: node, major }) => {
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

  async function startCaller(outlier: string | undefined, env: Readonly<Record<string, string>> = {}): Promise<App> {
    const app = await startApp({
      node,
      script: 'caller.cjs',
      env: {
        LANE_NACOS_SERVER: nacos.address,
        LANE_SERVICES: SERVICES.join(),
        NODE_EXTRA_CA_CERTS: join(__dirname, 'tls/cert.pem'),
        ...(outlier === undefined ? {} : { LANE_OUTLIER: outlier }),
        ...env,
      },
    });
    onTestFinished(() => app.stop());
    return app;
  }

  async function answersWith(
    name: string,
    status: number | { code: number },
    how: 'plainly' | 'announced' | 'late' | 'broken' | 'reset' | 'ended' = 'plainly',
  ): Promise<void> {
    const { child } = instances[name] as App;
    const heard = once(child, 'message');
    child.send({ ...(typeof status === 'number' ? { status } : status), how });
    await heard;
  }

  /** Who answered each of some consecutive gray calls. */
  async function gray(app: App, way: string, count: number): Promise<string[]> {
    const names: string[] = [];
    for (let i = 0; i < count; i++) {
      const { body } = await send(app.port, `/?way=${encodeURIComponent(way)}&together=1`, { baggage: 'lane=gray' }, client);
      names.push((JSON.parse(body) as { name: string }).name);
    }
    return names;
  }
  /** Ports of the instances in a state, according to the agent. */
  async function portsThat(app: App, state: 'ejected' | 'probed'): Promise<number[]> {
    const { body } = await send(app.port, '/?way=known', {}, client);
    return (JSON.parse(body) as Record<typeof state, number[]>)[state];
  }
  const countOf = (names: readonly string[], name: string): number => names.filter((one) => one === name).length;

  /** Of this many calls to two instances at random, fewer than nine reach one of them once in 10^11 runs: the faulty one is ejected. */
  const ENOUGH = 70;

  /** Who answered gray calls until an instance was ejected. Its ejection lasts 30 s by default; many more calls could take that long on a busy machine. */
  async function untilEjected(app: App, way: string): Promise<string[]> {
    const names: string[] = [];
    while (names.length < ENOUGH && (await portsThat(app, 'ejected')).length === 0) names.push(...(await gray(app, way, 5)));
    return names;
  }

  test.each(WAYS)('%s: after some server errors all calls of the lane go to its healthy instance', async (way) => {
    const app = await startCaller(undefined);
    await answersWith('gray-1', 500);
    const names = await untilEjected(app, way);
    expect(countOf(names, 'gray-1')).toBeGreaterThanOrEqual(5);
    expect(countOf(names, 'base')).toBe(0);
    expect(new Set(await gray(app, way, 20))).toEqual(new Set(['gray-2']));
  });

  test.each(['reset', 'ended'] as const)('connections that are %s before an answer count as server errors', async (how) => {
    for (const way of ['http', 'http without an agent', 'https', 'fetch', 'pool']) {
      const app = await startCaller('time=10m');
      await answersWith('gray-1', 200, how);
      const names = await gray(app, way, ENOUGH);
      expect(names.filter((name) => name === undefined).length, way).toBeGreaterThanOrEqual(5);
      expect(new Set(await gray(app, way, 20)), way).toEqual(new Set(['gray-2']));
      await eventually(() => expect(app.stderr()).toMatch(/server errors, while others .*in a row, a broken connection the last; others: 0 of/));
    }
  });

  test('calls that their caller aborts do not count', async () => {
    const app = await startCaller('5xx=2,time=10m');
    await answersWith('gray-1', 200, 'late');
    for (const way of ['http, given up', 'fetch, given up']) await gray(app, way, ENOUGH);
    expect(await portsThat(app, 'ejected')).toEqual([]);
  });

  test('a lane in which all answer 5xx ejects nobody, and base gets none of its calls', async () => {
    const app = await startCaller('5xx=2,time=10m');
    await answersWith('gray-1', 500);
    await answersWith('gray-2', 503);
    const names = await gray(app, 'http', 120);
    expect(countOf(names, 'base')).toBe(0);
    expect(Math.min(countOf(names, 'gray-1'), countOf(names, 'gray-2'))).toBeGreaterThan(20);
    expect(await portsThat(app, 'ejected')).toEqual([]);
    expect(app.stderr()).not.toContain('server errors');
  });

  test('the log says once which instance is ejected, why and for how long, and when it is back', async () => {
    const app = await startCaller('time=1s', { LANE_LOG: 'info' });
    await answersWith('gray-1', 503);
    await untilEjected(app, 'http');
    const { port } = instances['gray-1'] as App;
    const saying = (text: string): string[] =>
      app
        .stderr()
        .split('\n')
        .filter((line) => line.includes(text));
    const ejected = `stock at 127.0.0.1:${port} (lane gray) for `;
    await eventually(() => expect(saying(ejected).length).toBeGreaterThan(0));
    expect(saying(ejected)[0]).toMatch(
      /lane warn: ejected for server errors, while others .* for 1 s \(\d+ in a row, 503 the last; others: 0 of \d+\)$/,
    );
    await answersWith('gray-1', 200);
    await eventually(async () => {
      await gray(app, 'http', 40);
      expect(saying('lane info: answers again').at(-1)).toContain(`stock at 127.0.0.1:${port} (lane gray)`);
    });
  });

  test('the admin port lists ejected instances with their lane and remaining time', async () => {
    const admin = await freePort();
    const app = await startCaller('time=10m', { LANE_ADMIN_PORT: String(admin) });
    await answersWith('gray-1', 500);
    await gray(app, 'http', ENOUGH);
    const { services } = JSON.parse((await ask(admin, { path: '/status' })).body) as StatusReport;
    const [told] = services.find(({ service }) => service === 'stock')?.instances ?? [];
    expect(told).toMatchObject({ address: `127.0.0.1:${instances['gray-1']?.port}`, tag: 'gray', usable: false });
    expect(told?.ejectedSeconds).toBeGreaterThan(500);
    expect((await ask(admin, { path: '/metrics' })).body).toMatch(/^lane_instances_ejected\{.*peer="stock"\} 1$/m);
  });

  test('a recovered instance is probed and gets its share again', async () => {
    const app = await startCaller('5xx=3,time=200ms');
    await answersWith('gray-1', 500);
    await gray(app, 'fetch', 30);
    await answersWith('gray-1', 200);
    await eventually(async () => expect(countOf(await gray(app, 'fetch', 40), 'gray-1')).toBeGreaterThan(8));
  });

  test('nothing is ejected if the option is off, nor for 501', async () => {
    await answersWith('gray-1', 500);
    expect(countOf(await gray(await startCaller('off'), 'http', ENOUGH), 'gray-1')).toBeGreaterThan(8);
    await answersWith('gray-1', 501);
    expect(countOf(await gray(await startCaller('5xx=3,time=10m'), 'http', ENOUGH), 'gray-1')).toBeGreaterThan(8);
  });
  test.each(['http', 'fetch', 'agent'])('%s: answers after early hints count like any', async (way) => {
    const app = await startCaller('5xx=3,time=10m');
    await answersWith('gray-1', 500, 'announced');
    await gray(app, way, ENOUGH);
    expect(countOf(await gray(app, way, 20), 'gray-1')).toBe(0);
  });

  test.each(['http', 'fetch'])('%s: fifty concurrent calls of three lanes stay in their lanes, even if instances fail late', async (way) => {
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
    // No instance has that lane: base serves, though it fails.
    expect([...(answeredBy.get('blue') ?? [])]).toEqual(['base']);
    expect(countOf(await gray(app, way, 30), 'gray-1')).toBe(0);
  });

  test('a truncated answer does not count against the instance: nobody is ejected, and the caller gets an error', async () => {
    const app = await startCaller('5xx=3,time=10m');
    await answersWith('gray-1', 200, 'broken');
    const names = await gray(app, 'fetch', ENOUGH);
    expect(countOf(names, 'gray-2')).toBeGreaterThan(8);
    expect(countOf(names, 'gray-2')).toBeLessThan(ENOUGH - 8);
    expect(countOf(names, 'base')).toBe(0);
  });

  test('answers over HTTP/2 sessions count, and end the probation of a recovered instance', async () => {
    const way = 'http2, each on a session of its own';
    const app = await startCaller('5xx=3,time=300ms');
    await answersWith('gray-1', 500);
    await eventually(async () => {
      await gray(app, way, 10);
      // Check the log, because the ejection itself may be over by now.
      expect(app.stderr()).toContain(`stock-h2 at 127.0.0.1:${instances['gray-1']?.ports['stock-h2']} (lane gray)`);
    });
    await answersWith('gray-1', 200);
    await eventually(async () => {
      await gray(app, way, 40);
      expect(await portsThat(app, 'ejected')).toEqual([]);
      expect(await portsThat(app, 'probed')).toEqual([]);
    });
  });

  test.each([
    'upgrade by http',
    'upgrade by http without an agent',
    'upgrade by http, headers in an array',
    'upgrade by undici',
    // Behind a flag in Node 20.
    ...(major < 22 ? [] : ['WebSocket']),
  ])('%s: a WebSocket refused with 5xx counts, and one that opens ends the probation', async (way) => {
    const app = await startCaller('5xx=3,time=300ms');
    await answersWith('gray-1', 503);
    const { port } = instances['gray-1'] as App;
    await eventually(async () => {
      await gray(app, way, 10);
      expect(app.stderr()).toContain(`stock at 127.0.0.1:${port} (lane gray)`);
    });
    await answersWith('gray-1', 200);
    await eventually(async () => {
      await gray(app, way, 40);
      expect([await portsThat(app, 'ejected'), await portsThat(app, 'probed')]).toEqual([[], []]);
    });
  });

  // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS; in headers if there is no other answer, else in trailers.
  test.each([
    [2, 'plainly'],
    [4, 'plainly'],
    [13, 'announced'],
    [14, 'plainly'],
    [14, 'announced'],
    [15, 'plainly'],
  ] as const)('gRPC: status %i (said %s) is a server error', async (code, how) => {
    const app = await startCaller(undefined);
    await answersWith('gray-1', { code }, how);
    await untilEjected(app, 'grpc or its error');
    expect(await portsThat(app, 'ejected')).toEqual([(instances['gray-1'] as App).ports['stock-rpc']]);
    expect(new Set(await gray(app, 'grpc or its error', 20))).toEqual(new Set(['gray-2']));
  });

  test('gRPC: trailers show that an instance has recovered', async () => {
    const app = await startCaller('5xx=3,time=300ms');
    await answersWith('gray-1', { code: 14 });
    await gray(app, 'grpc or its error', ENOUGH);
    await answersWith('gray-1', { code: 0 });
    await eventually(async () => expect(countOf(await gray(app, 'grpc', 40), 'gray-1')).toBeGreaterThan(8));
  });

  test.each([1, 3, 5, 7, 12])('gRPC: status %i says nothing of the instance', async (code) => {
    const app = await startCaller('5xx=2,time=10m');
    await answersWith('gray-1', { code });
    expect(countOf(await gray(app, 'grpc or its error', ENOUGH), 'gray-1')).toBeGreaterThan(8);
    expect(await portsThat(app, 'ejected')).toEqual([]);
  });
});
