/** What instances may do to a console that asks them: send endless lies, hang, or redirect it. */
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, onTestFinished, test } from 'vitest';
import { adminAddressOf, isLoopbackServer } from '../../../packages/console/src/traffic/admin-address.js';
import { start, type Started } from '../../../packages/console/src/testing/start.js';
import { TLS } from '../../agent/peer.js';

/** Serves exactly these figures. */
async function startInstance(answer: http.RequestListener): Promise<number> {
  const server = http.createServer(answer);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

const GOOD = JSON.stringify({ requests: [{ tag: null, source: 'none', count: 3, errors: 0 }], calls: [] });
/** Distinct peers of a given size. */
const lies = (bytes: number): string => {
  const calls: object[] = [];
  for (let length = 0, i = 0; length < bytes - 200; i++) {
    const one = { peer: `made-up-${i}-${bytes}`, tag: null, route: 'base', count: 1, errors: 0 };
    length += JSON.stringify(one).length + 1;
    calls.push(one);
  }
  return JSON.stringify({ requests: [], calls });
};

/** In the registry's order. */
const serviceOf = (i: number): string => `service-${String(i).padStart(2, '0')}`;

async function sourcesOf(started: Started, answers: readonly http.RequestListener[], others = 0) {
  for (const [i, answer] of answers.entries()) {
    const port = await startInstance(answer);
    await started.register(serviceOf(i), { ip: '127.0.0.1', port: 9_000 + i, metadata: { 'lane.admin': `127.0.0.1:${port}` } });
  }
  await expect.poll(async () => (await started.ask('GET', '/api/services')).body.services.length).toBe(answers.length + others);
  return (await started.ask('GET', '/api/traffic')).body;
}

describe('reports are bounded', () => {
  test('a report that is too large is not read, which is reported; those of others are', async () => {
    const large = lies(1_900_000);
    const body = await sourcesOf(await start(), [
      (_, response) => response.end(large),
      // Its length is not announced.
      (_, response) => void (response.write(large), response.end()),
      (request, response) => response.end(request.url === '/traffic' ? GOOD : '[]'),
    ]);
    expect(body.sources).toMatchObject({ asked: 3, answered: 1, tooLarge: 2 });
    expect(body.sources.problems.map(({ problem }: { problem: string }) => problem)).toEqual(['not read: too large', 'not read: too large']);
    expect(body.nodes).toMatchObject([{ service: serviceOf(2), count: 3 }]);
  });

  test('in total: forty instances that each report the maximum', async () => {
    const largest = lies(500_000);
    const body = await sourcesOf(
      await start(),
      Array.from({ length: 40 }, (): http.RequestListener => (request, response) => void response.end(request.url === '/traffic' ? largest : '[]')),
    );
    expect(body.sources.tooLarge).toBeGreaterThan(0);
    expect(body.sources.ignored).toBeGreaterThan(0);
    expect(body.nodes.length).toBeLessThanOrEqual(2_000);
    expect(body.edges.length).toBeLessThanOrEqual(4_000);
  });

  test.each([
    ['numbers that are no counts', '{"requests":[{"count":1e308,"errors":0},{"count":-1,"errors":0},{"count":0.5,"errors":0}],"calls":[]}'],
    ['null', '{"requests":[null],"calls":[null]}'],
    ['names of objects', '{"requests":[],"calls":[{"peer":{"toString":1},"route":"base","count":1,"errors":0}]}'],
    ['tags that are none', '{"requests":[],"calls":[{"peer":"a","tag":"\\u001b[2J","route":"lane","count":1,"errors":0}]}'],
    ['a name of 100,000 letters', `{"requests":[],"calls":[{"peer":"${'a'.repeat(100_000)}","tag":null,"route":"base","count":1,"errors":0}]}`],
    ['no JSON', '['.repeat(400_000)],
  ])('%s: the others are still shown', async (_, text) => {
    const body = await sourcesOf(await start(), [
      (request, response) =>
        response.end(request.url === '/traffic' ? text : '[{"at":"9999-12-31T00:00:00Z","peer":"p","tag":null,"outcome":"base","instance":null}]'),
      (request, response) => response.end(request.url === '/traffic' ? GOOD : '[]'),
    ]);
    expect(body.nodes.find(({ service }: { service: string }) => service === serviceOf(1))).toMatchObject({ count: 3 });
    expect([body.edges, body.decisions]).toEqual([[], []]);
  });

  test.each([
    ['switches to another protocol', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nx'],
    ['says without end that it will answer', 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'.repeat(5_000)],
    ['says so once', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['closes in the middle', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{'],
    ['has two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    ['speaks no HTTP', '\0\x01'],
    ['has headers without end', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(50_000)}`],
    ['has trailers without end', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${'x: y\r\n'.repeat(50_000)}`],
    ['sends pieces of one byte', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\n \r\n'.repeat(600_000)}`],
  ])('an instance that %s is reported as a problem, and nothing waits for it', async (_, text) => {
    const odd = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.write(text, 'latin1'));
      if (text.endsWith('{')) socket.end();
    }).listen(0, '127.0.0.1');
    await once(odd, 'listening');
    onTestFinished(() => void odd.close());
    const started = await start();
    const announced = `127.0.0.1:${(odd.address() as AddressInfo).port}`;
    await started.register(serviceOf(50), { ip: '127.0.0.1', port: 9_050, metadata: { 'lane.admin': announced } });
    const body = await sourcesOf(started, [(request, response) => response.end(request.url === '/traffic' ? GOOD : '[]')], 1);
    expect(body.sources).toMatchObject({ asked: 2, answered: 1, problems: [{ service: serviceOf(50) }] });
    expect((await started.ask('GET', '/api/services')).status).toBe(200);
  });

  test('an instance that never ends its answer, and one that never begins it, are dropped after two seconds', async () => {
    const body = await sourcesOf(await start(), [
      (_, response) => {
        const timer = setInterval(() => response.write(' '), 50);
        response.on('close', () => clearInterval(timer));
      },
      () => {},
      (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      (request, response) => response.end(request.url === '/traffic' ? GOOD : '[]'),
    ]);
    expect(body.sources).toMatchObject({ asked: 4, answered: 1, problems: [{}, {}, {}] });
  });

  test('more hanging instances than are asked concurrently do not keep the others from being asked', async () => {
    // Node 20 forgets timeouts that only AbortSignal.any() refers to.
    setFlagsFromString('--expose-gc');
    const collecting = setInterval(runInNewContext('gc') as () => void, 300);
    onTestFinished(() => clearInterval(collecting));
    const body = await sourcesOf(await start(), [
      ...Array.from({ length: 20 }, (): http.RequestListener => () => {}),
      (request, response) => response.end(request.url === '/traffic' ? GOOD : '[]'),
    ]);
    expect(body.sources).toMatchObject({ asked: 21, answered: 1, leftOut: 0 });
    expect(body.nodes).toMatchObject([{ service: serviceOf(20), count: 3 }]);
  });
});

describe('an instance is asked at its own address only', () => {
  test.each([
    ['10.0.0.1:19100', '10.0.0.1', true],
    ['[2001:db8::1]:19100', '2001:0db8:0:0::1', true],
    ['[::ffff:10.0.0.1]:19100', '10.0.0.1', true],
    ['10.0.0.2:19100', '10.0.0.1', false],
    ['127.0.0.1:19100', '10.0.0.1', false],
    ['db.internal:5432', 'db.internal', false],
    ['localhost:19100', 'localhost', false],
    ['10.0.0.1:0', '10.0.0.1', false],
    ['10.0.0.1:65536', '10.0.0.1', false],
    ['10.0.0.1:019100', '10.0.0.1', false],
    ['10.0.0.1:80@evil', '10.0.0.1', false],
    ['10.0.0.1:80/x?', '10.0.0.1', false],
    ['134744072:80', '134744072', false],
    ['0x7f.1:8080', '0x7f.1', false],
    ['169.254.169.254:8080', '169.254.169.254', false],
    ['[fe80::1]:8080', 'fe80::1', false],
    ['[fe80::1%eth0]:8080', 'fe80::1%eth0', false],
    ['0.0.0.0:8080', '0.0.0.0', false],
    ['[::]:8080', '::', false],
    ['[::ffff:169.254.169.254]:8080', '::ffff:169.254.169.254', false],
    ['224.0.0.1:8080', '224.0.0.1', false],
    ['127.0.0.1:8080', '127.0.0.1', false],
    ['[::ffff:127.0.0.1]:8080', '::ffff:127.0.0.1', false],
    ['[::1]:8080', '::1', false],
  ])('%s of %s, known by a registry elsewhere: %s', (admin, ip, isAsked) => {
    expect(adminAddressOf(admin, ip, false) !== undefined).toBe(isAsked);
  });

  test('loopback is asked if the registry is on this machine too', () => {
    expect(adminAddressOf('127.0.0.1:8080', '127.0.0.1', true)).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(['127.0.0.1:8848', 'localhost:8848,127.0.0.2:8848', '127.0.0.1:8848,nacos:8848', 'nacos.default.svc:8848'].map(isLoopbackServer)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test('an instance that announces another address is counted, not asked', async () => {
    const started = await start();
    let asked = 0;
    const port = await startInstance((_, response) => void (asked++, response.end('{}')));
    await started.register('far', { ip: '10.0.0.1', port: 80, metadata: { 'lane.admin': `127.0.0.1:${port}` } });
    await expect.poll(async () => (await started.ask('GET', '/api/traffic')).body.sources).toMatchObject({ asked: 0, elsewhere: 1 });
    expect(asked).toBe(0);
  });
});

describe('clients of the console', () => {
  test('a slow sender is disconnected, and others are answered in the meantime', async () => {
    const { running, ask } = await start();
    const slow = connect(running.port, '127.0.0.1');
    slow.write('GET /api/groups HTTP/1.1\r\n');
    const timer = setInterval(() => slow.write('a: b\r\n'), 200);
    slow.on('error', () => {});
    const closed = once(slow.resume(), 'close');
    expect((await ask('GET', '/api/groups')).status).toBe(200);
    await closed;
    clearInterval(timer);
  });

  test.each([
    ['headers of 40 KB', { body: undefined, headers: { a: 'a'.repeat(40_000) } }, 431],
    ['a body of 6 MB', { body: { text: 'a'.repeat(6_000_000) }, headers: {} }, 413],
    ['a body that is 50,000 deep', { body: JSON.parse(`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`) as object, headers: {} }, undefined],
  ])('%s', async (_, { body, headers }, status) => {
    const { running } = await start();
    const payload = body === undefined ? '' : status === undefined ? `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}` : JSON.stringify(body);
    const request = http.request({
      port: running.port,
      method: 'PUT',
      path: '/api/groups/shop',
      agent: false,
      headers: { 'x-lane-console': '1', 'content-type': 'application/json', 'content-length': payload.length, ...headers },
    });
    request.on('error', () => {});
    request.end(payload);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(status ?? 422);
  });

  test.each([
    ['TLS of a proxy before it', { isBehindTls: true }, true],
    ['none', {}, false],
  ])('the session’s cookie is Secure with %s', async (_, options, isSecure) => {
    const token = 'a-token-that-is-long-enough';
    const { ask } = await start({ accounts: [{ name: 'a', role: 'editor', token }], ...options });
    const [cookie = ''] = (await ask('POST', '/api/session', { token })).headers['set-cookie'] ?? [];
    expect([/; Secure/.test(cookie), /; HttpOnly/.test(cookie), /; SameSite=Strict/.test(cookie)]).toEqual([isSecure, true, true]);
  });

  test('the session’s cookie is Secure under the console’s own TLS', async () => {
    const token = 'a-token-that-is-long-enough';
    const { running } = await start({ accounts: [{ name: 'a', role: 'editor', token }], tls: TLS });
    expect(running.url).toBe(`https://127.0.0.1:${running.port}`);
    const request = https.request({
      port: running.port,
      host: '127.0.0.1',
      ca: TLS.cert,
      method: 'POST',
      path: '/api/session',
      agent: false,
      headers: { 'x-lane-console': '1', 'content-type': 'application/json' },
    });
    request.end(JSON.stringify({ token }));
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    expect([response.statusCode, response.headers['set-cookie']]).toEqual([200, [expect.stringMatching(/; Secure(?:;|$)/)]]);
  });

  test('an instance of `version: gray` is gray where nepxion is listed, and base where it is not', async () => {
    for (const [formats, tags] of [
      [['baggage', 'nepxion'], ['gray']],
      [['baggage'], []],
    ] as const) {
      const started = await start({ formats });
      await started.register('a', { ip: '10.0.0.1', port: 80, metadata: { version: 'gray' } });
      await expect
        .poll(async () => (await started.ask('GET', '/api/services')).body.services[0]?.tags.map(({ tag }: { tag: string }) => tag))
        .toEqual(tags);
    }
  });
});
