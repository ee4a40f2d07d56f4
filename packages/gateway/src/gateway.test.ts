/** The gateway as it is: in front of real HTTP servers that are registered in a real (embedded) Nacos. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { connect as connectSocket, createServer as createSocketServer, type AddressInfo, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { DEFAULT_NEAR_POLICY } from '@lane/core/model';
import type { Lane } from '@lane/core/rules';
import { connectNacos } from '@lane/nacos-registry';
import { freePort, textOf } from '@lane/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startGateway, type Gateway } from './index.js';
import {
  arrival,
  ask,
  begin,
  type Backend,
  connect,
  counted,
  echoSockets,
  grayLane,
  keepAliveAgent,
  newService,
  registerDead,
  rulesOf,
  see,
  startBackend,
  startReadyGateway,
  SWITCHING,
  untilInstances,
  upgrade,
  useNacos,
} from './testing/support.js';

/** The list of MSE 4, in baggage. */
const MSE_LIST = '__microservice_tag__=[{%22name%22:%22gray%22%2C%22tag%22:%22gray%22%2C%22priority%22:-1}]';

useNacos();

describe('by host', () => {
  test('a request goes to base or to the lane according to its route, without a tag', async () => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'gray', { tag: 'gray' });
    const gateway = await startReadyGateway({
      routes: [
        { host: 'www.aliyundoc.com', service },
        { host: 'www.example.com', service, tag: 'gray' },
      ],
    });
    for (let i = 0; i < 10; i++) {
      expect(await see(gateway, { host: 'www.aliyundoc.com' })).toMatchObject({ backend: 'base' });
      expect(await see(gateway, { host: 'www.example.com' })).toMatchObject({ backend: 'gray' });
    }
    expect((await see(gateway, { host: 'www.example.com' })).headers).not.toHaveProperty('baggage');
  });

  test('method, path, query, headers and body arrive unchanged, and so does the answer', async () => {
    const service = newService();
    await startBackend(service, 'base', {
      listener: (request, response) =>
        void textOf(request).then((body) => {
          response.writeHead(418, 'Short And Stout', { 'set-cookie': ['a=1', 'b=2'], 'x-seen': JSON.stringify([request.method, request.url]) });
          response.end(`${String(request.headers['x-own'])} ${request.headers.host} ${body}`);
        }),
    });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const { status, headers, body } = await ask(gateway, {
      host: 'WWW.example.com:8000',
      method: 'PUT',
      path: '/a%20b/?q=1&q=%2F',
      headers: { 'x-own': 'mine' },
      body: 'über',
    });
    expect(status).toBe(418);
    expect(headers).toMatchObject({ 'set-cookie': ['a=1', 'b=2'], 'x-seen': '["PUT","/a%20b/?q=1&q=%2F"]' });
    expect(body).toBe('mine WWW.example.com:8000 über');
  });

  test('the service learns the client and the requested host', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    expect((await see(gateway, { host: 'www.example.com:8000' })).headers).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': 'www.example.com:8000',
      'x-forwarded-proto': 'http',
    });
  });

  test('a host with a port and in capitals is the same host', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ routes: [{ host: 'www.Example.com', path: '/a', service }] });
    expect(await see(gateway, { host: 'WWW.EXAMPLE.COM:8000', path: '/a?x' })).toMatchObject({ backend: 'base' });
  });

  test('a host or path without a route gets 404, without the hosts that have one', async () => {
    const gateway = await startReadyGateway({
      routes: [
        { host: 'www.aliyundoc.com', path: '/a', service: newService() },
        { host: 'www.example.com', service: newService() },
      ],
    });
    for (const [host, path] of [
      ['www.elsewhere.com', '/'],
      ['www.aliyundoc.com', '/b'],
    ] as const) {
      expect(await ask(gateway, { host, path })).toMatchObject({
        status: 404,
        body: `no route for host ${host} and path ${path}\n`,
      });
    }
  });

  test('a route to a lane without an instance gets 503 with service and tag, and base is not asked', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ routes: [{ host: '*', service, tag: 'gray' }] });
    const { status, body } = await ask(gateway);
    expect(status).toBe(503);
    expect(body).toMatch(
      new RegExp(`^ELANE_UNAVAILABLE: the route of host www.example.com leads to lane gray of service ${service}, which has no healthy instance`),
    );
    // A lane's fallback would change nothing here.
    expect(body).not.toContain('set the lane');
  });

  test('a base without an instance gets 503 with the service, and the lane is not asked', async () => {
    const service = newService();
    await startBackend(service, 'gray', { tag: 'gray' });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const { status, body } = await ask(gateway);
    expect(status).toBe(503);
    expect(body).toMatch(new RegExp(`^ELANE_UNAVAILABLE: service ${service} has no healthy base instance`));
  });

  test.each<[what: string, headers: Record<string, string | string[]>, left: RegExp | undefined]>([
    ['baggage', { baggage: 'user=42, lane=gray ,city=x' }, /^user=42,\s*city=x$/],
    ['baggage in two lines', { baggage: ['lane=gray', 'user=42'] }, /^user=42$/],
    ['nothing else in baggage', { baggage: 'lane=gray' }, undefined],
    ['a header', { 'X-Mse-Tag': 'gray', baggage: `${MSE_LIST},x-mse-gray-tag=gray` }, undefined],
  ])('a tag forged by a client is ignored and not forwarded: %s', async (_what, headers, left) => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'gray', { tag: 'gray' });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }], formats: ['baggage', 'mse'] });
    const seen = await see(gateway, { headers });
    expect(seen.backend).toBe('base');
    expect(seen.headers).not.toHaveProperty('x-mse-tag');
    if (left === undefined) expect(seen.headers).not.toHaveProperty('baggage');
    else expect(seen.headers.baggage).toMatch(left);
  });

  test.each([
    ['all', 'gray'],
    [['127.0.0.0/8'], 'gray'],
    [['10.0.0.0/8'], 'base'],
    ['none', 'base'],
  ] as const)('with trust %j, a client that claims gray is served by %s', async (trust, backend) => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'gray', { tag: 'gray' });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }], trust });
    const seen = await see(gateway, { headers: { baggage: 'user=42,lane=gray' } });
    expect(seen.backend).toBe(backend);
    expect(seen.headers.baggage).toBe(backend === 'gray' ? 'user=42,lane=gray' : 'user=42');
  });
});

describe('by entry rules', () => {
  test('a request that a rule matches goes to the lane and carries its tag; others go to base and carry none', async () => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'gray', { tag: 'gray' });
    const gateway = await startReadyGateway({ entry: 'rules', rules: rulesOf(service, [grayLane()]), routes: [{ host: '*', service }] });
    for (let i = 0; i < 10; i++) {
      const tagged = await see(gateway, { host: 'www.example.com' });
      expect([tagged.backend, tagged.headers.baggage]).toEqual(['gray', 'lane=gray']);
      const untagged = await see(gateway, { host: 'www.aliyundoc.com' });
      expect([untagged.backend, untagged.headers.baggage]).toEqual(['base', undefined]);
    }
  });

  test('a tag forged by a client is replaced by that of the rule, or removed; other baggage stays', async () => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'gray', { tag: 'gray' });
    const gateway = await startReadyGateway({ entry: 'rules', rules: rulesOf(service, [grayLane()]), routes: [{ host: '*', service }] });
    const tagged = await see(gateway, { host: 'www.example.com', headers: { baggage: 'lane=blue,user=42' } });
    expect([tagged.backend, tagged.headers.baggage]).toEqual(['gray', 'lane=gray,user=42']);
    const untagged = await see(gateway, { host: 'www.aliyundoc.com', headers: { baggage: 'lane=gray,user=42' } });
    expect([untagged.backend, untagged.headers.baggage]).toEqual(['base', 'user=42']);
  });

  test('with another key, neither that nor the default key gets through: an instance may read either', async () => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'gray', { tag: 'gray' });
    const rules = rulesOf(service, [grayLane()]);
    const gateway = await startReadyGateway({ entry: 'rules', rules, routes: [{ host: '*', service }], baggageKey: 'canary' });
    const headers = { baggage: 'lane=blue,canary=blue,user=42' };
    const tagged = await see(gateway, { host: 'www.example.com', headers });
    expect([tagged.backend, tagged.headers.baggage]).toEqual(['gray', 'canary=gray,user=42']);
    const untagged = await see(gateway, { host: 'www.aliyundoc.com', headers });
    expect([untagged.backend, untagged.headers.baggage]).toEqual(['base', 'user=42']);
  });

  test('a trusted peer’s tag takes precedence over the rules', async () => {
    const service = newService();
    await startBackend(service, 'gray', { tag: 'gray' });
    await startBackend(service, 'blue', { tag: 'blue' });
    const lanes = [grayLane(), { name: 'blue', tag: 'blue' }];
    const gateway = await startReadyGateway({ entry: 'rules', rules: rulesOf(service, lanes), routes: [{ host: '*', service }], trust: 'all' });
    const seen = await see(gateway, { headers: { baggage: 'lane=blue' } });
    expect([seen.backend, seen.headers.baggage]).toEqual(['blue', 'lane=blue']);
  });

  test('a lane without an instance falls back to base, and the tag is forwarded', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ entry: 'rules', rules: rulesOf(service, [grayLane()]), routes: [{ host: '*', service }] });
    const seen = await see(gateway);
    expect([seen.backend, seen.headers.baggage]).toEqual(['base', 'lane=gray']);
  });

  test('a lane without an instance and without fallback gets 503 with service and tag', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const rules = rulesOf(service, [grayLane({ fallback: 'none' })]);
    const gateway = await startReadyGateway({ entry: 'rules', rules, routes: [{ host: '*', service }] });
    const { status, body } = await ask(gateway);
    expect(status).toBe(503);
    expect(body).toMatch(new RegExp(`^ELANE_UNAVAILABLE: service ${service} has no healthy instance for tag gray`));
  });

  test('other rules are in force as soon as they are set', async () => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'gray', { tag: 'gray' });
    const gateway = await startReadyGateway({ entry: 'rules', routes: [{ host: '*', service }] });
    expect((await see(gateway)).backend).toBe('base');
    gateway.setRules(rulesOf(service, [grayLane()]));
    expect((await see(gateway)).backend).toBe('gray');
    gateway.setRules(rulesOf(service, [grayLane({ enabled: false })]));
    expect((await see(gateway)).backend).toBe('base');
    gateway.setRules(rulesOf(service, [grayLane()]));
    gateway.setRules(undefined);
    expect((await see(gateway)).backend).toBe('base');
  });

  test('if the gateway is not an entry, the rules of the service behind it apply, and no others', async () => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'gray', { tag: 'gray' });
    const gateway = await startReadyGateway({ entry: 'rules', rules: rulesOf(service, [grayLane()], service), routes: [{ host: '*', service }] });
    expect((await see(gateway)).headers.baggage).toBe('lane=gray');
    gateway.setRules(rulesOf(service, [grayLane()], 'another'));
    expect((await see(gateway)).backend).toBe('base');
  });

  test('the gateway can have its own name in the lane groups', async () => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'gray', { tag: 'gray' });
    const rules = rulesOf(service, [grayLane()], 'my-gateway');
    const gateway = await startReadyGateway({ entry: 'rules', rules, routes: [{ host: '*', service }], service: 'my-gateway' });
    expect((await see(gateway)).backend).toBe('gray');
  });

  test('the tag is written in each configured format', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({
      entry: 'rules',
      rules: rulesOf(service, [grayLane()]),
      routes: [{ host: '*', service }],
      formats: ['mse', 'asm'],
    });
    expect((await see(gateway, { headers: { 'x-mse-tag': 'blue' } })).headers).toMatchObject({
      'x-mse-tag': 'gray',
      baggage: `${MSE_LIST},x-mse-gray-tag=gray`,
      'x-asm-prefer-tag': 'gray',
    });
  });
});

describe('nepxion: a header with a version per service', () => {
  const started = async (more: { trust?: 'all' } = { trust: 'all' }): Promise<{ gateway: Gateway; service: string }> => {
    const service = newService();
    for (const tag of ['base', 'blue', 'gray']) await startBackend(service, tag, tag === 'base' ? {} : { tag });
    const rules = rulesOf(service, [grayLane(), { name: 'blue', tag: 'blue' }]);
    const gateway = await startReadyGateway({ entry: 'rules', rules, routes: [{ host: '*', service }], formats: ['baggage', 'nepxion'], ...more });
    return { gateway, service };
  };
  const BY_NO_RULE = 'www.aliyundoc.com';
  const askedBy = async (gateway: Gateway, map: string, host = BY_NO_RULE): Promise<unknown> => {
    const { backend, headers } = await see(gateway, { host, headers: { 'n-d-version': map } });
    return { backend, map: headers['n-d-version'], baggage: headers.baggage };
  };

  test("routes a request by the version of the route's service, and is forwarded unchanged", async () => {
    const { gateway, service } = await started();
    const map = JSON.stringify({ other: 'gray', [service]: 'blue' });
    expect(await askedBy(gateway, map)).toEqual({ backend: 'blue', map, baggage: 'lane=blue' });
    const without = JSON.stringify({ other: 'gray' });
    expect(await askedBy(gateway, without)).toEqual({ backend: 'base', map: without, baggage: undefined });
  });

  test('is replaced if a rule decides, because a rule applies to all services', async () => {
    const { gateway } = await started();
    expect(await askedBy(gateway, JSON.stringify({ other: 'blue' }), 'www.example.com')).toEqual({
      backend: 'gray',
      map: 'gray',
      baggage: 'lane=gray',
    });
  });

  test('from an untrusted client is removed', async () => {
    const { gateway, service } = await started({});
    expect(await askedBy(gateway, JSON.stringify({ [service]: 'blue' }))).toEqual({ backend: 'base', map: undefined, baggage: undefined });
  });
});

describe('several instances', () => {
  test('get requests by weight', async () => {
    const service = newService();
    await startBackend(service, 'heavy', { weight: 9 });
    await startBackend(service, 'light', { weight: 1 });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const agent = keepAliveAgent();
    let light = 0;
    for (let i = 0; i < 300; i++) if ((await see(gateway, { agent })).backend === 'light') light++;
    // 30 to be expected; these limits are more than 5 standard deviations off.
    expect(light).toBeGreaterThan(0);
    expect(light).toBeLessThan(65);
  });

  test('near the gateway come first, within the lane; if none of them answers, the far ones do', async () => {
    const service = newService();
    const near = await startBackend(service, 'near', { metadata: { zone: 'a' } });
    await startBackend(service, 'far', { metadata: { zone: 'b' } });
    await startBackend(service, 'far gray', { metadata: { lane: 'gray', zone: 'b' } });
    const gateway = await startReadyGateway({
      near: DEFAULT_NEAR_POLICY,
      place: { zone: 'a' },
      routes: [
        { host: '*', service },
        { host: 'gray.example.com', service, tag: 'gray' },
      ],
    });
    for (let i = 0; i < 20; i++) expect(await see(gateway)).toMatchObject({ backend: 'near' });
    expect(await see(gateway, { host: 'gray.example.com' })).toMatchObject({ backend: 'far gray' });
    await near.die();
    for (let i = 0; i < 5; i++) expect(await see(gateway)).toMatchObject({ backend: 'far' });
  });

  test('that are disabled or of weight 0 get none', async () => {
    const service = newService();
    await startBackend(service, 'good');
    await startBackend(service, 'weightless', { weight: 0 });
    await startBackend(service, 'disabled', { enabled: false });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    for (let i = 0; i < 30; i++) expect((await see(gateway)).backend).toBe('good');
  });

  test('that are unknown because Nacos is down give 503', async () => {
    const service = newService();
    const registry = connectNacos({ server: `127.0.0.1:${await freePort()}` });
    onTestFinished(() => registry.close());
    const gateway = await startGateway({ port: 0, entry: 'hosts', registry, routes: [{ host: '*', service }] });
    onTestFinished(() => gateway.close());
    const { status, body } = await ask(gateway);
    expect(status).toBe(503);
    expect(body).toContain(service);
  });

  test('are updated as they come and go', async () => {
    const service = newService();
    const registry = connect();
    const gateway = await startReadyGateway({ registry, routes: [{ host: '*', service }] });
    expect((await ask(gateway)).status).toBe(503);
    await startBackend(service, 'first');
    await untilInstances(registry, service, 1);
    expect((await see(gateway)).backend).toBe('first');

    const provider = connect();
    const { port } = await startBackend(newService(), 'second');
    await provider.register({ name: service, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port });
    await untilInstances(registry, service, 2);
    const backends = new Set<string>();
    while (backends.size < 2) backends.add((await see(gateway)).backend);

    await provider.deregister({ name: service, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port });
    await untilInstances(registry, service, 1);
    for (let i = 0; i < 10; i++) expect((await see(gateway)).backend).toBe('first');
  });
});

describe('an instance that is gone, but still listed,', () => {
  test('is skipped by requests without a body', async () => {
    const service = newService();
    // Chosen first, all but surely.
    for (let i = 0; i < 2; i++) await registerDead(service, { weight: 10_000 });
    await startBackend(service, 'twin', { weight: 0.01 });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    for (const method of ['GET', 'DELETE', 'OPTIONS']) expect(await see(gateway, { method })).toMatchObject({ backend: 'twin', method });
  });

  test('is skipped by requests with a body, which arrives complete: none of it was read before', async () => {
    const service = newService();
    for (let i = 0; i < 2; i++) await registerDead(service, { weight: 10_000 });
    await startBackend(service, 'twin', { weight: 0.01 });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    for (const headers of [{ 'content-length': '4' }, { 'transfer-encoding': 'chunked' }] as Array<Record<string, string>>) {
      expect(await see(gateway, { method: 'POST', headers, body: 'once' })).toMatchObject({ backend: 'twin', body: 'once' });
    }
  });

  test('and has no twin: 502 that names the service; the address is in the log', async () => {
    const service = newService();
    const backend = await startBackend(service, 'base');
    const warnings: string[] = [];
    const gateway = await startReadyGateway({
      routes: [{ host: '*', service }],
      log: { error: () => {}, warn: (message, fields) => warnings.push(`${message} ${JSON.stringify(fields)}`), info: () => {}, debug: () => {} },
    });
    await see(gateway);
    await backend.die();
    const { status, headers, body } = await ask(gateway);
    expect(status).toBe(502);
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(body).toMatch(new RegExp(`^${service} did not answer: the gateway's log says why, at request [\\da-f-]{36}\n$`));
    expect(warnings.length).toBeGreaterThan(0);
    for (const line of warnings) expect(line).toMatch(new RegExp(`^${service} at 127.0.0.1:${backend.port} did not answer .*ECONNREFUSED`));
  });

  test('and hangs up without an answer: 502, and the request is not repeated at another instance', async () => {
    const service = newService();
    let asked = 0;
    const breaking: RequestListener = (request) => {
      asked++;
      request.socket.destroy();
    };
    await startBackend(service, 'one', { listener: breaking });
    await startBackend(service, 'other', { listener: breaking, weight: 0.000_001 });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    expect(await ask(gateway)).toMatchObject({ status: 502, body: expect.stringContaining(`${service} did not answer`) });
    expect(asked).toBe(1);
  });

  test('and hangs up within its answer: the client sees a broken answer, not a truncated one', async () => {
    const service = newService();
    await startBackend(service, 'base', {
      listener: (_request, response) => {
        response.write('the first half');
        setImmediate(() => response.write(' and more', () => response.socket?.destroy()));
      },
    });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    await expect(ask(gateway)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('fails a long upload too, and the client’s connection works for the next request', async () => {
    const service = newService();
    await registerDead(service);
    const alive = newService();
    await startBackend(alive, 'base');
    const gateway = await startReadyGateway({
      routes: [
        { host: 'dead', service },
        { host: 'alive', service: alive },
      ],
    });
    const agent = keepAliveAgent();
    const upload = begin(gateway, { host: 'dead', method: 'POST', agent });
    // More than all buffers on the way hold.
    upload.end(Buffer.alloc(30_000_000));
    const [[response], [socket]] = (await Promise.all([once(upload, 'response'), once(upload, 'socket')])) as [[IncomingMessage], [Socket]];
    expect(response.statusCode).toBe(502);
    expect(await textOf(response)).toContain(service);
    const next = begin(gateway, { host: 'alive', agent });
    next.end();
    const [second] = (await once(next, 'response')) as [IncomingMessage];
    expect(second.statusCode).toBe(200);
    expect(next.socket).toBe(socket);
  });
});

describe('dead replicas of a lane that are still registered', () => {
  const started = async (dead: number, lane: Partial<Lane> = {}): Promise<{ gateway: Gateway; base: Backend; connects: number[] }> => {
    const service = newService();
    const base = await startBackend(service, 'base');
    const ports = new Set<number>();
    for (let i = 0; i < dead; i++) ports.add((await registerDead(service, { metadata: { lane: 'gray' } })).port);
    const connects: number[] = [];
    const count = (message: unknown): void => {
      const { socket } = message as { socket: Socket };
      socket.on('connectionAttempt', (_ip, port) => void (ports.has(port) && connects.push(port)));
    };
    subscribe('net.client.socket', count);
    onTestFinished(() => void unsubscribe('net.client.socket', count));
    const gateway = await startReadyGateway({
      entry: 'rules',
      rules: rulesOf(service, [grayLane({ rules: [], ...lane })], service),
      trust: 'all',
      routes: [{ host: '*', service }],
    });
    return { gateway, base, connects };
  };
  const headers = { baggage: 'lane=gray' };

  test.each([1, 2, 5])('%i of them: base answers every request, and none is tried once all have refused', async (dead) => {
    const { gateway, connects } = await started(dead);
    for (let i = 0; i < 2; i++) expect((await see(gateway, { headers })).backend).toBe('base');
    expect(new Set(connects).size).toBeGreaterThanOrEqual(dead);
    connects.splice(0);
    for (let i = 0; i < 10; i++) expect((await see(gateway, { headers })).backend).toBe('base');
    expect(connects).toEqual([]);
  });

  test('base answers a WebSocket, too', async () => {
    const { gateway, base } = await started(5);
    echoSockets(base);
    expect((await upgrade(gateway, { headers: 'Baggage: lane=gray\r\n' })).answer).toMatch(SWITCHING);
  });

  test('a lane without a fallback gives the error, and each request tries it again', async () => {
    const { gateway } = await started(2, { fallback: 'none' });
    for (let i = 0; i < 3; i++) expect((await ask(gateway, { headers })).status).toBe(502);
  });

  test('a live one answers for the whole lane', async () => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'gray', { tag: 'gray' });
    for (let i = 0; i < 2; i++) await registerDead(service, { metadata: { lane: 'gray' } });
    const gateway = await startReadyGateway({
      entry: 'rules',
      rules: rulesOf(service, [grayLane({ rules: [] })], service),
      trust: 'all',
      routes: [{ host: '*', service }],
    });
    for (let i = 0; i < 20; i++) expect((await see(gateway, { headers })).backend).toBe('gray');
  });
});

describe('bodies', () => {
  test('the answer’s first part arrives before its last is sent', async () => {
    const service = newService();
    const answering = arrival<ServerResponse>();
    await startBackend(service, 'base', {
      listener: (_request, response) => {
        response.write('first');
        answering.came(response);
      },
    });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const request = begin(gateway);
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.setEncoding('utf8');
    expect(await once(response, 'data')).toEqual(['first']);
    (await answering.first).end('last');
    expect(await textOf(response)).toBe('last');
  });

  test('the request’s first part arrives before its last is sent', async () => {
    const service = newService();
    const receiving = arrival<IncomingMessage>();
    await startBackend(service, 'base', {
      listener: (request, response) => {
        receiving.came(request);
        request.on('end', () => response.end('thanks'));
      },
    });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const request = begin(gateway, { method: 'POST' });
    request.write('first');
    const arrived = (await receiving.first).setEncoding('utf8');
    expect(await once(arrived, 'data')).toEqual(['first']);
    request.end('last');
    expect(await once(arrived, 'data')).toEqual(['last']);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(await textOf(response)).toBe('thanks');
  });

  test('of many megabytes arrive complete, both ways', async () => {
    const service = newService();
    await startBackend(service, 'base', { listener: (request, response) => void request.pipe(response) });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const sent = Buffer.from(Array.from({ length: 200_000 }, (_, line) => `line ${line} of the upload\n`).join(''));
    const { status, body } = await ask(gateway, { method: 'POST', body: sent });
    expect(status).toBe(200);
    expect(body === sent.toString()).toBe(true);
  });

  test('a client that leaves ends the request at the instance', async () => {
    const service = newService();
    const receiving = arrival<ServerResponse>();
    await startBackend(service, 'base', { listener: (_request, response) => receiving.came(response) });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const request = begin(gateway).on('error', () => {});
    request.end();
    const response = await receiving.first;
    request.destroy();
    await once(response, 'close');
    expect(response.writableEnded).toBe(false);
  });
});

describe('connections', () => {
  test('that an instance closes just as they are reused fail no request that may be repeated', async () => {
    const service = newService();
    const seen: string[] = [];
    const perConnection = new WeakMap<object, number>();
    const { server } = await startBackend(service, 'base', {
      listener: (request, response) => {
        const count = (perConnection.get(request.socket) ?? 0) + 1;
        perConnection.set(request.socket, count);
        seen.push(`${request.method} ${count}`);
        if (count === 1) response.end('ok');
        else request.socket.destroy();
      },
    });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) for (let i = 0; i < 10; i++) expect((await ask(gateway, { method })).status).toBe(200);
    // Each had a connection that was closed so often that it is no chance.
    expect(seen.filter((one) => one.endsWith(' 2')).length).toBeGreaterThan(5);

    seen.length = 0;
    const statuses: number[] = [];
    for (let i = 0; i < 20; i++) statuses.push((await ask(gateway, { method: 'POST' })).status);
    expect(seen).toHaveLength(20);
    expect(statuses).toContain(502);
    server.close();
  });

  test('stay open, to the client and to the instance', async () => {
    const service = newService();
    const backend = await startBackend(service, 'base');
    let connections = 0;
    backend.server.on('connection', () => connections++);
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const agent = keepAliveAgent();
    const sockets = new Set<unknown>();
    for (let i = 0; i < 50; i++) {
      const request = begin(gateway, { agent, method: i % 2 === 0 ? 'GET' : 'PUT', headers: i % 2 === 0 ? {} : { 'content-length': '4' } });
      request.end(i % 2 === 0 ? undefined : 'body');
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      await textOf(response);
      sockets.add(request.socket);
    }
    expect(sockets.size).toBe(1);
    // Each rests for a moment before it is used again, so that there are a few.
    expect(connections).toBeLessThan(25);
  });

  test.skipIf(!Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1')))(
    'go to IPv6 addresses, and come to them',
    async () => {
      const service = newService();
      const { server } = await startBackend(service, 'six', { host: '::1' });
      server.on('upgrade', (_request, socket) => socket.end(SWITCHING));
      const gateway = await startReadyGateway({ host: '::1', routes: [{ host: '*', service }] });
      expect(gateway.url).toBe(`http://[::1]:${gateway.port}`);
      expect((await see(gateway)).backend).toBe('six');
      expect((await upgrade(gateway)).answer).toMatch(/^HTTP\/1\.1 101 /);
    },
  );
});

describe('a WebSocket', () => {
  test('goes to the lane of its route, and carries both ways', async () => {
    const service = newService();
    const base = echoSockets(await startBackend(service, 'base'));
    const gray = echoSockets(await startBackend(service, 'gray', { tag: 'gray' }));
    const gateway = await startReadyGateway({ routes: [{ host: '*', service, tag: 'gray' }] });
    const { socket, answer } = await upgrade(gateway, { headers: 'baggage: lane=blue,user=42\r\n' });
    expect(answer).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    for (const text of ['ping', 'pong']) {
      socket.write(text);
      expect(await once(socket, 'data')).toEqual([text]);
    }
    expect([base.length, gray.length]).toEqual([0, 1]);
    expect(gray[0]?.url).toBe('/chat');
    expect(gray[0]?.headers.baggage).toBe('user=42');
  });

  test('gets the tag of its entry rule', async () => {
    const service = newService();
    const requests = echoSockets(await startBackend(service, 'base'));
    const gateway = await startReadyGateway({ entry: 'rules', rules: rulesOf(service, [grayLane()]), routes: [{ host: '*', service }] });
    expect((await upgrade(gateway)).answer).toContain(' 101 ');
    expect(requests[0]?.headers.baggage).toBe('lane=gray');
  });

  test('is refused like a request: 404 without a route, 503 without an instance, or as the service refuses it', async () => {
    const service = newService();
    await startBackend(service, 'base', { listener: (_request, response) => response.writeHead(403).end() });
    const gateway = await startReadyGateway({
      routes: [
        { host: 'open', service },
        { host: 'gray', service, tag: 'gray' },
      ],
    });
    expect((await upgrade(gateway, { host: 'elsewhere' })).answer).toMatch(/^HTTP\/1\.1 404 /);
    expect((await upgrade(gateway, { host: 'gray' })).answer).toMatch(/^HTTP\/1\.1 503 /);
    expect((await upgrade(gateway, { host: 'open' })).answer).toMatch(/^HTTP\/1\.1 403 /);
  });

  test('whose client or instance is gone, or whose address is invalid, harms nobody else', async () => {
    const [service, dead, nonsense] = [newService(), newService(), newService()];
    await startBackend(service, 'base');
    await registerDead(dead);
    await connect().register({ name: nonsense, group: 'DEFAULT_GROUP' }, { ip: 'no such host', port: 1 });
    const gateway = await startReadyGateway({
      routes: [
        { host: 'open', service },
        { host: 'dead', service: dead },
        { host: 'nonsense', service: nonsense },
      ],
    });
    for (const host of ['dead', 'nonsense']) expect((await upgrade(gateway, { host })).answer).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/);
    // A client that is gone before it is refused. Many: it is a race.
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        const socket = connectSocket(gateway.port, gateway.host).on('error', () => {});
        socket.write('GET / HTTP/1.1\r\nHost: elsewhere\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', () => socket.resetAndDestroy());
        await once(socket, 'close');
      }),
    );
    expect((await see(gateway, { host: 'open' })).backend).toBe('base');
  });
});

describe('the end', () => {
  test('waits for requests in flight, accepts no further ones, and frees the port', async () => {
    const service = newService();
    const receiving = arrival<ServerResponse>();
    await startBackend(service, 'base', { listener: (_request, response) => receiving.came(response) });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const agent = keepAliveAgent();
    const request = begin(gateway, { agent });
    request.end();
    const underWay = await receiving.first;

    const closed: string[] = [];
    const closing = gateway.close().then(() => closed.push('gateway'));
    await expect(ask(gateway)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(closed).toEqual([]);
    underWay.end('to the end');
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(await textOf(response)).toBe('to the end');
    await closing;
    await gateway.close();

    // The connection was kept open by the client, and is not by the gateway.
    await expect(ask(gateway, { agent })).rejects.toMatchObject({ code: expect.stringMatching(/ECONNREFUSED|ECONNRESET/) });
    const again = await startReadyGateway({ port: gateway.port, routes: [{ host: '*', service }] });
    expect(again.port).toBe(gateway.port);
  });

  test('is not delayed by idle open connections', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const registry = counted(connect());
    const gateway = await startReadyGateway({ registry, routes: [{ host: '*', service }] });
    expect(registry.subscriptions).toBe(1);
    const agent = keepAliveAgent();
    await see(gateway, { agent });
    const [socket] = Object.values(agent.freeSockets).flat() as unknown as [Socket];
    await Promise.all([gateway.close(), once(socket, 'close')]);
    expect(registry.subscriptions).toBe(0);
  });
});

test('a port in use is a clear error with a remedy, and the registry is closed', async () => {
  const server = createSocketServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const registry = counted(connect());
  await expect(startGateway({ port, registry, entry: 'hosts', routes: [{ host: '*', service: newService() }] })).rejects.toMatchObject({
    code: 'ELANE_PORT_IN_USE',
    message: `port ${port} of 127.0.0.1 is in use: stop what listens there, or choose another port (0 takes a free one)`,
  });
  expect(registry.subscriptions).toBe(0);
});
