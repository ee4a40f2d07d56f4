/** The side that clients see: protocols, certificates, odd requests, limits and the end. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import http2, { type ClientHttp2Session } from 'node:http2';
import https from 'node:https';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { sendBytes, textOf } from '@lane/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { AccessEntry, Gateway } from './index.js';
import {
  arrival,
  ask,
  begin,
  echoSockets,
  grayLane,
  keepAliveAgent,
  newService,
  registerDead,
  rulesOf,
  see,
  startBackend,
  startReadyGateway,
  upgrade,
  useNacos,
  type Seen,
} from './testing/support.js';

useNacos();

const tls = join(__dirname, '../../../test/agent/tls');
const certificate = { cert: readFileSync(join(tls, 'cert.pem')), key: readFileSync(join(tls, 'key.pem')) };

function http2Client(gateway: Gateway): ClientHttp2Session {
  const session = http2.connect(gateway.url, { rejectUnauthorized: false });
  onTestFinished(() => session.destroy());
  return session;
}

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: string;
}

async function askHttp2(session: ClientHttp2Session, headers: Record<string, string>, body?: string): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const [answer] = (await once(stream, 'response')) as [Record<string, unknown>];
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += chunk as string;
  return { status: Number(answer[':status']), headers: answer, body: text };
}

/** What comes back for these bytes. */
const sendRaw = (gateway: Gateway, text: string | string[]): Promise<string> => sendBytes(gateway.port, text, gateway.host);

const bodyOf = (answer: string): Seen => JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1)) as Seen;

describe.each([
  ['with TLS', { certificate }],
  ['without TLS, by prior knowledge', {}],
])('HTTP/2 %s', (_name, options) => {
  test('carries method, path, headers and bodies both ways, and the tag of its rule', async () => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'gray', { tag: 'gray' });
    const gateway = await startReadyGateway({ ...options, entry: 'rules', rules: rulesOf(service, [grayLane()]), routes: [{ host: '*', service }] });
    const session = http2Client(gateway);
    const headers = { ':method': 'PUT', ':path': '/a?b=c', ':authority': 'www.example.com', 'x-own': 'mine', baggage: 'user=42,lane=blue' };
    const { status, body, headers: answered } = await askHttp2(session, headers, 'über');
    expect(status).toBe(200);
    expect(answered).not.toHaveProperty('connection');
    const seen = JSON.parse(body) as Seen;
    expect(seen).toMatchObject({ backend: 'gray', method: 'PUT', url: '/a?b=c', body: 'über' });
    expect(seen.headers).toMatchObject({ host: 'www.example.com', 'x-own': 'mine', baggage: 'lane=gray,user=42', 'x-forwarded-for': '127.0.0.1' });
    expect(JSON.parse((await askHttp2(session, { ':path': '/', ':authority': 'other' })).body)).toMatchObject({ backend: 'base', method: 'GET' });
  });

  test('many requests on one connection are answered as each is ready', async () => {
    const service = newService();
    const first = arrival<ServerResponse>();
    await startBackend(service, 'base', {
      listener: (request, response) => (request.url === '/slow' ? first.came(response) : void response.end(request.url)),
    });
    const session = http2Client(await startReadyGateway({ ...options, routes: [{ host: '*', service }] }));
    const slow = askHttp2(session, { ':path': '/slow' });
    const held = await first.first;
    expect((await askHttp2(session, { ':path': '/fast' })).body).toBe('/fast');
    held.end('at last');
    expect((await slow).body).toBe('at last');
  });

  test.each(['GET', 'DELETE', 'OPTIONS', 'POST'])(
    'a body of %s without a length does not become a second request to the instance',
    async (method) => {
      const service = newService();
      const urls: string[] = [];
      await startBackend(service, 'base', {
        listener: (request, response) =>
          void textOf(request).then((body) => {
            urls.push(request.url ?? '');
            response.end(body);
          }),
      });
      const session = http2Client(await startReadyGateway({ ...options, routes: [{ host: '*', service }] }));
      const smuggled = 'GET /admin HTTP/1.1\r\nHost: x\r\n\r\n';
      expect((await askHttp2(session, { ':method': method, ':path': '/open' }, smuggled)).body).toBe(smuggled);
      expect((await askHttp2(session, { ':path': '/next' })).status).toBe(200);
      expect(urls).toEqual(['/open', '/next']);
    },
  );
});

describe('with TLS', () => {
  test('HTTP/1.1 clients are served on the same port, WebSockets too, and instances learn of https', async () => {
    const service = newService();
    echoSockets(await startBackend(service, 'base'));
    const gateway = await startReadyGateway({ certificate, routes: [{ host: '*', service }] });
    expect(gateway.url).toBe(`https://127.0.0.1:${gateway.port}`);
    const request = https.get(gateway.url, { rejectUnauthorized: false, agent: false });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(JSON.parse(await textOf(response))).toMatchObject({ backend: 'base', headers: { 'x-forwarded-proto': 'https' } });
    const socket = connectTls({ port: gateway.port, host: gateway.host, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }).setEncoding('utf8');
    onTestFinished(() => void socket.destroy());
    socket.write('GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    expect(await once(socket, 'data')).toEqual([expect.stringMatching(/^HTTP\/1\.1 101 /)]);
    socket.write('ping');
    expect(await once(socket, 'data')).toEqual(['ping']);
  });

  test('a new certificate applies to new connections, and an invalid one leaves the last in force', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ certificate, routes: [{ host: '*', service }] });
    const serial = async (): Promise<string> => {
      const socket = connectTls({ port: gateway.port, host: gateway.host, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      const { serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      return serialNumber;
    };
    const before = await serial();
    expect(() => gateway.setCertificate({ cert: 'nonsense', key: certificate.key })).toThrow();
    expect(await serial()).toBe(before);
    gateway.setCertificate({
      cert: readFileSync(join(__dirname, 'testing/other-cert.pem')),
      key: readFileSync(join(__dirname, 'testing/other-key.pem')),
    });
    expect(await serial()).not.toBe(before);
  });
});

describe('a request', () => {
  test('that offers h2c, as Java’s HttpClient does, is served over HTTP/1.1 with its body, and so is the next', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n';
    const answer = await sendRaw(gateway, [
      `POST /one HTTP/1.1\r\nHost: x\r\n${offer}Content-Length: 4\r\n\r\non`,
      `ce`,
      `GET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    ]);
    expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
    expect(answer).toContain('"url":"/one"');
    expect(answer).toContain('"body":"once"');
    expect(answer).toContain('"url":"/two"');
    expect(answer.toLowerCase()).not.toContain('"upgrade"');
    expect(answer.toLowerCase()).not.toContain('http2-settings');
  });

  test('in one-byte packets is the same request', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const text = 'PUT /slowly HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab';
    expect(bodyOf(await sendRaw(gateway, [...text]))).toMatchObject({ method: 'PUT', url: '/slowly', body: 'ab' });
  });

  test('for an absolute URL, as for a proxy, reaches the instance with the path, and the URL’s host counts', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ routes: [{ host: 'www.example.com', service }] });
    const answer = await sendRaw(gateway, 'GET http://WWW.Example.com:81/a?b HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n');
    expect(bodyOf(answer)).toMatchObject({ url: '/a?b', headers: { host: 'WWW.Example.com:81', 'x-forwarded-host': 'WWW.Example.com:81' } });
  });

  test('loses its connection headers and those that Connection names, except those that determine the request', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const answer = await sendRaw(
      gateway,
      'POST / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Hop, Content-Length\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nTE: trailers\r\nProxy-Authorization: b\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab',
    );
    const seen = bodyOf(answer);
    expect(seen.body).toBe('ab');
    for (const name of ['x-hop', 'keep-alive', 'te', 'proxy-authorization', 'expect']) expect(seen.headers).not.toHaveProperty(name);
    expect(seen.headers.connection).toBe('keep-alive');
    expect(answer).toMatch(/connection: close/i);
  });

  test('is attributed to the client that the gateway sees, whatever the client claims; a trusted chain is continued', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const routes = [{ host: '*', service }];
    const headers = {
      'x-forwarded-for': '9.9.9.9, 10.1.1.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'shop',
      forwarded: 'for=9.9.9.9',
      'x-real-ip': '9.9.9.9',
    };
    const strict = await see(await startReadyGateway({ routes }), { headers });
    expect(strict.headers).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'www.example.com' });
    expect(strict.headers).not.toHaveProperty('forwarded');
    expect(strict.headers).not.toHaveProperty('x-real-ip');
    const entries: AccessEntry[] = [];
    const trusting = await startReadyGateway({ routes, trust: ['127.0.0.0/8', '10.0.0.0/8'], onAccess: (entry) => entries.push(entry) });
    const { headers: told } = await see(trusting, { headers });
    expect(told).toMatchObject({ 'x-forwarded-for': '9.9.9.9, 10.1.1.1, 127.0.0.1', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'shop' });
    expect(entries[0]?.clientIp).toBe('9.9.9.9');
  });

  test('does not get a forged tag through in any format, whatever the gateway writes', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const made = { 'x-mse-tag': 'gray', 'service-lane': 'g/gray', 'dubbo.tag': 'gray', 'x-asm-prefer-tag': 'gray', 'n-d-version': 'gray' };
    const { headers } = await see(gateway, { headers: { ...made, baggage: 'x-mse-gray-tag=gray,user=42,lane=gray' } });
    for (const name of Object.keys(made)) expect(headers).not.toHaveProperty(name);
    expect(headers.baggage).toBe('user=42');
  });

  test('has the tag of its route if no entry rule matches', async () => {
    const service = newService();
    await startBackend(service, 'base');
    await startBackend(service, 'blue', { tag: 'blue' });
    await startBackend(service, 'gray', { tag: 'gray' });
    const rules = rulesOf(service, [grayLane(), { name: 'blue', tag: 'blue' }]);
    const gateway = await startReadyGateway({ entry: 'rules', rules, routes: [{ host: '*', service, tag: 'blue' }] });
    expect(await see(gateway, { host: 'elsewhere' })).toMatchObject({ backend: 'blue', headers: { baggage: 'lane=blue' } });
    expect(await see(gateway)).toMatchObject({ backend: 'gray', headers: { baggage: 'lane=gray' } });
  });
});

describe('limits', () => {
  test('an instance that does not answer in time: 504, and the connection is closed', async () => {
    const service = newService();
    const receiving = arrival<ServerResponse>();
    await startBackend(service, 'base', { listener: (request, response) => void request.resume().once('end', () => receiving.came(response)) });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }], timeouts: { responseMs: 100 } });
    const answer = ask(gateway, { method: 'POST', body: 'x' });
    const held = await receiving.first;
    const left = once(held, 'close');
    expect(await answer).toMatchObject({ status: 504, body: expect.stringContaining('no answer within 100 ms') });
    await left;
  });

  test('an instance that stops within its answer: the answer is aborted', async () => {
    const service = newService();
    await startBackend(service, 'base', { listener: (_request, response) => void response.write('half') });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }], timeouts: { idleMs: 100 } });
    await expect(ask(gateway)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('a stalled upload is ended', async () => {
    const service = newService();
    await startBackend(service, 'base', { listener: (request) => void request.on('error', () => {}).resume() });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }], timeouts: { idleMs: 200, responseMs: 5_000 } });
    const request = begin(gateway, { method: 'POST' });
    request.write('first');
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(504);
    expect(await textOf(response)).toContain('no byte within 200 ms');
    request.destroy();
  });

  test('an address that swallows connections is abandoned, and the next is tried', async () => {
    const service = newService();
    // For documentation (RFC 5737): nobody's.
    await registerDead(service, { ip: '192.0.2.1', weight: 10_000 });
    await startBackend(service, 'twin', { weight: 0.01 });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }], timeouts: { connectMs: 100 } });
    expect(await see(gateway, { method: 'POST', body: 'x' })).toMatchObject({ backend: 'twin', body: 'x' });
  });

  test('a client that does not finish its request head gets 408', async () => {
    const gateway = await startReadyGateway({ routes: [{ host: '*', service: newService() }], timeouts: { headersMs: 200 } });
    expect(await sendRaw(gateway, 'GET / HTTP/1.1\r\nHost:')).toMatch(/^HTTP\/1\.1 408 /);
    // Nor one that says nothing at all.
    expect(await sendRaw(gateway, '')).toBe('');
  });
});

describe('bodies', () => {
  test('of answers may have trailers, over HTTP/1.1 and HTTP/2', async () => {
    const service = newService();
    await startBackend(service, 'base', {
      listener: (_request, response) => {
        response.writeHead(200, { trailer: 'x-sum' }).write('body');
        response.addTrailers({ 'x-sum': '42' });
        response.end();
      },
    });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    expect(await sendRaw(gateway, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(/\r\n0\r\nx-sum: 42\r\n\r\n$/);
    const stream = http2Client(gateway).request({ ':path': '/' });
    const [trailers] = (await once(stream.resume(), 'trailers')) as [Record<string, string>];
    expect(trailers['x-sum']).toBe('42');
  });

  test.each(['down', 'up'] as const)('that nobody reads are not buffered: %s, the sender is slowed down', async (way) => {
    const service = newService();
    const piece = Buffer.alloc(64 * 1024);
    const limit = 200 * 1024 * 1024;
    let sent = 0;
    const heldBack = arrival<void>();
    /** Writes until it is held back for good, or past the limit. */
    const flood = (to: NodeJS.WritableStream): void => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const push = (): void => {
        clearTimeout(timer);
        while (sent < limit && to.write(piece)) sent += piece.length;
        if (sent >= limit) heldBack.came();
        // Nothing is asked for any more.
        else timer = setTimeout(() => heldBack.came(), 500);
      };
      to.on('drain', push);
      push();
    };
    await startBackend(service, 'base', { listener: (request, response) => (way === 'down' ? flood(response) : void request.pause()) });
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const request = begin(gateway, { method: way === 'down' ? 'GET' : 'POST' }).on('error', () => {});
    onTestFinished(() => void request.destroy());
    if (way === 'down') {
      request.on('response', (response) => void response.pause());
      request.end();
    } else flood(request);
    await heldBack.first;
    expect(sent).toBeLessThan(limit / 4);
    // What nobody reads is not noticed to have gone.
    await gateway.close(0);
  });
});

describe('the access log', () => {
  test('has lane, reason, rule, instance, status and bytes', async () => {
    const service = newService();
    const { port } = await startBackend(service, 'gray', {
      tag: 'gray',
      listener: (_request, response) => void response.writeHead(201).end('12345'),
    });
    const entries: AccessEntry[] = [];
    const over = arrival<void>();
    const gateway = await startReadyGateway({
      entry: 'rules',
      rules: rulesOf(service, [grayLane()]),
      routes: [{ host: 'www.example.com', service }],
      onAccess: (entry) => void (entries.push(entry) === 2 && over.came()),
    });
    const trace = '0af7651916cd43dd8448eb211c80319c';
    await ask(gateway, { path: '/a?secret=1', headers: { 'x-request-id': 'mine', traceparent: `00-${trace}-b7ad6b7169203331-01` } });
    await ask(gateway, { host: 'elsewhere' });
    await over.first;
    expect(entries[0]).toMatchObject({
      ...{ requestId: 'mine', traceId: trace, clientIp: '127.0.0.1', httpVersion: '1.1', method: 'GET', host: 'www.example.com', path: '/a' },
      ...{
        status: 201,
        bytes: 5,
        service,
        instance: `127.0.0.1:${port}`,
        lane: 'gray',
        source: 'rule',
        rule: 'shop/gray/by-domain',
        reason: 'in-lane',
      },
      problem: undefined,
    });
    expect(entries[1]).toMatchObject({ status: 404, service: undefined, lane: undefined, problem: expect.stringContaining('no route') });
    expect(entries[1]?.requestId).toMatch(/^[\da-f-]{36}$/);
  });

  test('has clients that left, and WebSockets when they end', async () => {
    const service = newService();
    const receiving = arrival<ServerResponse>();
    echoSockets(await startBackend(service, 'base', { listener: (_request, response) => receiving.came(response) }));
    const told = [arrival<AccessEntry>(), arrival<AccessEntry>()];
    let count = 0;
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }], onAccess: (entry) => told[count++]?.came(entry) });
    const request = begin(gateway).on('error', () => {});
    request.end();
    await receiving.first;
    request.destroy();
    expect(await told[0]?.first).toMatchObject({ status: 499, problem: 'the client left' });
    const { socket } = await upgrade(gateway);
    socket.write('ping');
    await once(socket, 'data');
    socket.destroy();
    expect(await told[1]?.first).toMatchObject({ status: 101, service });
  });
});

describe('the end', () => {
  test('an open WebSocket delays it until the deadline, no longer', async () => {
    const service = newService();
    echoSockets(await startBackend(service, 'base'));
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }] });
    const { socket } = await upgrade(gateway);
    await Promise.all([gateway.close(50), once(socket, 'close')]);
    expect(socket.readyState).toBe('closed');
  });

  test('while it drains, health answers 503, requests are served, and clients are told to close their connections', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }], healthPath: '/healthz' });
    const agent = keepAliveAgent();
    expect(await ask(gateway, { path: '/healthz', agent })).toMatchObject({ status: 200, body: 'ok\n', headers: { connection: 'keep-alive' } });
    gateway.startDraining();
    const answer = await ask(gateway, { agent });
    expect([answer.status, answer.headers.connection]).toEqual([200, 'close']);
    expect(await ask(gateway, { path: '/healthz' })).toMatchObject({ status: 503, body: 'draining\n' });
  });

  test('of HTTP/2 sessions: a request in flight is answered, then the connection closes', async () => {
    const service = newService();
    const receiving = arrival<ServerResponse>();
    await startBackend(service, 'base', { listener: (_request, response) => receiving.came(response) });
    const gateway = await startReadyGateway({ certificate, routes: [{ host: '*', service }] });
    const session = http2Client(gateway);
    const answer = askHttp2(session, { ':path': '/' });
    const held = await receiving.first;
    const goingAway = once(session, 'goaway');
    const gone = once(session, 'close');
    const closed = gateway.close(10_000);
    await goingAway;
    held.end('to the end');
    expect((await answer).body).toBe('to the end');
    await Promise.all([gone, closed]);
  });
});
