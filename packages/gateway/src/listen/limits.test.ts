/** What one client may take, and one instance be given. Streams and resets of HTTP/2: test/security/gateway. */
import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import { eventually } from '@lane/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Gateway } from '../index.js';
import { ask, begin, echoSockets, newService, see, startBackend, startReadyGateway, upgrade, useNacos } from '../testing/support.js';

useNacos();

async function opened(gateway: Gateway): Promise<Socket> {
  const socket = connect(gateway.port, gateway.host).on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Whether the gateway serves a request on a connection; it closes those that are too many. */
async function isServed(socket: Socket): Promise<boolean> {
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  return new Promise((resolve) => {
    socket.once('data', () => resolve(true));
    socket.once('close', () => resolve(false));
  });
}

describe('connections of one address', () => {
  test('beyond the limit are closed, logged once, and accepted again when others end', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const warnings: string[] = [];
    const gateway = await startReadyGateway({
      routes: [{ host: '*', service }],
      limits: { connectionsPerClient: 2 },
      log: { error: () => {}, warn: (line) => warnings.push(line), info: () => {}, debug: () => {} },
    });
    const [first, second] = [await opened(gateway), await opened(gateway)];
    expect(await Promise.all([isServed(first), isServed(second)])).toEqual([true, true]);
    for (let i = 0; i < 2; i++) expect(await isServed(await opened(gateway))).toBe(false);
    expect(warnings).toEqual([expect.stringContaining('127.0.0.1 has 2 connections open')]);
    first.end();
    await once(first, 'close');
    expect(await isServed(await opened(gateway))).toBe(true);
  });

  test('are not counted if the peer is trusted', async () => {
    const service = newService();
    await startBackend(service, 'base');
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }], limits: { connectionsPerClient: 1 }, trust: ['127.0.0.0/8'] });
    for (const socket of [await opened(gateway), await opened(gateway), await opened(gateway)]) expect(await isServed(socket)).toBe(true);
  });
});

test('requests of HTTP/2 count as connections, so that no client takes all that an instance may be given', async () => {
  const service = newService();
  await startBackend(service, 'base', {
    listener: (request, response) => (request.url === '/slow' ? void request.resume() : void response.end('ok')),
  });
  const gateway = await startReadyGateway({ routes: [{ host: '*', service }], limits: { connectionsPerClient: 5, requestsPerInstance: 6 } });
  const session = http2.connect(gateway.url).on('error', () => {});
  onTestFinished(() => session.destroy());
  const statusOf = async (stream: http2.ClientHttp2Stream): Promise<unknown> =>
    (
      (await once(
        stream.on('error', () => {}),
        'response',
      )) as [http2.IncomingHttpHeaders]
    )[0][':status'];
  const slow = Array.from({ length: 4 }, () => session.request({ ':path': '/slow', ':authority': 'x' }).on('error', () => {}));
  expect(await statusOf(session.request({ ':path': '/', ':authority': 'x' }))).toBe(429);
  for (const stream of slow) stream.close();
  await eventually(async () => expect(await statusOf(session.request({ ':path': '/', ':authority': 'x' }))).toBe(200));
});

describe('requests in flight to one instance', () => {
  /** Answers when it is told to. */
  async function startHolding(service: string, weight: number): Promise<{ held: ServerResponse[]; came: () => Promise<unknown> }> {
    const held: ServerResponse[] = [];
    const listener: RequestListener = (_request, response) => void held.push(response);
    const { server } = await startBackend(service, 'holding', { listener, weight });
    return { held, came: () => once(server, 'request') };
  }

  async function full(service: string): Promise<Gateway & { letGo: () => Promise<void>; came: () => Promise<unknown> }> {
    const { held, came } = await startHolding(service, 10_000);
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }], limits: { requestsPerInstance: 1 } });
    // Before the gateway is closed, which waits for what is under way.
    onTestFinished(() => held.forEach((response) => void response.destroy()));
    const coming = came();
    const first = begin(gateway).on('error', () => {});
    const answered = once(first.end(), 'response') as Promise<[IncomingMessage]>;
    answered.catch(() => {});
    await coming;
    const letGo = async (): Promise<void> => {
      held[0]?.end('done');
      const [response] = await answered;
      await once(response.resume(), 'end');
    };
    return Object.assign(gateway, { letGo, came });
  }

  test('beyond the limit get 503, WebSockets too, and are served again when others end', async () => {
    const service = newService();
    const gateway = await full(service);
    expect(await ask(gateway)).toMatchObject({ status: 503, body: `${service} has reached its limit of concurrent requests: try again later\n` });
    expect((await upgrade(gateway)).answer).toMatch(/^HTTP\/1\.1 503 /);
    await gateway.letGo();
    const again = gateway.came();
    begin(gateway)
      .on('error', () => {})
      .end();
    expect(await again).toHaveLength(2);
  });

  test('beyond the limit go to another instance if there is one, WebSockets too', async () => {
    const service = newService();
    echoSockets(await startBackend(service, 'other', { weight: 0.01 }));
    const gateway = await full(service);
    expect(await see(gateway)).toMatchObject({ backend: 'other' });
    expect((await upgrade(gateway)).answer).toMatch(/^HTTP\/1\.1 101 /);
  });
});
