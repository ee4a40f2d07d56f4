/**
 * A connection that the gateway closes normally keeps its port for a minute at the gateway: after some 28,000 of them, no request reaches the
 * instance any more. So connections that clients or an instance can force it to end are reset, which the instance sees; and no client can keep a
 * connection open that the gateway is done with.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { ask, listen } from '@lane/testing';
import { expect, test } from 'vitest';
import { gatewayTo } from './support.js';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n';

/** How each connection to an instance ended, in order; `answers` are the answers by path. */
async function startWitness(
  answers: (path: string) => string,
): Promise<{ port: number; asked: () => Promise<unknown>; next: () => Promise<string>; close(): void }> {
  const sockets = new Set<Socket>();
  const endings: Promise<string>[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    endings.push(
      new Promise((resolve) => {
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error')).once('end', () => resolve('ended'));
      }),
    );
    socket.on('data', (chunk: Buffer) => {
      server.emit('asked');
      socket.write(answers(chunk.toString('latin1').split(' ')[1] as string));
    });
  });
  const port = await listen(server);
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port, asked: () => once(server, 'asked'), next: async () => (await endings.shift()) ?? 'none', close };
}

test('a request that its client aborts costs no port', async () => {
  const witness = await startWitness(() => '');
  const served = await gatewayTo(witness.port);
  try {
    for (const path of ['/1', '/2', '/3']) {
      const asked = witness.asked();
      const client = connect(served.port, served.host).on('error', () => {});
      client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await asked;
      client.destroy();
      expect(await witness.next()).toBe('ECONNRESET');
    }
  } finally {
    await served.close(0);
    witness.close();
  }
});

test('requests to an instance that gets a separate connection for each cost no ports', async () => {
  const witness = await startWitness((path) => (path === '/twice' ? `${OK}once${OK}evil` : `${OK}fine`));
  const served = await gatewayTo(witness.port);
  try {
    expect((await ask(served.port, { path: '/twice' })).body).toBe('once');
    await witness.next();
    for (let i = 0; i < 3; i++) {
      expect((await ask(served.port)).body).toBe('fine');
      expect(await witness.next()).toBe('ECONNRESET');
    }
  } finally {
    await served.close(0);
    witness.close();
  }
});

test('the last answer of a connection costs no port, though the instance does not close it', async () => {
  const witness = await startWitness(() => OK.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n') + 'last');
  const served = await gatewayTo(witness.port);
  try {
    for (let i = 0; i < 3; i++) {
      expect((await ask(served.port)).body).toBe('last');
      expect(await witness.next()).toBe('ECONNRESET');
    }
  } finally {
    await served.close(0);
    witness.close();
  }
});

test.each([
  ['CONNECT', 'CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n', / 405 /],
  ['a handshake with a body', 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n', / 400 /],
])('%s that is refused leaves nothing open, though its client stays connected', async (_what, sent, status) => {
  const witness = await startWitness(() => '');
  const served = await gatewayTo(witness.port);
  const client = connect({ port: served.port, host: served.host, allowHalfOpen: true });
  try {
    let answer = '';
    client.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
    client.write(sent);
    await once(client, 'end');
    expect(answer).toMatch(status);
    // Nobody is left to receive it.
    const sending = setInterval(() => client.write('x'), 20);
    const [error] = (await once(client, 'error').finally(() => clearInterval(sending))) as [NodeJS.ErrnoException];
    expect(error.code).toMatch(/^(?:ECONNRESET|EPIPE)$/);
  } finally {
    client.destroy();
    await served.close(0);
    witness.close();
  }
});
