/** Instances that answer the gateway with server errors. */
import { EventEmitter, once } from 'node:events';
import type { IncomingMessage, RequestListener } from 'node:http';
import { NO_OUTLIERS } from '@lane/core/model';
import { eventually, ManualClock } from '@lane/testing';
import { expect, test } from 'vitest';
import { ask, begin, newService, startBackend, startReadyGateway, SWITCHING, upgrade, useNacos } from './testing/support.js';

useNacos();

const answering =
  (status: number): RequestListener =>
  (_, response) =>
    void response.writeHead(status).end();
/** Of so many requests, chosen at random between two, that one of them is ejected by then is as good as certain. */
const ENOUGH = 40;

async function statusesOf(gateway: Parameters<typeof ask>[0], count: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < count; i++) statuses.push((await ask(gateway)).status);
  return statuses;
}

test('an instance that fails, unlike its twin, gets no requests for a while, which is logged; then it is tried again', async () => {
  const service = newService();
  let status = 503;
  const sick = await startBackend(service, 'sick', { listener: (request, response) => answering(status)(request, response) });
  await startBackend(service, 'well');
  const lines: string[] = [];
  const note =
    (level: string) =>
    (message: string): void =>
      void lines.push(`${level}: ${message}`);
  // Otherwise a slow machine might still be asking when it is tried again.
  const clock = new ManualClock();
  const gateway = await startReadyGateway({
    routes: [{ host: '*', service }],
    outlier: { connect: 1, serverErrors: 5, timeMs: 2_000, cap: 0.5 },
    clock,
    log: { error: note('error'), warn: note('warn'), info: note('info'), debug: () => {} },
  });
  expect((await statusesOf(gateway, ENOUGH)).filter((one) => one === 503).length).toBeGreaterThanOrEqual(5);
  expect(await statusesOf(gateway, 20)).toEqual(Array(20).fill(200));
  clock.pass(1_000);
  expect(lines).toContainEqual(
    expect.stringMatching(`^warn: ejected for server errors, .*${service} at 127\\.0\\.0\\.1:${sick.port} \\(base\\) for 2 s`),
  );
  status = 204;
  await eventually(async () => {
    clock.pass(1_000);
    await statusesOf(gateway, 40);
    expect(lines).toContainEqual(expect.stringMatching(`^info: answers again.*${service} at 127\\.0\\.0\\.1:${sick.port}`));
  });
});

test('an instance that closes connections before it answers gets no requests for a while', async () => {
  const service = newService();
  await startBackend(service, 'sick', { listener: ({ socket }) => void socket.resetAndDestroy() });
  await startBackend(service, 'well');
  const gateway = await startReadyGateway({ routes: [{ host: '*', service }], outlier: { connect: 1, serverErrors: 5, timeMs: 60_000, cap: 0.5 } });
  expect((await statusesOf(gateway, ENOUGH)).filter((one) => one === 502).length).toBeGreaterThanOrEqual(5);
  expect(await statusesOf(gateway, 20)).toEqual(Array(20).fill(200));
});

test('an instance that does not answer in time gets no requests for a while', async () => {
  const service = newService();
  await startBackend(service, 'sick', { listener: () => {} });
  await startBackend(service, 'well');
  const gateway = await startReadyGateway({
    routes: [{ host: '*', service }],
    outlier: { connect: 1, serverErrors: 5, timeMs: 60_000, cap: 0.5 },
    // Time enough for its twin on a slow machine.
    timeouts: { responseMs: 1_000 },
  });
  expect((await statusesOf(gateway, ENOUGH)).filter((one) => one === 504).length).toBeGreaterThanOrEqual(5);
  expect(await statusesOf(gateway, 20)).toEqual(Array(20).fill(200));
});

test('clients that leave before the answer, of requests or of handshakes, take no instance out', async () => {
  const service = newService();
  const waits: RequestListener = (request, response) => {
    if (request.url !== '/slow') response.writeHead(204, { 'x-backend': 'slow' }).end();
    else arrived.emit('request');
  };
  const arrived = new EventEmitter();
  const { server } = await startBackend(service, 'slow', { listener: waits });
  server.on('upgrade', (_, socket) => {
    socket.on('error', () => {});
    arrived.emit('request');
  });
  await startBackend(service, 'other', { listener: (_, response) => void response.writeHead(204, { 'x-backend': 'other' }).end() });
  const lines: string[] = [];
  const note = (message: string): void => void lines.push(message);
  const gateway = await startReadyGateway({
    routes: [{ host: '*', service }],
    outlier: { connect: 1, serverErrors: 5, timeMs: 60_000, cap: 0.5 },
    log: { error: note, warn: note, info: note, debug: () => {} },
  });
  for (const isHandshake of [false, true]) {
    let left = 0;
    while (left < 20) {
      const headers = isHandshake ? { connection: 'Upgrade', upgrade: 'websocket' } : {};
      const request = begin(gateway, { path: '/slow', headers });
      const over = Promise.race([once(arrived, 'request').then(() => true), once(request, 'response').then(() => false)]);
      request.on('error', () => {}).end();
      if (await over) left++;
      request.destroy();
    }
  }
  const answered = new Set<unknown>();
  for (let i = 0; i < ENOUGH; i++) answered.add((await ask(gateway)).headers['x-backend']);
  expect(answered).toEqual(new Set(['slow', 'other']));
  expect(lines).toEqual([]);
});

test('an instance that does not answer handshakes, or breaks them off, gets no requests for a while', async () => {
  for (const [sick, status] of [
    [({ socket }: IncomingMessage) => socket.on('error', () => {}), 504],
    [({ socket }: IncomingMessage) => socket.resetAndDestroy(), 502],
  ] as const) {
    const service = newService();
    (await startBackend(service, 'sick')).server.on('upgrade', sick);
    (await startBackend(service, 'well')).server.on('upgrade', (_, socket) => void socket.on('error', () => {}).end(SWITCHING));
    const gateway = await startReadyGateway({
      routes: [{ host: '*', service }],
      outlier: { connect: 1, serverErrors: 5, timeMs: 60_000, cap: 0.5 },
      // Time enough for its twin on a slow machine.
      timeouts: { responseMs: 1_000 },
    });
    const handshakes = async (count: number): Promise<number[]> => {
      const statuses: number[] = [];
      for (let i = 0; i < count; i++) {
        const { socket, answer } = await upgrade(gateway);
        statuses.push(Number(answer.split(' ')[1]));
        socket.destroy();
      }
      return statuses;
    };
    expect((await handshakes(ENOUGH)).filter((one) => one === status).length).toBeGreaterThanOrEqual(5);
    expect(await handshakes(20)).toEqual(Array(20).fill(101));
  }
});

test('if all instances fail, none is skipped', async () => {
  const service = newService();
  await startBackend(service, 'one', { listener: answering(500) });
  await startBackend(service, 'other', { listener: answering(502) });
  const gateway = await startReadyGateway({ routes: [{ host: '*', service }], outlier: { connect: 1, serverErrors: 2, timeMs: 60_000, cap: 0.5 } });
  await statusesOf(gateway, ENOUGH);
  expect(new Set(await statusesOf(gateway, ENOUGH))).toEqual(new Set([500, 502]));
});

test('off: an instance that fails gets its share', async () => {
  const service = newService();
  await startBackend(service, 'sick', { listener: answering(500) });
  await startBackend(service, 'well');
  const gateway = await startReadyGateway({ routes: [{ host: '*', service }], outlier: NO_OUTLIERS });
  await statusesOf(gateway, ENOUGH);
  expect(new Set(await statusesOf(gateway, ENOUGH))).toEqual(new Set([200, 500]));
});
