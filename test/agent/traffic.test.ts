/** Figures of requests to servers of all kinds, and of calls that do not use an http.Agent, on each version of Node. */
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { TrafficReport } from '@lane/core/agent';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { eventually } from '@lane/testing/eventually';
import { nodeVersions } from './nodes.js';
import { startPeer, type Peer } from './peer.js';
import { send, startApp, type App } from './run-app.js';

const GRAY = { baggage: 'lane=gray' };

/** How a client leaves before it is answered. */
const hangUp = (request: http.ClientRequest): void => void request.socket?.end();
const reset = (request: http.ClientRequest): void => void request.socket?.resetAndDestroy();
const cancel = (stream: http2.ClientHttp2Stream): void => stream.close(http2.constants.NGHTTP2_CANCEL);
const loseConnection = (stream: http2.ClientHttp2Stream): void => stream.session?.destroy();

describe.each(nodeVersions())('$name', ({ path: node }) => {
  let app: App;
  let admin: number;
  let gray: Peer;

  beforeAll(async () => {
    gray = await startPeer('gray');
    app = await startApp({
      node,
      script: 'counted-servers.cjs',
      preload: ['known-instances.cjs'],
      env: {
        KNOWN: JSON.stringify([
          { name: 'shop-b', instances: [{ port: gray.port, metadata: { lane: 'gray' } }] },
          { name: 'shop-c', instances: [{ port: 1, metadata: { lane: 'gray' } }] },
        ]),
        LANE_SERVICES: 'shop-b,shop-c',
        LANE_ADMIN_PORT: '0',
        LANE_LOG: 'info',
      },
    });
    admin = await eventually(() => {
      const [, port] = /admin port is open host=\S+ port=(\d+)/.exec(app.stderr()) ?? [];
      expect(port).toBeDefined();
      return Number(port);
    });
  });
  afterAll(async () => {
    await app?.stop();
    await gray?.close();
  });

  const read = async (): Promise<TrafficReport> => (await (await fetch(`http://127.0.0.1:${admin}/traffic`)).json()) as TrafficReport;
  const requestsIn = ({ requests }: TrafficReport): readonly [number, number] => {
    const figures = requests.find(({ tag, source }) => tag === 'gray' && source === 'inbound');
    return [figures?.count ?? 0, figures?.errors ?? 0];
  };

  /** Sends a request; expects it to be counted once, as failed or not, and nothing to remain in flight. */
  async function expectCounted(ask: () => Promise<unknown>, errors: 0 | 1): Promise<void> {
    const before = requestsIn(await read());
    await ask();
    await eventually(async () => {
      const now = await read();
      const after = requestsIn(now);
      expect([after[0] - before[0], after[1] - before[1], now.inFlight]).toEqual([1, errors, 0]);
    });
  }

  /** Sends a request over HTTP/1.1; `leave` ends it as soon as it hangs. */
  async function overHttp(path: string, leave: ((request: http.ClientRequest) => void) | undefined): Promise<void> {
    const request = http.get({ host: '127.0.0.1', port: app.port, path, headers: GRAY, agent: false });
    const closed = new Promise((resolve) => request.on('close', resolve));
    request.on('error', () => {});
    request.on('response', (response) => response.resume());
    if (leave !== undefined) {
      await app.heard('hanging', 1);
      leave(request);
    }
    await closed;
  }

  /** Sends a request over HTTP/2. */
  async function overHttp2(server: string, path: string, leave: ((stream: http2.ClientHttp2Stream) => void) | undefined): Promise<void> {
    const session = http2.connect(`http://127.0.0.1:${app.ports[server]}`);
    session.on('error', () => {});
    const stream = session.request({ ':path': path, ...GRAY });
    const closed = new Promise((resolve) => stream.on('close', resolve));
    stream.on('error', () => {});
    stream.resume();
    if (leave !== undefined) {
      await app.heard('hanging', 1);
      leave(stream);
    }
    await closed;
    session.close();
  }

  /** Makes a gRPC call. */
  async function overGrpc(method: string, isCancelled: boolean): Promise<void> {
    const client = new Client(`127.0.0.1:${app.ports['grpc']}`, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set('baggage', GRAY.baggage);
    const ended = new Promise<void>((resolve) => {
      const call = client.makeUnaryRequest(
        `/shop.Orders/${method}`,
        (text: string) => Buffer.from(text),
        String,
        'an order',
        metadata,
        () => resolve(),
      );
      if (isCancelled) void app.heard('hanging', 1).then(() => call.cancel());
    });
    await ended;
    client.close();
  }

  test.each([
    ['answered', '/ok', undefined, 0],
    ['a 503', '/fail', undefined, 1],
    ['the server hangs up', '/hang-up', undefined, 1],
    ['the client hangs up', '/hang', hangUp, 0],
    ['the client resets', '/hang', reset, 0],
  ] as const)('HTTP/1.1, %s', (_, path, leave, errors) => expectCounted(() => overHttp(path, leave), errors));

  describe.each(['streams', 'compatible'])('HTTP/2, %s', (server) => {
    test.each([
      ['answered', '/ok', undefined, 0],
      ['a 503', '/fail', undefined, 1],
      ['the server resets', '/hang-up', undefined, 1],
      ['the client cancels', '/hang', cancel, 0],
      ['the client’s connection is gone', '/hang', loseConnection, 0],
    ] as const)('%s', (_, path, leave, errors) => expectCounted(() => overHttp2(server, path, leave), errors));
  });

  test.each([
    ['answered', 'ok', false, 0],
    ['INTERNAL', 'fail', false, 1],
    ['NOT_FOUND', 'hang-up', false, 0],
    ['cancelled', 'hang', true, 0],
  ] as const)('gRPC, %s', (_, method, isCancelled, errors) => expectCounted(() => overGrpc(method, isCancelled), errors));

  test('a WebSocket counts as one request, whatever goes over it', () =>
    expectCounted(async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${app.ports['webSockets']}`, { headers: GRAY });
      await once(socket, 'open');
      for (const word of ['one', 'two']) {
        socket.send(word);
        await once(socket, 'message');
      }
      socket.close();
      await once(socket, 'close');
    }, 0));

  test.each([
    ['a name, by its lane', '/own-connection', 'http://shop-b/', 'gray', 'shop-b', 'lane', 0],
    ['nobody there', '/own-connection', 'http://shop-c/', 'gray', 'shop-c', 'lane', 1],
    ['nothing that may serve it', '/own-connection', 'http://shop-c/', null, 'shop-c', 'none', 1],
    ['no known service', '/own-connection', 'http://localhost:1/', null, '(internal)', 'outside', 1],
    ['a handshake of ws', '/handshake', 'ws://own/', 'gray', '(internal)', 'outside', 0],
  ] as const)('a call over its own connection is counted once: %s', async (_, path, url, tag, peer, route, errors) => {
    const countIn = ({ calls }: TrafficReport): readonly [number, number] => {
      const figures = calls.find((one) => one.peer === peer && one.tag === tag && one.route === route);
      return [figures?.count ?? 0, figures?.errors ?? 0];
    };
    const before = countIn(await read());
    const target = url === 'ws://own/' ? `ws://localhost:${app.ports['webSockets']}/` : url;
    await send(app.port, `${path}?url=${encodeURIComponent(target)}`, tag === null ? {} : GRAY);
    await eventually(async () => {
      const after = countIn(await read());
      expect([after[0] - before[0], after[1] - before[1]]).toEqual([1, errors]);
    });
  });
});
