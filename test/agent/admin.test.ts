/** LANE_ADMIN_PORT: figures of real requests, how the port is announced, and a drain that loses nothing. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { CallFigures, DecisionReport, DrainReport, RequestFigures, StatusReport, TrafficReport } from '@lane/core/agent';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, freePort } from '@lane/testing';
import { nodeVersions } from './nodes.js';
import { startPeer, type Peer } from './peer.js';
import { runApp, send, startApp, type App } from './run-app.js';

const GRAY = { baggage: 'lane=gray' };

let base: Peer;
let gray: Peer;
beforeAll(async () => void ([base, gray] = await Promise.all([startPeer('base'), startPeer('gray')])));
afterAll(async () => {
  await Promise.all([base?.close(), gray?.close()]);
});

/** The admin port of an app, from its log at LANE_LOG=info. */
const adminOf = (app: App): Promise<number> =>
  eventually(() => {
    const [, port] = /admin port is open host=\S+ port=(\d+)/.exec(app.stderr()) ?? [];
    expect(port).toBeDefined();
    return Number(port);
  });

async function read<T>(port: number, path: string): Promise<T> {
  return (await (await fetch(`http://127.0.0.1:${port}${path}`)).json()) as T;
}

async function ask(
  port: number,
  options: http.RequestOptions,
): Promise<{ status: number | undefined; body: string; headers: http.IncomingHttpHeaders }> {
  const request = http.request({ host: '127.0.0.1', port, agent: false, ...options });
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, body, headers: response.headers };
}

describe.each(nodeVersions())('$name', ({ path: node }) => {
  let app: App;
  let admin: number;
  let broken: http.Server;
  beforeAll(async () => {
    broken = http.createServer((_, response) => response.writeHead(503).end('{}'));
    await once(broken.listen(0, '127.0.0.1'), 'listening');
    app = await startApp({
      node,
      script: 'echo.cjs',
      preload: ['known-instances.cjs'],
      env: {
        KNOWN: JSON.stringify([
          { name: 'shop-b', instances: [{ port: base.port }, { port: gray.port, metadata: { lane: 'gray' } }] },
          { name: 'shop-c', instances: [{ port: 1, metadata: { lane: 'gray' } }] },
          { name: 'shop-d', instances: [{ port: (broken.address() as AddressInfo).port }] },
        ]),
        PEER: `http://127.0.0.1:${base.port}/`,
        LANE_SERVICE: 'shop-a',
        LANE_SERVICES: 'shop-b,shop-c,shop-d',
        LANE_ADMIN_PORT: '0',
        LANE_LOG: 'info',
      },
    });
    admin = await adminOf(app);
  });
  afterAll(async () => {
    await app?.stop();
    broken?.close();
  });

  const calls = async (): Promise<readonly CallFigures[]> => (await read<TrafficReport>(admin, '/traffic')).calls;
  const countOf = async (peer: string, tag: string | null, route: string): Promise<readonly [number, number]> => {
    const found = (await calls()).find((figures) => figures.peer === peer && figures.tag === tag && figures.route === route);
    return [found?.count ?? 0, found?.errors ?? 0];
  };

  test.each([
    ['a name, by its lane', 'http://shop-b/', 'gray', 'shop-b', 'lane', 0],
    ['a name, by base', 'http://shop-b/', null, 'shop-b', 'base', 0],
    ['a lane that has no instance', 'http://shop-b/', 'blue', 'shop-b', 'fallback', 0],
    ['an address of the wrong lane', 'base', 'gray', 'shop-b', 'corrected', 0],
    ['nobody there', 'http://shop-c/', 'gray', 'shop-c', 'lane', 3],
    ['nothing that may serve it', 'http://shop-c/', null, 'shop-c', 'none', 3],
    ['a 503', 'http://shop-d/', 'gray', 'shop-d', 'fallback', 3],
    ['no known service', 'broken', null, '(internal)', 'outside', 3],
  ] as const)('calls are counted once each, by http, fetch and a pool: %s', async (_, target, tag, peer, route, errors) => {
    const url =
      target === 'base'
        ? `http://127.0.0.1:${base.port}/`
        : target === 'broken'
          ? `http://localhost:${(broken.address() as AddressInfo).port}/`
          : target;
    const before = await countOf(peer, tag, route);
    await send(app.port, `/?ways=http,fetch,pool&url=${encodeURIComponent(url)}`, tag === null ? {} : { baggage: `lane=${tag}` });
    await eventually(async () => {
      const after = await countOf(peer, tag, route);
      expect([after[0] - before[0], after[1] - before[1]]).toEqual([3, errors]);
    });
  });

  test('requests are counted by tag and source, except those to the admin port', async () => {
    const requests = async (): Promise<Record<string, RequestFigures>> =>
      Object.fromEntries((await read<TrafficReport>(admin, '/traffic')).requests.map((figures) => [`${figures.tag} ${figures.source}`, figures]));
    const before = await requests();
    for (let i = 0; i < 3; i++) await send(app.port, '/?ways=http', GRAY);
    await send(app.port, '/?ways=http');
    await eventually(async () => {
      const after = await requests();
      const added = (key: string): number => (after[key]?.count ?? 0) - (before[key]?.count ?? 0);
      expect([added('gray inbound'), added('null none')]).toEqual([3, 1]);
      expect((await read<TrafficReport>(admin, '/traffic')).inFlight).toBe(0);
    });
    expect(Object.keys(await requests()).sort()).toEqual(['blue inbound', 'gray inbound', 'null none']);
  });

  test('/metrics serves Prometheus text', async () => {
    const { body, headers } = await ask(admin, { path: '/metrics' });
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toMatch(/^# TYPE lane_calls_total counter$/m);
    expect(body).toMatch(/^lane_calls_total\{service="shop-a",peer="shop-b",tag="gray",route="lane"\} \d+$/m);
    expect(body).toMatch(/^lane_requests_total\{service="shop-a",tag="base",source="none"\} \d+$/m);
    expect(body).toMatch(/^lane_request_duration_seconds_bucket\{service="shop-a",tag="gray",le="\+Inf"\} \d+$/m);
    expect(body).toMatch(/^lane_instrumentation_failures_total\{service="shop-a",instrumentation="http-client"\} 0$/m);
  });

  test('/decisions lists the latest first, with reasons', async () => {
    await send(app.port, `/?ways=http&url=${encodeURIComponent('http://shop-b/')}`, { baggage: 'lane=blue' });
    const [latest] = await eventually(async () => {
      const decisions = await read<readonly DecisionReport[]>(admin, '/decisions?limit=1');
      expect(decisions[0]?.tag).toBe('blue');
      return decisions;
    });
    expect(latest).toEqual({
      at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      caller: 'shop-a',
      peer: 'shop-b',
      tag: 'blue',
      outcome: 'fallback',
      instance: `127.0.0.1:${base.port}`,
    });
  });

  test('/status describes the agent, without secrets', async () => {
    const status = await read<StatusReport>(admin, '/status');
    expect(status).toMatchObject({ pid: app.child.pid, service: 'shop-a', tag: null, ready: true, drain: null });
    expect(status.instrumentations).toContainEqual({ name: 'http-client', state: 'on', failures: 0 });
    expect(status.instrumentations).toContainEqual({ name: 'kafkajs', state: 'waiting', failures: 0 });
  });

  test.each([
    ['another method', { path: '/status', method: 'POST' }, 405],
    ['no such page', { path: '/nothing' }, 404],
    ['a page of a browser', { path: '/drain', method: 'POST', headers: { origin: 'http://evil.example' } }, 403],
    ['a name that leads to loopback', { path: '/status', headers: { host: 'evil.example' } }, 403],
    ['localhost', { path: '/status', headers: { host: 'localhost:9' } }, 200],
  ])('%s is answered with %#', async (_, options, status) => {
    expect((await ask(admin, options)).status).toBe(status);
  });

  test('beyond loopback, Host must be an address or a name that nobody outside can own', async () => {
    const open = await startApp({ node, script: 'echo.cjs', env: { LANE_ADMIN_PORT: '0', LANE_ADMIN_HOST: '0.0.0.0', LANE_LOG: 'info' } });
    try {
      const port = await adminOf(open);
      const own = Object.values(networkInterfaces())
        .flat()
        .find((one) => one?.family === 'IPv4' && !one.internal)?.address;
      const names = { 'evil.example': 403, 'shop.svc.evil.example': 403, '10.0.0.1.evil.example': 403, '10.0.0.1': 200, localhost: 200 };
      const beyond = { ...names, 'shop-a': 200, 'shop-a.default.svc': 200, 'shop-a.default.svc.cluster.local': 200 };
      for (const [host, byName] of [
        ['127.0.0.1', names],
        [own, beyond],
      ] as const) {
        if (host === undefined) continue;
        for (const [name, status] of Object.entries(byName)) {
          expect([host, name, (await ask(port, { host, path: '/status', headers: { host: `${name}:${port}` } })).status]).toEqual([
            host,
            name,
            status,
          ]);
        }
      }
    } finally {
      await open.stop();
    }
  });

  test('the port does not keep a process alive', async () => {
    const { code, stderr } = await runApp({ node, script: 'once.mjs', env: { PEER: `http://127.0.0.1:${base.port}/`, LANE_ADMIN_PORT: '0' } });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('a port in use is one line in the log, and the app runs', async () => {
    const { code, stderr } = await runApp({
      node,
      script: 'once.mjs',
      env: { PEER: `http://127.0.0.1:${base.port}/`, LANE_ADMIN_PORT: String(admin) },
    });
    expect(code).toBe(0);
    expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(new RegExp(`LANE_ADMIN_PORT=${admin} of 127.0.0.1 is already in use`))]);
  });

  test('in a cluster each process has its own port, even if the option names a fixed one', async () => {
    const port = await freePort();
    const { child, stderr } = await startApp({
      node,
      script: 'many.cjs',
      load: 'NODE_OPTIONS',
      env: { LANE_ADMIN_PORT: String(port), LANE_LOG: 'info' },
    });
    const ports = (): Array<string | undefined> => [...stderr().matchAll(/admin port is open host=\S+ port=(\d+)/g)].map(([, found]) => found);
    await eventually(() => expect(ports()).toHaveLength(3));
    const ended = once(child, 'close');
    child.send('end');
    expect(await ended).toEqual([0, null]);
    expect(new Set(ports()).size).toBe(3);
    expect(ports()).toContain(String(port));
    expect(stderr()).toMatch(/taken by another process of this cluster/);
  });

  test('a worker thread has no admin port', async () => {
    const { code, stderr } = await runApp({
      node,
      script: 'many.cjs',
      args: ['thread'],
      load: 'NODE_OPTIONS',
      env: { LANE_ADMIN_PORT: '0', LANE_LOG: 'info' },
    });
    expect(code).toBe(0);
    expect(stderr.match(/admin port is open/g)).toHaveLength(1);
  });

  test.each(['at once', 'later'])('OpenTelemetry metrics that are set up %s get the figures', async (when) => {
    const metered = await startApp({
      node,
      script: 'metered.cjs',
      args: [when],
      env: { PEER: `http://127.0.0.1:${base.port}/`, LANE_SERVICE: 'shop-a' },
    });
    try {
      const collected = await eventually(async () => {
        await send(metered.port, '/', GRAY);
        const { body } = await send(metered.port, '/collect');
        const found = JSON.parse(body) as Record<string, Array<Record<string, unknown>>>;
        expect(found['lane.requests']?.length).toBeGreaterThan(0);
        return found;
      });
      expect(collected['lane.requests']).toContainEqual({ 'lane.tag': 'gray', 'lane.source': 'inbound', value: expect.any(Number) as number });
      expect(collected['lane.calls']).toContainEqual({
        'lane.tag': 'gray',
        'peer.service': '(internal)',
        'lane.route': 'outside',
        value: expect.any(Number) as number,
      });
    } finally {
      await metered.stop();
    }
  });
});

describe('in Nacos', () => {
  const key = { name: 'shop-b', group: 'DEFAULT_GROUP' };
  let nacos: Awaited<ReturnType<typeof startEmbeddedNacos>>;
  let connection: NacosConnection;
  beforeAll(async () => {
    nacos = await startEmbeddedNacos({ port: 0 });
    connection = connectNacos({ server: nacos.address, holdProcess: true });
  });
  afterAll(async () => {
    await connection?.close();
    await nacos?.close();
  });

  const start = (env: Record<string, string> = {}): Promise<App> =>
    startApp({ script: 'registered.cjs', env: { NACOS: nacos.address, SERVICE: key.name, LANE_ADMIN_PORT: '0', LANE_LOG: 'info', ...env } });

  test.each([
    ['base', {}],
    ['a lane', { LANE_TAG: 'gray' }],
  ])('an instance of %s announces its port in addition to its own metadata', async (_, env) => {
    const app = await start(env);
    const admin = await adminOf(app);
    const [instance] = await connection.list(key);
    expect(instance?.metadata).toMatchObject({ zone: 'a', 'lane.admin': `127.0.0.1:${admin}` });
    await fetch(`http://127.0.0.1:${admin}/drain?settleSeconds=0`, { method: 'POST' }).then((response) => response.text());
    await app.stop();
  });

  test.each([
    ['one of two', 'shop-b', {}, undefined],
    ['the last of its lane', 'shop-c', { LANE_TAG: 'gray' }, 'gray'],
  ])('a drain of %s loses no request: peers go elsewhere before it ends, and it waits for requests in flight', async (_, service, env, tag) => {
    const [leaving, staying, caller] = await Promise.all([
      start({ SERVICE: service, DELAY_MS: '50', ...env }),
      start({ SERVICE: service, DELAY_MS: '50' }),
      start({ SERVICE: 'shop-a', LANE_SERVICES: service, LANE_NACOS_SERVER: nacos.address }),
    ]);
    try {
      const admin = await adminOf(leaving);
      let failed = 0;
      let stopped = false;
      const callers = Array.from({ length: 4 }, async () => {
        while (!stopped) {
          const response = await fetch(`http://127.0.0.1:${caller.port}/?url=${encodeURIComponent(`http://${service}/`)}`, {
            headers: tag === undefined ? {} : { baggage: `lane=${tag}` },
          }).catch(() => undefined);
          if (response?.status === 200) await response.text();
          else failed++;
        }
      });
      const count = async (port = admin): Promise<number> =>
        (await read<TrafficReport>(port, '/traffic')).requests.reduce((sum, { count: requests }) => sum + requests, 0);
      await eventually(async () => expect(await count()).toBeGreaterThan(5));

      const response = await fetch(`http://127.0.0.1:${admin}/drain?settleSeconds=5&deadlineSeconds=60`, { method: 'POST' });
      const lines = (await response.text())
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as DrainReport);
      expect(lines.at(-1)).toMatchObject({ state: 'drained', withdrawn: 1, inFlight: 0, problems: [] });
      expect(lines[0]?.state).toBe('withdrawing');
      expect((await read<StatusReport>(admin, '/status')).ready).toBe(false);
      const listed = (await connection.list({ ...key, name: service })).map(({ port }) => port);
      expect(listed).toContain(staying.port);
      expect(listed).not.toContain(leaving.port);
      const atEnd = await count();
      // A second request joins the same drain.
      const again = await fetch(`http://127.0.0.1:${admin}/drain`, { method: 'POST' });
      expect(await again.text()).toContain('"state":"drained"');
      expect(await count()).toBe(atEnd);
      await leaving.stop();
      const adminOfStaying = await adminOf(staying);
      const before = await count(adminOfStaying);
      await eventually(async () => expect(await count(adminOfStaying)).toBeGreaterThan(before + 5));
      stopped = true;
      await Promise.all(callers);
      expect(failed).toBe(0);
    } finally {
      await Promise.all([staying.stop(), caller.stop()]);
    }
  });

  test('a request that its client aborts is counted, but not as failed, and leaves the requests in flight', async () => {
    const app = await start({ DELAY_MS: '60000' });
    const admin = await adminOf(app);
    const request = http.get({ host: '127.0.0.1', port: app.port, headers: GRAY });
    request.on('error', () => {});
    await eventually(async () => expect((await read<TrafficReport>(admin, '/traffic')).inFlight).toBe(1));
    request.destroy();
    await eventually(async () => {
      const traffic = await read<TrafficReport>(admin, '/traffic');
      expect(traffic.inFlight).toBe(0);
      expect(traffic.requests).toEqual([{ tag: 'gray', source: 'inbound', count: 1, errors: 0 }]);
    });
    await app.stop();
  });

  test('a drain that hits its deadline reports what is still in flight', async () => {
    const app = await start({ DELAY_MS: '60000' });
    const admin = await adminOf(app);
    void fetch(`http://127.0.0.1:${app.port}/`).catch(() => {});
    await eventually(async () => expect((await read<TrafficReport>(admin, '/traffic')).inFlight).toBe(1));
    const response = await fetch(`http://127.0.0.1:${admin}/drain?settleSeconds=0&deadlineSeconds=1`, { method: 'POST' });
    const last = JSON.parse((await response.text()).trim().split('\n').at(-1) as string) as DrainReport;
    expect(last).toMatchObject({ state: 'deadline', inFlight: 1 });
    expect(last.problems).toEqual([expect.stringContaining('deadline')]);
    await app.stop();
  });
});
