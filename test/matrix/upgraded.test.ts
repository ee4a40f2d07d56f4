/** Messages over an upgraded connection are handled in the lane of its handshake, whatever library handles them. */
import { once } from 'node:events';
import net from 'node:net';
import { createRequire } from 'node:module';
import type * as Ws from 'ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from '../agent/nodes.js';
import { startPeer, type Peer } from '../agent/peer.js';
import { startApp } from '../agent/run-app.js';

const { WebSocket } = createRequire(__filename)('ws') as typeof Ws;

let peer: Peer;
beforeAll(async () => void (peer = await startPeer()));
afterAll(() => peer?.close());

type Client = (port: number, tag: string | undefined) => Promise<string[]>;

/** Sends two messages, the second once the first has been answered. */
const overWebSocket =
  (path: string): Client =>
  async (port, tag) => {
    const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers: tag === undefined ? {} : { baggage: `lane=${tag}` } });
    await once(client, 'open');
    const heard: string[] = [];
    for (let i = 0; i < 2; i++) {
      client.send('x');
      heard.push(String((await once(client, 'message'))[0]));
    }
    client.terminate();
    return heard;
  };

const raw =
  (head: string): Client =>
  async (port, tag) => {
    const client = net.connect(port, '127.0.0.1');
    client.write(`${head}Host: x\r\n${tag === undefined ? '' : `Baggage: lane=${tag}\r\n`}\r\n`);
    const heard: string[] = [];
    await once(client, 'data');
    for (let i = 0; i < 2; i++) {
      client.write('x');
      heard.push(String((await once(client, 'data'))[0]));
    }
    client.destroy();
    return heard;
  };

const UPGRADE = 'GET / HTTP/1.1\r\nUpgrade: own\r\nConnection: Upgrade\r\n';
const WAYS: ReadonlyArray<[string, Client]> = [
  ['ws', overWebSocket('/')],
  ['websocket', overWebSocket('/')],
  ['sockjs', overWebSocket('/echo/websocket')],
  ['raw upgrade', raw(UPGRADE)],
  ['raw upgrade, readable', raw(UPGRADE)],
  ['CONNECT', raw('CONNECT elsewhere:1 HTTP/1.1\r\n')],
];

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test.each(WAYS)('%s', async (way, ask) => {
    const app = await startApp({ node, script: '../../matrix/apps/upgraded.cjs', args: [way], env: { PEER: `http://127.0.0.1:${peer.port}/` } });
    try {
      const kinds = ['gray', undefined, 'blue', undefined, 'gray'];
      const heard = await Promise.all(kinds.map((tag) => ask(app.port, tag)));
      expect(heard).toEqual(kinds.map((tag) => (tag === undefined ? ['none', 'none'] : [`lane=${tag}`, `lane=${tag}`])));
    } finally {
      await app.stop();
    }
  });
});
