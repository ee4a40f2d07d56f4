/** What instances may answer: the client gets all of it, or 502, or a broken connection; the gateway serves the next request. */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { ask, listen, ManualClock, RecordingLog } from '@lane/testing';
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
/** Or cut off before anything was sent. */
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

test('part of a second answer ends the connection, so that the rest of it answers nobody', async () => {
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

test('a second answer that begins before the client has read the whole first one ends the connection, and the client gets the first', async () => {
  let isWhole: (socket: Socket) => void;
  const wholeAnswer = new Promise<Socket>((resolve) => (isWhole = resolve));
  const server = createServer((socket) => {
    // In two pieces: the second one waits in the gateway until the client reads.
    socket.once('data', () => {
      socket.write(`${ok('Content-Length: 40000')}${'a'.repeat(35_000)}`);
      setTimeout(() => socket.write('b'.repeat(5_000), () => isWhole(socket)), 200);
    });
    socket.on('error', () => {});
  });
  const served = await gatewayTo(await listen(server));
  const session = connectHttp2(served.url, { settings: { initialWindowSize: 10 } });
  try {
    const stream = session.request({ ':path': '/', ':authority': 'x' });
    await once(stream, 'response');
    const socket = await wholeAnswer;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    // By now the gateway has read the answer.
    setTimeout(() => socket.write(ok('Content-Length: 1000')), 200);
    await closed;
    session.settings({ initialWindowSize: 1_000_000 });
    let length = 0;
    for await (const chunk of stream) length += (chunk as Buffer).length;
    expect(length).toBe(40_000);
  } finally {
    session.destroy();
    await served.close(0);
    server.close();
  }
});

test('an answer after interim ones, or with trailing blank lines, keeps the connection', async () => {
  let connections = 0;
  let ended = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on('data', () => socket.write(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok('Content-Length: 1')}a\r\n`));
    socket.on('error', () => {}).on('end', () => ended++);
  });
  const served = await gatewayTo(await listen(server));
  try {
    for (let i = 0; i < 50; i++) expect((await ask(served.port)).body).toBe('a');
    expect(connections).toBeLessThan(50);
    expect(ended).toBe(0);
  } finally {
    await served.close(0);
    server.close();
  }
});

describe('an instance that answers twice', () => {
  /** Sends `evil` after its answer to `/evil`, in the way of `say`, and `fine` to all other requests. */
  async function startTwiceTalker(say: (second: () => void) => void): Promise<{ port: number; connections: () => number; close(): void }> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket.setNoDelay(true));
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        if (!chunk.includes(' /evil ')) {
          socket.write(`${ok('Content-Length: 4')}fine`);
          return;
        }
        socket.write(`${ok('Content-Length: 4')}once`);
        say(() => socket.write(`${ok('Content-Length: 4')}evil`));
      });
    });
    const port = await listen(server);
    const close = (): void => {
      for (const socket of sockets) socket.destroy();
      server.close();
    };
    return { port, connections: () => sockets.size, close };
  }

  test.each<[string, (second: () => void) => void]>([
    ['at once', (second) => second()],
    ['a turn of the loop later', (second) => void setImmediate(second)],
    ['two turns of the loop later', (second) => void setImmediate(() => setImmediate(second))],
  ])('%s answers nobody else, whoever asks in the meantime', async (_when, say) => {
    const talker = await startTwiceTalker(say);
    // Each round is a day later: the gateway has forgotten what the instance did, and must detect it again.
    const clock = new ManualClock();
    const served = await gatewayTo(talker.port, { clock });
    try {
      for (let round = 0; round < 25; round++) {
        clock.pass(86_400_000);
        const bodies = Promise.all(Array.from({ length: 4 }, async () => [(await ask(served.port)).body, (await ask(served.port)).body]));
        expect((await ask(served.port, { path: '/evil' })).body).toBe('once');
        expect((await ask(served.port)).body).toBe('fine');
        expect((await bodies).flat()).toEqual(Array.from({ length: 8 }, () => 'fine'));
      }
    } finally {
      await served.close(0);
      talker.close();
    }
  });

  test('gets a connection for each request from then on, for ten minutes, and the log says so once', async () => {
    const talker = await startTwiceTalker((second) => second());
    const log = new RecordingLog();
    const clock = new ManualClock();
    const served = await gatewayTo(talker.port, { clock, log });
    const connectionsOf = async (requests: number): Promise<number> => {
      const before = talker.connections();
      for (let i = 0; i < requests; i++) expect((await ask(served.port)).body).toBe('fine');
      return talker.connections() - before;
    };
    try {
      await ask(served.port, { path: '/evil' });
      // All other open connections are used up, or have been detected.
      await connectionsOf(5);
      expect(await connectionsOf(20)).toBe(20);
      await ask(served.port, { path: '/evil' });
      expect(log.matching(/sent an unsolicited answer/)).toHaveLength(1);
      clock.pass(600_000);
      expect(await connectionsOf(50)).toBeLessThan(50);
    } finally {
      await served.close(0);
      talker.close();
    }
  });

  test('its other connections are not reused either', async () => {
    const talker = await startTwiceTalker((second) => second());
    const served = await gatewayTo(talker.port);
    try {
      await Promise.all(Array.from({ length: 8 }, () => ask(served.port)));
      await ask(served.port, { path: '/evil' });
      const before = talker.connections();
      await Promise.all(Array.from({ length: 8 }, () => ask(served.port)));
      expect(talker.connections() - before).toBe(8);
    } finally {
      await served.close(0);
      talker.close();
    }
  });

  test('a server that ends an idle connection with 408 keeps its connections', async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {}).on('data', () => socket.write(`${ok('Content-Length: 1')}a`));
    });
    const served = await gatewayTo(await listen(server));
    try {
      await ask(served.port);
      for (const socket of sockets) socket.write('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n');
      // It may be reset.
      await Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.resume().once('close', resolve))));
      sockets.clear();
      for (let i = 0; i < 50; i++) expect((await ask(served.port)).body).toBe('a');
      expect(sockets.size).toBeLessThan(50);
    } finally {
      await served.close(0);
      server.close();
      for (const socket of sockets) socket.destroy();
    }
  });
});
