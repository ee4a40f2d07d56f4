/** What instances may answer: a client gets it whole, or 502, or sees it broken; the gateway serves the next request. */
import { createServer, type Socket } from 'node:net';
import { ask, listen } from '@lane/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '@lane/gateway';
import { askByHttp2, askNormally, gatewayTo, sendRaw, startOddInstance } from './support.js';

type Ending = 'keep' | 'end' | 'reset';
let odd: { text: string; ending: Ending } = { text: '', ending: 'end' };
let instance: Awaited<ReturnType<typeof startOddInstance>>;
let gateway: Gateway;
beforeAll(async () => {
  instance = await startOddInstance(() => odd);
  gateway = await gatewayTo(instance.port, { timeouts: { responseMs: 2_000, idleMs: 2_000 } });
});
afterAll(async () => {
  await gateway.close(0);
  instance.close();
});

const ok = (...headers: string[]): string => `HTTP/1.1 200 OK\r\n${headers.map((one) => `${one}\r\n`).join('')}\r\n`;
const GOOD = /^HTTP\/1\.[01] 200 /;
/** Or broken off before anything was said. */
const BROKEN = /^HTTP\/1\.[01] (?:200|502) |^$/;
const BAD = /^HTTP\/1\.[01] 502 /;

const CASES: ReadonlyArray<readonly [what: string, text: string, ending: Ending, wanted: RegExp]> = [
  ['Trailer with Content-Length', `${ok('Trailer: x-sum', 'Content-Length: 1')}a`, 'keep', GOOD],
  ['Trailer with 204', 'HTTP/1.1 204 No Content\r\nTrailer: x-sum\r\n\r\n', 'keep', / 204 /],
  ['Trailer with 304', 'HTTP/1.1 304 Not Modified\r\nTrailer: x-sum\r\n\r\n', 'keep', / 304 /],
  ['Trailer and trailers', `${ok('Trailer: x-sum', 'Transfer-Encoding: chunked')}1\r\na\r\n0\r\nx-sum: 1\r\n\r\n`, 'keep', GOOD],
  ['a trailer of framing', `${ok('Transfer-Encoding: chunked')}1\r\na\r\n0\r\ncontent-length: 9\r\n\r\n`, 'keep', BROKEN],
  ['status 099', 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n', 'keep', BAD],
  ['status 000', 'HTTP/1.1 000 Odd\r\nContent-Length: 0\r\n\r\n', 'keep', BAD],
  ['status 600', 'HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n', 'keep', BAD],
  ['status 999', 'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n', 'keep', BAD],
  ['status 1000', 'HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n', 'keep', BAD],
  ['a control character in the reason', 'HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n', 'keep', GOOD],
  ['no reason', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', 'keep', GOOD],
  ['HTTP/0.9', 'hello', 'end', BAD],
  ['ICY', 'ICY 200 OK\r\n\r\n', 'end', BAD],
  ['HTTP/2.0 as a text', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n', 'keep', BAD],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nbody', 'end', GOOD],
  ['nothing, and closes', '', 'end', BAD],
  ['nothing, and resets', '', 'reset', BAD],
  ['half a head', 'HTTP/1.1 200 OK\r\nX: ', 'end', BAD],
  ['half a head, and resets', 'HTTP/1.1 200 OK\r\nX: ', 'reset', BAD],
  ['both framings', `${ok('Content-Length: 1', 'Transfer-Encoding: chunked')}0\r\n\r\n`, 'keep', BAD],
  ['two lengths', `${ok('Content-Length: 1', 'Content-Length: 2')}ab`, 'keep', BAD],
  ['a length that is none', `${ok('Content-Length: x')}ab`, 'keep', BAD],
  ['another transfer coding', `${ok('Transfer-Encoding: gzip')}ab`, 'end', BAD],
  ['gzip, chunked', `${ok('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`, 'keep', BAD],
  [
    '999 header lines before Transfer-Encoding',
    `${ok(...Array.from({ length: 999 }, (_, i) => `j${i}: 1`), 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    'keep',
    BAD,
  ],
  ['a head of 20 KB', ok(`X: ${'a'.repeat(20_000)}`), 'keep', BAD],
  ['a header name that is none', ok('X Y: 1', 'Content-Length: 0'), 'keep', BAD],
  ['a header with a NUL', ok('X: a\0b', 'Content-Length: 0'), 'keep', BAD],
  ['a body that breaks off', `${ok('Content-Length: 9')}ab`, 'end', GOOD],
  ['a body that is reset', `${ok('Content-Length: 9')}ab`, 'reset', GOOD],
  ['a chunked body that breaks off', `${ok('Transfer-Encoding: chunked')}9\r\nab`, 'end', GOOD],
  ['a chunk size that is none', `${ok('Transfer-Encoding: chunked')}zz\r\n`, 'keep', BROKEN],
  ['more than its length', `${ok('Content-Length: 1')}abcdef`, 'keep', GOOD],
  ['a second answer', `${ok('Content-Length: 1')}a${ok('Content-Length: 4')}evil`, 'keep', GOOD],
  ['a body with 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil', 'keep', / 204 /],
  ['a body with 304', 'HTTP/1.1 304 Not Modified\r\n\r\nevil', 'keep', / 304 /],
  ['101 that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', 'keep', BAD],
  ['100 before it', `HTTP/1.1 100 Continue\r\n\r\n${ok('Content-Length: 1')}a`, 'keep', GOOD],
  ['102 before it', `HTTP/1.1 102 Processing\r\n\r\n${ok('Content-Length: 1')}a`, 'keep', GOOD],
  [
    '103 before it',
    `HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n${ok('Content-Length: 1')}a`,
    'keep',
    /^HTTP\/1\.1 103 [^]*HTTP\/1\.1 200 /,
  ],
  ['103 with a Link that is none', `HTTP/1.1 103 Early Hints\r\nLink: nonsense\r\n\r\n${ok('Content-Length: 1')}a`, 'keep', GOOD],
  ['100,000 informational answers', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100_000), 'keep', BAD],
];

describe.each(['1.1', '1.0', '2'])('a client of HTTP/%s, and an instance that answers with', (version) => {
  test.each(CASES)('%s', async (what, text, ending, wanted) => {
    odd = { text, ending };
    const answer =
      version === '2' ? await askByHttp2(gateway) : await sendRaw(gateway, `GET /odd HTTP/${version}\r\nHost: x\r\nConnection: close\r\n\r\n`);
    if (version === '1.0' && what === '103 before it') expect(answer).toMatch(GOOD);
    else expect(answer).toMatch(wanted);
    expect(answer).not.toContain('evil');
    expect(await askNormally(gateway)).toMatch(/^HTTP\/1\.1 200 [^]*ok$/);
  });
});

test('a part of a second answer ends the connection, so that the rest of it answers nobody', async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let requests = 0;
    socket.on('data', () => {
      requests++;
      socket.write(requests === 1 ? `${ok('Content-Length: 1')}aHTT` : `P/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil${ok('Content-Length: 1')}b`);
    });
    socket.on('error', () => {});
  });
  const served = await gatewayTo(await listen(server));
  try {
    const bodies: string[] = [];
    for (let i = 0; i < 3; i++) bodies.push((await ask(served.port)).body);
    expect(bodies).toEqual(['a', 'a', 'a']);
    expect(sockets.size).toBe(3);
  } finally {
    await served.close(0);
    server.close();
    for (const socket of sockets) socket.destroy();
  }
});

test('an answer that comes after others of its request, or with blank lines behind it, leaves the connection as it is', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on('data', () => socket.write(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok('Content-Length: 1')}a\r\n`));
    socket.on('error', () => {});
  });
  const served = await gatewayTo(await listen(server));
  try {
    for (let i = 0; i < 3; i++) expect((await ask(served.port)).body).toBe('a');
    expect(connections).toBe(1);
  } finally {
    await served.close(0);
    server.close();
  }
});
