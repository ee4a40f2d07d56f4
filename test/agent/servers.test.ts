/** Every kind of server: the handler, what it starts, and what follows a late body run in the lane of the request. */
import http from 'node:http';
import https from 'node:https';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, TLS, type Peer } from './peer.js';
import { openRequest, send, startApp, type App } from './run-app.js';

const KINDS = ['gray', 'blue', undefined];
const REQUESTS = 60;

const tagged = (tag: string | undefined): Record<string, string> => (tag === undefined ? {} : { baggage: `lane=${tag}` });
const expected = (tag: string | undefined): string => (tag === undefined ? '' : `lane=${tag}`);

describe.each(nodeVersions())('$name', ({ path: node }) => {
  let peer: Peer;
  let app: App;

  beforeAll(async () => {
    peer = await startPeer();
    app = await startApp({ node, script: 'servers.cjs', env: { PEER: `http://127.0.0.1:${peer.port}/` } });
  });
  afterAll(async () => {
    await app?.stop();
    await peer?.close();
  });

  async function interleaved(server: string, path: string, agent?: https.Agent): Promise<string[]> {
    const requests = Array.from({ length: REQUESTS }, (_, i) => ({
      tag: KINDS[i % 3],
      request: openRequest(app.ports[server] as number, path, tagged(KINDS[i % 3]), agent),
    }));
    await app.heard(server, REQUESTS);
    const answers = await Promise.all(requests.map(async ({ tag, request }) => ({ tag, body: (await request.end()).body })));
    return answers.filter(({ tag, body }) => body !== expected(tag)).map(({ tag, body }) => `${tag ?? 'none'} got ${body}`);
  }

  test.each([
    ['http', '/on-data'],
    ['http', '/on-end'],
    ['http', '/for-await'],
    ['http', '/readable'],
    ['http', '/interval'],
    ['http', '/immediately'],
    ['byHand', '/on-end'],
    ['express4', '/before-parser'],
    ['express4', '/after-parser'],
    ['express5', '/before-parser'],
    ['express5', '/after-parser'],
  ])('%s %s keeps the lane', async (server, path) => {
    expect(await interleaved(server, path)).toEqual([]);
  });

  test('https keeps the lane', async () => {
    expect(await interleaved('https', '/on-end', new https.Agent({ ca: TLS.cert, maxSockets: 100 }))).toEqual([]);
  });

  test('a callback for the finished response keeps the lane', async () => {
    for (const [i, tag] of KINDS.entries()) {
      await send(app.ports['http'] as number, `/on-finish?id=${i}`, tagged(tag));
      expect((await send(app.ports['http'] as number, `/finished?id=${i}`)).body).toBe(expected(tag));
    }
  });

  test('Expect: 100-continue keeps the lane', async () => {
    for (const tag of KINDS)
      expect((await send(app.ports['continuing'] as number, '/', { ...tagged(tag), expect: '100-continue' })).body).toBe(expected(tag));
  });

  test('an upgrade keeps the lane', async () => {
    for (const tag of KINDS) {
      const request = http
        .request({ host: '127.0.0.1', port: app.ports['upgrading'], headers: { connection: 'upgrade', upgrade: 'test', ...tagged(tag) } })
        .end();
      const [response, socket] = (await once(request, 'upgrade')) as [http.IncomingMessage, { destroy(): void }];
      socket.destroy();
      expect(response.headers['x-heard']).toBe(expected(tag));
    }
  });

  test('an untagged request on a connection that a tagged one has used is base', async () => {
    const oneSocket = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 30; i++) {
      const tag = KINDS[i % 3];
      const path = ['/on-data', '/on-end', '/immediately'][i % 3] as string;
      expect((await send(app.ports['http'] as number, path, tagged(tag), oneSocket)).body).toBe(expected(tag));
    }
    oneSocket.destroy();
  });

  test('nothing was logged', () => expect(app.stderr()).toBe(''));
});
