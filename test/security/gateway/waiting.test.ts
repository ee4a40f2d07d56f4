/** What a client may queue on one connection, behind an unanswered request. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '@lane/gateway';
import { askNormally, gatewayTo } from './support.js';

const seen: string[] = [];
const server = createServer((request, response) => {
  seen.push(`${request.method} ${request.url}`);
  if (request.url === '/slow') held.push(response);
  else response.end(`saw ${request.url}`);
});
const held: ServerResponse[] = [];
let gateway: Gateway;
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  gateway = await gatewayTo((server.address() as AddressInfo).port);
});
afterAll(async () => {
  await gateway.close(0);
  server.closeAllConnections();
  server.close();
});

const head = (path: string, lines = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;

test('fifty ordinary requests are answered in order', async () => {
  const socket = connect(gateway.port, gateway.host).setEncoding('latin1');
  const usual = `User-Agent: ${'x'.repeat(100)}\r\nAccept: */*\r\nCookie: ${'y'.repeat(200)}\r\n`;
  socket.write(head('/slow', usual) + Array.from({ length: 50 }, (_, i) => head(`/${i}`, usual)).join(''));
  let text = '';
  socket.on('data', (chunk: string) => {
    text += chunk;
    if (text.includes('saw /49')) socket.end();
  });
  while (held.length === 0) await once(server, 'request');
  held.pop()?.end('saw /slow');
  await once(socket, 'close');
  expect(text.match(/saw \/(?:slow|\d+)/g)).toEqual(['saw /slow', ...Array.from({ length: 50 }, (_, i) => `saw /${i}`)]);
});

// Each head is within the limit, but all together would take some 4 MB of memory: the thousand connections that a client may open would kill a process.
test.each([
  ['long lines', `A: ${'x'.repeat(15_000)}\r\n`],
  ['many lines', 'a:\r\n'.repeat(3_000)],
])('a client that pipelines heads of %s behind a slow answer loses the connection, and the next one is served', async (_what, lines) => {
  const socket = connect(gateway.port, gateway.host);
  socket.on('error', () => {});
  socket.resume();
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(head('/slow'));
  for (let i = 0; i < 90; i++) socket.write(head('/behind', lines));
  await closed;
  expect(await askNormally(gateway)).toMatch(/saw \/normal$/);
});

describe('anything after the last request of a connection is ignored', () => {
  const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n';
  test.each([
    ['a refused one', 'POST /first HTTP/1.1\r\nHost:: close\r\n\r\n', '400'],
    ['one without a host', 'POST /first HTTP/1.1\r\n\r\n', '400'],
    ['a refused one with a body', 'POST /first HTTP/1.1\r\nHost: @\r\nContent-Length: 2\r\n\r\nab', '400'],
    // Node refuses such a connection if both arrive in one packet.
    ['one that says close', head('/first', 'Connection: close\r\n'), '(?:200|400)'],
    ['one of HTTP/1.0', 'GET /first HTTP/1.0\r\nHost: a\r\n\r\n', '(?:200|400)'],
  ])('%s', async (_what, first, status) => {
    for (const behind of [head('/behind') + head('/behind'), head('/behind', UPGRADE), 'CONNECT behind:1 HTTP/1.1\r\nHost: behind:1\r\n\r\n']) {
      // A connection to the instance is already open, so that nothing waits for one.
      expect(await askNormally(gateway)).toMatch(/saw \/normal$/);
      seen.length = 0;
      const socket = connect(gateway.port, gateway.host).setEncoding('latin1');
      let text = '';
      socket.on('data', (chunk: string) => (text += chunk));
      socket.end(first + behind);
      await once(socket, 'close');
      expect(text.match(/^HTTP\/1\.\d \d+/gm)).toEqual([expect.stringMatching(new RegExp(`^HTTP/1\\.\\d ${status}$`))]);
      expect(await askNormally(gateway)).toMatch(/saw \/normal$/);
      expect(seen.filter((one) => /behind/.test(one))).toEqual([]);
    }
  });
});
