/** What clients may do over HTTP/2: cancelled requests are cancelled at the instance, and floods end only their own connection. Frames: http2-frames.test.ts. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import http2, { type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Gateway } from '@lane/gateway';
import { gatewayTo } from './support.js';

let server: Server;
let gateway: Gateway;
let seen: string[];
let held: ServerResponse[];
let most: number;
let open: number;
beforeEach(async () => {
  [seen, held, most, open] = [[], [], 0, 0];
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.on('error', () => {});
    if (request.url === '/hang') held.push(response);
    else request.resume().on('end', () => response.end(JSON.stringify(request.trailers)));
  }).listen(0, '127.0.0.1');
  server.on('connection', (socket) => {
    most = Math.max(most, ++open);
    socket.once('close', () => open--);
  });
  await once(server, 'listening');
  gateway = await gatewayTo((server.address() as AddressInfo).port);
});
afterEach(async () => {
  await gateway.close(0);
  server.closeAllConnections();
  server.close();
});

async function connected(): Promise<ClientHttp2Session> {
  const session = http2.connect(gateway.url).on('error', () => {});
  await once(session, 'connect');
  return session;
}

/** Without `once`, which rejects on an earlier error. */
function closeOf(emitter: NodeJS.EventEmitter): Promise<void> {
  return new Promise((resolve) => emitter.once('close', () => resolve()));
}

/** Status and body, or the reset code. */
async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string, trailers?: OutgoingHttpHeaders): Promise<string> {
  const stream = session.request(
    { ':path': '/', ':authority': 'x', ...headers },
    { endStream: body === undefined, waitForTrailers: trailers !== undefined },
  );
  let status = '';
  let text = '';
  stream.on('response', (answer) => (status = String(answer[':status'])));
  stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
  stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  stream.on('error', () => {});
  if (body !== undefined) stream.end(body);
  await closeOf(stream);
  return stream.rstCode === 0 ? `${status} ${text}`.trim() : `reset ${stream.rstCode}`;
}

async function expectServed(): Promise<void> {
  const session = await connected();
  expect(await ask(session, { ':path': '/normal' })).toBe('200 {}');
  session.destroy();
}

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
const many = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`j${i}`, '1']));
const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_CANCEL } = http2.constants;

describe('a request of HTTP/2 with', () => {
  test.each<[string, string, OutgoingHttpHeaders, string | undefined]>([
    ['Trailer and no trailers', '200 {}', { trailer: 'x-sum' }, undefined],
    ['Trailer and a length', '200 {}', { ':method': 'POST', trailer: 'x-sum', 'content-length': '1' }, 'a'],
    ['two hosts', '400 the request names two hosts', { host: 'y' }, undefined],
    ['400 headers', `reset ${NGHTTP2_ENHANCE_YOUR_CALM}`, many, undefined],
    ['a body that looks like a request', '200 {}', { ':method': 'DELETE' }, SMUGGLED],
    ['CONNECT', '405', { ':method': 'CONNECT', ':path': undefined, ':scheme': undefined }, undefined],
  ])('%s: %s', async (_what, wanted, headers, body) => {
    const session = await connected();
    expect(await ask(session, headers, body)).toBe(wanted);
    session.destroy();
    await expectServed();
    expect(seen).not.toContain('GET /smuggled');
  });

  test('trailers: allowed ones are forwarded, a forged tag is not', async () => {
    const session = await connected();
    expect(await ask(session, { ':method': 'POST' }, 'a', { 'x-sum': '1', baggage: 'lane=gray', 'x-mse-tag': 'gray' })).toBe('200 {"x-sum":"1"}');
    session.destroy();
  });
});

test('a cancelled stream and a lost connection end their requests at the instance', async () => {
  const session = await connected();
  const stream = session.request({ ':path': '/hang', ':authority': 'x' }).on('error', () => {});
  session.request({ ':path': '/hang', ':authority': 'x' }).on('error', () => {});
  while (held.length < 2) await once(server, 'request');
  const first = Promise.race(held.map((response) => once(response, 'close')));
  stream.close(NGHTTP2_CANCEL);
  await first;
  const rest = held.filter((response) => !response.closed).map((response) => once(response, 'close'));
  expect(rest).toHaveLength(1);
  session.destroy();
  await Promise.all(rest);
  await expectServed();
});

test('3,000 streams on one connection use at most 128 connections to the instance', async () => {
  const session = await connected();
  for (let i = 0; i < 3_000; i++) session.request({ ':path': '/hang', ':authority': 'x' }).on('error', () => {});
  while (held.length < 100) await once(server, 'request');
  expect(most).toBeLessThanOrEqual(128);
  session.destroy();
  await expectServed();
});

test('endlessly opening and resetting streams closes the connection', async () => {
  const session = await connected();
  const gone = closeOf(session);
  const goaway = once(session, 'goaway');
  const push = (): void => {
    if (session.destroyed || session.closed) return;
    for (let i = 0; i < 50; i++) {
      const stream = session.request({ ':path': '/hang', ':authority': 'x' }).on('error', () => {});
      setImmediate(() => stream.close(NGHTTP2_CANCEL));
    }
    session.ping(push);
  };
  push();
  expect((await goaway)[0]).toBe(NGHTTP2_ENHANCE_YOUR_CALM);
  await gone;
  await expectServed();
});

test('endless PINGs close their connection', async () => {
  const session = await connected();
  const goaway = once(session, 'goaway');
  const push = (): void => {
    if (!session.destroyed && !session.closed) session.ping(push);
  };
  push();
  expect((await goaway)[0]).toBe(NGHTTP2_ENHANCE_YOUR_CALM);
  session.destroy();
  await expectServed();
});
