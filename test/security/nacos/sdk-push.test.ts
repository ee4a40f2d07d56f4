/** Packets to the UDP port that the `nacos` package opens in the app: those from servers are hints, all others are ignored. */
import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { NacosNamingClient } from 'nacos';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createTagCodec, DEFAULT_FORMATS, ServiceTables } from '@lane/core/model';
import { decorate, LaneNaming, nacosAdapter } from '@lane/nacos-registry';
import { RecordingLog } from '@lane/testing';
import { hostsAt, KEY, push, startNacos, udpFrom, type FakeNacos } from './fake-nacos.js';

interface Host {
  readonly port: number;
}

interface Internals {
  readonly _hostReactor: NodeJS.EventEmitter & { readonly _pushReceiver: NodeJS.EventEmitter & { readonly udpPort: number } };
  readonly close: () => Promise<void>;
}

interface App {
  /** The port for pushes. */
  readonly udpPort: number;
  /** The ports of the instances that the app can choose from. */
  select(): Promise<number[]>;
  /** Calls `listener` with the ports of the instances. */
  subscribe(listener: (ports: number[]) => void): void;
  readonly log: RecordingLog;
}

const quiet = { ...console, debug() {}, info() {}, warn() {}, error() {}, log() {} };

/** An app's client, decorated as by the agent, and not used yet. */
async function startApp(nacos: FakeNacos): Promise<App> {
  const log = new RecordingLog();
  const lanes = new LaneNaming({
    tables: new ServiceTables({ formats: DEFAULT_FORMATS }),
    codec: createTagCodec(),
    guard: (_, work) => work(),
    currentTag: () => undefined,
    backgroundTag: () => undefined,
    log,
  });
  const client = new NacosNamingClient({ logger: quiet, serverList: nacos.address } as never);
  await client.ready();
  const { _hostReactor: reactor, close } = client as unknown as Internals;
  onTestFinished(() => close.call(client));
  // Emitters without a listener for 'error' print read and connection errors.
  for (const emitter of [reactor, reactor._pushReceiver]) emitter.on('error', () => {});
  decorate(nacosAdapter, client, lanes);
  const portsOf = (hosts: readonly Host[]): number[] => hosts.map(({ port }) => port);
  return {
    udpPort: reactor._pushReceiver.udpPort,
    log,
    select: async () => portsOf(await client.selectInstances(KEY.name)),
    subscribe: (listener) =>
      client.subscribe({ serviceName: KEY.name, groupName: KEY.group, clusters: '' }, (hosts: Host[]) => listener(portsOf(hosts))),
  };
}

/** An app that has already asked, and by itself asks again only after a minute. */
async function startSettledApp(nacos: FakeNacos): Promise<App> {
  const app = await startApp(nacos);
  expect(await app.select()).toEqual([1001]);
  // The SDK's second request follows 1 s after the first.
  await nacos.askedTimes(2);
  return app;
}

/** The lists that the app's listener gets. */
function listsOf(app: App): { lists: number[][]; next: () => Promise<void> } {
  const lists: number[][] = [];
  let wake = (): void => {};
  app.subscribe((ports) => {
    lists.push(ports);
    wake();
  });
  return { lists, next: () => new Promise((resolve) => (wake = resolve)) };
}

describe('a push to the app’s own client', () => {
  test('from its server makes it ask at once, and its content is not believed', async () => {
    const nacos = await startNacos();
    const app = await startSettledApp(nacos);
    const { lists, next } = listsOf(app);
    await next();
    const sender = await udpFrom('127.0.0.1');
    nacos.serve(1002);
    sender.send(push(hostsAt(6666)), app.udpPort, '127.0.0.1');
    await next();
    expect(lists).toEqual([[1001], [1002]]);
    expect(await app.select()).toEqual([1002]);
  });

  test('from a stranger is neither answered nor followed, which is logged, and the client still hears from its server', async () => {
    const nacos = await startNacos();
    const app = await startSettledApp(nacos);
    const stranger = await udpFrom('127.0.0.2');
    const answers: Buffer[] = [];
    stranger.on('message', (message) => answers.push(message));
    for (const packet of [push(hostsAt(6666)), '{"type":"dump"}', '{}', 'x']) stranger.send(packet, app.udpPort, '127.0.0.1');
    const sender = await udpFrom('127.0.0.1');
    nacos.serve(1002);
    sender.send(push([]), app.udpPort, '127.0.0.1');
    // Once the server's own push is acknowledged, the earlier ones have been seen.
    await Promise.all([nacos.askedTimes(3), once(sender, 'message')]);
    expect(answers).toEqual([]);
    expect(nacos.asked).toHaveLength(3);
    await expect.poll(() => app.select()).toEqual([1002]);
    expect(app.log.matching(/127\.0\.0\.2/)).toHaveLength(1);
  });

  test('gets an acknowledgement no longer than itself, and a request to dump everything gets no answer', async () => {
    const nacos = await startNacos();
    const app = await startSettledApp(nacos);
    const sender = await udpFrom('127.0.0.1');
    const answers: string[] = [];
    sender.on('message', (message) => answers.push(message.toString()));
    const long = JSON.stringify({ type: 'dom', data: '{"name":"DEFAULT_GROUP@@shop"}', lastRefTime: 'x'.repeat(60_000) });
    for (const packet of ['{"type":"dump","lastRefTime":1}', '{"type":"none","lastRefTime":1}', long]) sender.send(packet, app.udpPort, '127.0.0.1');
    sender.send(push([]), app.udpPort, '127.0.0.1');
    await once(sender, 'message');
    expect(answers).toEqual(['{"type":"push-ack","lastRefTime":1,"data":""}']);
  });

  test('before it was first used leaves nothing behind for that use', async () => {
    const nacos = await startNacos();
    const app = await startApp(nacos);
    const stranger = await udpFrom('127.0.0.2');
    stranger.send(push(hostsAt(6666)), app.udpPort, '127.0.0.1');
    // The SDK's own receiver, because no method of the client has been called yet.
    await once(stranger, 'message');
    expect(await app.select()).toEqual([1001]);
  });

  test('a hundred gzip bombs cause a request or two', async () => {
    const nacos = await startNacos();
    const app = await startSettledApp(nacos);
    const sender = await udpFrom('127.0.0.1');
    const bomb = gzipSync(Buffer.alloc(16 * 1024 * 1024));
    nacos.serve(1002);
    for (let i = 0; i < 100; i++) sender.send(bomb, app.udpPort, '127.0.0.1');
    await expect.poll(() => app.select()).toEqual([1002]);
    expect(nacos.asked.length).toBeLessThan(12);
  });

  test('for a service that the app does not use causes no request', async () => {
    const nacos = await startNacos();
    const app = await startSettledApp(nacos);
    const sender = await udpFrom('127.0.0.1');
    sender.send(push(hostsAt(6666), 'other'), app.udpPort, '127.0.0.1');
    sender.send(push([]), app.udpPort, '127.0.0.1');
    await nacos.askedTimes(3);
    expect(nacos.asked.map(({ searchParams }) => searchParams.get('clusters'))).toEqual(['', '', '']);
  });
});
