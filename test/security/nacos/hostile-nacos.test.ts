/** What strangers send to the agent's UDP port, and what a hostile Nacos answers: its cost is bounded, and nobody believes it. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket as TcpSocket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { hostsAt, KEY, push, startNacos, udpFrom, type FakeNacos } from './fake-nacos.js';

function connect(server: string): NacosConnection {
  const connection = connectNacos({ server });
  onTestFinished(() => connection.close());
  return connection;
}

/** Subscribes, and returns the UDP port that the server got, and the lists as they arrive. */
async function subscribe(nacos: FakeNacos): Promise<{ port: number; lists: number[][]; next: () => Promise<void> }> {
  const lists: number[][] = [];
  let wake = (): void => {};
  connect(nacos.address).observe(KEY, (instances) => {
    lists.push(instances.map(({ port }) => port));
    wake();
  });
  const next = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  await next();
  return { port: Number(nacos.asked[0]?.searchParams.get('udpPort')), lists, next };
}

describe('a push', () => {
  test("from a server's address makes the agent ask at once, and its content is not believed", async () => {
    const nacos = await startNacos();
    const { port, lists, next } = await subscribe(nacos);
    const sender = await udpFrom('127.0.0.1');
    nacos.serve(1002);
    sender.send(push(hostsAt(6666)), port, '127.0.0.1');
    await next();
    expect(lists).toEqual([[1001], [1002]]);
  });

  test('from a stranger is neither answered nor followed, and the service still hears from its server', async () => {
    const nacos = await startNacos();
    const { port, lists, next } = await subscribe(nacos);
    const stranger = await udpFrom('127.0.0.2');
    const answers: Buffer[] = [];
    stranger.on('message', (message) => answers.push(message));
    for (const packet of [push(hostsAt(6666)), '{"type":"dump"}', '{}', 'x']) stranger.send(packet, port, '127.0.0.1');
    const asked = nacos.asked.length;
    const sender = await udpFrom('127.0.0.1');
    nacos.serve(1002);
    sender.send(push([]), port, '127.0.0.1');
    // Once the server's own push is acknowledged, the earlier ones have been seen.
    await Promise.all([next(), once(sender, 'message')]);
    expect(answers).toEqual([]);
    expect(nacos.asked.length - asked).toBe(1);
    expect(lists).toEqual([[1001], [1002]]);
  });

  test('gets an acknowledgement no longer than itself, and other kinds of packets get none', async () => {
    const nacos = await startNacos();
    const { port } = await subscribe(nacos);
    const sender = await udpFrom('127.0.0.1');
    const answers: string[] = [];
    sender.on('message', (message) => answers.push(message.toString()));
    const long = JSON.stringify({ type: 'dom', data: '{"name":"DEFAULT_GROUP@@shop"}', lastRefTime: 'x'.repeat(60_000) });
    for (const packet of ['{"type":"dump","lastRefTime":1}', '{"type":"none","lastRefTime":1}', long]) sender.send(packet, port, '127.0.0.1');
    sender.send(push([]), port, '127.0.0.1');
    await once(sender, 'message');
    expect(answers).toEqual(['{"type":"push-ack","lastRefTime":1,"data":""}']);
  });

  test('a hundred gzip bombs count as a hint or two', async () => {
    const nacos = await startNacos();
    const { port, lists, next } = await subscribe(nacos);
    const sender = await udpFrom('127.0.0.1');
    const bomb = gzipSync(Buffer.alloc(16 * 1024 * 1024));
    nacos.serve(1002);
    const before = nacos.asked.length;
    for (let i = 0; i < 100; i++) sender.send(bomb, port, '127.0.0.1');
    await next();
    expect(lists).toEqual([[1001], [1002]]);
    expect(nacos.asked.length - before).toBeLessThan(10);
  });
});

describe('a server that answers', () => {
  async function startRaw(serve: (socket: TcpSocket) => void): Promise<string> {
    const server: Server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => serve(socket));
      onTestFinished(() => void socket.destroy());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void server.close());
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const forever = (socket: TcpSocket, chunk: string): void => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', more);
    more();
  };
  const HEAD = 'HTTP/1.1 200 OK\r\n';

  test.each<[what: string, serve: (socket: TcpSocket) => void, message: RegExp]>([
    ['without end', (socket) => (socket.write(`${HEAD}\r\n`), forever(socket, 'x'.repeat(65_536))), /more than 4194304 bytes/],
    ['headers without end', (socket) => (socket.write(HEAD), forever(socket, `a: ${'x'.repeat(1000)}\r\n`)), /HPE_HEADER_OVERFLOW/],
    ['that it will answer, without end', (socket) => forever(socket, 'HTTP/1.1 102 Processing\r\n\r\n'), /interim answers/],
    ['in drops', (socket) => (socket.write(`${HEAD}\r\n`), void setInterval(() => socket.write('x'), 100).unref()), /no answer in time/],
    ['a redirect', (socket) => void socket.end('HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n'), /answered 302/],
    [
      'brackets',
      (socket) => void socket.end(`${HEAD}Connection: close\r\n\r\n{"hosts":${'['.repeat(1e6)}${']'.repeat(1e6)}}`),
      /without a list of instances/,
    ],
  ])('%s costs a bounded amount', async (_, serve, message) => {
    await expect(connect(await startRaw(serve)).list(KEY)).rejects.toThrow(message);
  });
});
