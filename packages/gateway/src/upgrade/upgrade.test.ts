/** Handshakes that come to nothing: nobody is held up by them. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { newService, startBackend, startReadyGateway, upgrade, useNacos } from '../testing/support.js';

useNacos();

test.each([
  ['the client leaves', 60_000],
  ['it stands still', 100],
])('an endless refusal is abandoned when %s', async (what, idleMs) => {
  const service = newService();
  const { server } = await startBackend(service, 'base');
  const asked = new Promise<Duplex>((resolve) => {
    server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => {
      // Sockets of Node's servers stay half open.
      socket.on('error', () => {}).on('end', () => socket.destroy());
      socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nhalf');
      resolve(socket.resume());
    });
  });
  const gateway = await startReadyGateway({ routes: [{ host: '*', service }], timeouts: { idleMs } });
  const { socket, answer } = await upgrade(gateway);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  const instance = await asked;
  // It may be reset.
  const gone = new Promise((resolve) => instance.once('close', resolve));
  if (what === 'the client leaves') socket.end();
  else await once(socket.resume(), 'close');
  await gone;
  expect(instance.destroyed).toBe(true);
});
