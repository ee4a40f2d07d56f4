/** The injector's servers: their answers, metrics and shutdown. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { SILENT_LOG } from '@lane/core/model';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { nextState } from './certificates.js';
import { INJECT_DEFAULTS } from './inject-pod.js';
import { startInjectorServer, type InjectorServer, type ServingCertificate } from './server.js';

let certificate: ServingCertificate;
let ca: string;
beforeAll(async () => {
  const { serving, trusted } = await nextState(undefined, ['127.0.0.1'], Date.now());
  certificate = { ...serving, notAfter: Date.parse('2030-01-01') };
  ca = trusted.join('\n');
});

async function start(): Promise<InjectorServer> {
  const inject = { ...INJECT_DEFAULTS, image: 'lane-agent:1' };
  const server = await startInjectorServer({ host: '127.0.0.1', port: 0, metricsPort: 0, inject, certificate, log: SILENT_LOG });
  onTestFinished(() => server.close().catch(() => {}));
  return server;
}

async function ask({ port }: InjectorServer, path: string, body: string, method = 'POST'): Promise<{ status: number | undefined; text: string }> {
  const call = request({ host: '127.0.0.1', port, path, method, ca, agent: false });
  call.end(body);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
  return { status: response.statusCode, text };
}

const get = ({ metricsPort }: InjectorServer, path: string): Promise<Response> => fetch(`http://127.0.0.1:${metricsPort}${path}`);

const review = (object: object, more: object = {}): string =>
  JSON.stringify({ request: { uid: 'u-1', kind: { group: '', version: 'v1', kind: 'Pod' }, operation: 'CREATE', object, ...more } });
const POD = { spec: { containers: [{ name: 'app', image: 'node:22' }] } };

describe('the webhook', () => {
  test.each<[string, string, string, boolean]>([
    ['a pod whose namespace asks', '/inject/namespace', review(POD), true],
    ['the same by another path, with a timeout as the API server adds one', '/inject/namespace?timeout=5s', review(POD), true],
    ['the same in a dry run', '/inject/namespace', review(POD, { dryRun: true }), true],
    ['a pod that does not ask itself', '/inject/pod', review(POD), false],
    ['a pod that is changed', '/inject/namespace', review(POD, { operation: 'UPDATE' }), false],
    ['something else than a pod', '/inject/namespace', review({ spec: {} }, { kind: { group: 'apps', version: 'v1', kind: 'Deployment' } }), false],
    ['a pod without containers', '/inject/namespace', review({ spec: {} }), false],
  ])('allows %s', async (_name, path, body, isPatched) => {
    const { status, text } = await ask(await start(), path, body);
    expect(status).toBe(200);
    const { response } = JSON.parse(text) as { response: { uid: string; allowed: boolean; patch?: string } };
    expect(response).toMatchObject({ uid: 'u-1', allowed: true });
    expect(response.patch !== undefined).toBe(isPatched);
  });

  test('keeps warnings within the length that the API server forwards', async () => {
    const metadata = { annotations: { 'lane.dev/containers': `app,${'x'.repeat(500)}` } };
    const { text } = await ask(await start(), '/inject/namespace', review({ ...POD, metadata }));
    const { warnings } = (JSON.parse(text) as { response: { warnings: string[] } }).response;
    expect(warnings.map(({ length }) => length)).toEqual([256]);
    expect(warnings[0]).toMatch(/^lane: lane\.dev\/containers names x+$/);
  });

  test('rejects anything but a review, and keeps serving', async () => {
    const server = await start();
    expect((await ask(server, '/inject/pod', 'no JSON')).status).toBe(400);
    expect((await ask(server, '/inject/pod', 'null')).status).toBe(400);
    expect((await ask(server, '/inject/pod', '{}')).status).toBe(400);
    expect((await ask(server, '/inject/pod', ' '.repeat(5 * 1024 * 1024))).status).toBe(400);
    expect((await ask(server, '/', review(POD))).status).toBe(404);
    expect((await ask(server, '/inject/pod', '', 'GET')).status).toBe(404);
    expect((await ask(server, '/inject/namespace', review(POD))).status).toBe(200);
  });

  test('answers a nonsensical pod with an error, which the API server ignores, and keeps serving', async () => {
    const server = await start();
    expect((await ask(server, '/inject/namespace', review({ spec: { containers: [null] } }))).status).toBe(500);
    expect((await ask(server, '/inject/namespace', review(POD))).status).toBe(200);
  });
});

test('slow reviews take bounded memory, and delay no other review', async () => {
  const server = await start();
  // 40 MB if it were all held, and more with each further one; the chart's pod has 256 MB.
  const slow = Array.from({ length: 10 }, () => {
    const call = request({ host: '127.0.0.1', port: server.port, path: '/inject/pod', method: 'POST', ca, agent: false });
    const gone = once(call, 'error');
    call.write(' '.repeat(4 * 1024 * 1024 - 1));
    return { call, gone };
  });
  await Promise.race(slow.map(({ gone }) => gone));
  expect((await ask(server, '/inject/namespace', review(POD))).status).toBe(200);
  for (const { call } of slow) call.destroy();
});

test('metrics: results for pods, durations, and expiry of the certificate', async () => {
  const server = await start();
  await ask(server, '/inject/namespace', review(POD));
  await ask(server, '/inject/pod', review(POD));
  await ask(server, '/inject/pod', '{}');
  const metrics = await (await get(server, '/metrics')).text();
  for (const result of ['injected', 'left-alone', 'invalid']) expect(metrics).toContain(`lane_injector_admissions_total{result="${result}"} 1\n`);
  expect(metrics).toContain('lane_injector_admission_duration_seconds_count 2\n');
  expect(metrics).toContain(`lane_injector_certificate_expiry_timestamp_seconds ${Date.parse('2030-01-01') / 1000}\n`);
});

test('on shutdown it is no longer ready, keeps answering while others may not have noticed, and then ends', async () => {
  const server = await start();
  expect((await get(server, '/readyz')).status).toBe(200);
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const closing = server.close(2_000);
  vi.advanceTimersByTime(1_999);
  expect((await get(server, '/readyz')).status).toBe(503);
  expect((await get(server, '/healthz')).status).toBe(200);
  expect((await ask(server, '/inject/namespace', review(POD))).status).toBe(200);
  vi.advanceTimersByTime(1);
  await closing;
  await expect(ask(server, '/inject/namespace', review(POD))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
