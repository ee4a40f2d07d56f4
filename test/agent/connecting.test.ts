/** Instances that are registered but gone: the agent tries another instance after a refused connection, and nobody notices. */
import { once } from 'node:events';
import http from 'node:http';
import { join } from 'node:path';
import type { TrafficReport } from '@lane/core/agent';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { eventually } from '@lane/testing';
import { freePort } from '@lane/testing/ports';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startRegisteredInstance } from './registered-instance.js';
import { runApp, send, startApp, type App } from './run-app.js';

const SERVICES = ['stock', 'stock-h2', 'shop-b', 'stock-rpc'] as const;
const WAYS = [
  'http',
  'http through one socket',
  'https',
  'http without an agent',
  'fetch',
  'agent',
  'pool',
  'http2',
  'http2 over TLS',
  'grpc',
] as const;
type Kind = 'base' | 'gray' | 'blue';
const KINDS: readonly Kind[] = ['base', 'gray', 'blue'];
/** For a gRPC channel: the longer an instance was dead, the later it tries again. */
const IN_ITS_OWN_TIME = { timeoutMs: 90_000 };
const headersOf = (kind: Kind): Record<string, string> => (kind === 'base' ? {} : { baggage: `lane=${kind}` });

interface Answer {
  readonly way: string;
  readonly kind: Kind;
  readonly name?: string;
  readonly body?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** `together`: the app calls once this many requests are waiting. */
async function ask(app: App, kind: Kind, way: string, agent: http.Agent, together = 1): Promise<Answer> {
  const { body } = await send(app.port, `/?way=${encodeURIComponent(way)}&together=${together}`, headersOf(kind), agent);
  return { kind, way, ...(JSON.parse(body) as object) };
}

/** Who answered each kind, for each way; exactly one name per kind is right. */
function namesOf(answers: readonly Answer[]): Record<string, string[]> {
  const names: Record<string, Set<string>> = {};
  for (const { kind, way, name, error } of answers) {
    (names[kind] ??= new Set()).add(name ?? `${way}: ${error?.code} ${error?.message}`);
  }
  return Object.fromEntries(Object.entries(names).map(([kind, set]) => [kind, [...set].toSorted()]));
}

describe.each(nodeVersions())('$name', ({ path: node }) => {
  let nacos: EmbeddedNacos;
  let registrar: NacosConnection;
  let instances: Record<string, App>;
  const client = new http.Agent({ keepAlive: true });

  beforeAll(async () => {
    nacos = await startEmbeddedNacos({ port: 0 });
  });
  afterAll(async () => {
    client.destroy();
    await nacos?.close();
  });
  const startInstance = (name: string, tag: string | undefined): Promise<App> =>
    startRegisteredInstance(registrar, SERVICES, name, tag === undefined ? {} : { lane: tag });

  beforeEach(async () => {
    // Another process registers the instances, so dead ones stay registered.
    registrar = connectNacos({ server: nacos.address });
    const started = await Promise.all(
      [
        ['base', undefined],
        ['gray-1', 'gray'],
        ['gray-2', 'gray'],
        ['blue', 'blue'],
      ].map(async ([name, tag]) => [name, await startInstance(name as string, tag)] as const),
    );
    instances = Object.fromEntries(started);
  });
  afterEach(async () => {
    await registrar?.close();
    await Promise.all(Object.values(instances).map((instance) => instance.stop()));
  });

  async function startCaller(env: Record<string, string> = {}): Promise<App> {
    const app = await startApp({
      node,
      script: 'caller.cjs',
      env: { LANE_NACOS_SERVER: nacos.address, LANE_SERVICES: SERVICES.join(), NODE_EXTRA_CA_CERTS: join(__dirname, 'tls/cert.pem'), ...env },
    });
    onTestFinished(() => app.stop());
    return app;
  }

  async function kill(...names: string[]): Promise<void> {
    await Promise.all(
      names.map((name) => {
        const { child } = instances[name] as App;
        child.kill('SIGKILL');
        return once(child, 'exit');
      }),
    );
  }

  /** Load of three kinds in all ways, until the test ends. Pauses while replicas are killed, because requests in flight would be lost with them. */
  function load(app: App): { killing(names: string[]): Promise<void>; next(count: number): Promise<Answer[]> } {
    let answers: Answer[] = [];
    let wake = (): void => {};
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) await new Promise<void>((resolve) => (wake = resolve));
    };
    let open: Promise<void> | undefined;
    let underWay = 0;
    let isOver = false;
    const worker = async (from: number): Promise<void> => {
      for (let i = from; !isOver; i++) {
        await open;
        underWay++;
        answers.push(await ask(app, KINDS[i % 3] as Kind, WAYS[Math.floor(i / 3) % WAYS.length] as string, client));
        underWay--;
        wake();
      }
    };
    const workers = Promise.allSettled(Array.from({ length: 9 }, async (_, i) => worker(i * 7)));
    onTestFinished(async () => {
      isOver = true;
      await workers;
    });
    return {
      async killing(names) {
        let reopen = (): void => {};
        open = new Promise((resolve) => (reopen = resolve));
        await until(() => underWay === 0);
        await kill(...names);
        await ask(app, 'base', 'turns', client);
        answers = [];
        reopen();
      },
      async next(count) {
        await until(() => answers.length >= count);
        return answers.splice(0);
      },
    };
  }

  /** The addresses of one instance, as an app keeps them. */
  const addressesOf = (name: string): Record<string, string> => ({
    CACHED: JSON.stringify(Object.fromEntries(SERVICES.map((service) => [service, instances[name]?.ports[service]]))),
  });

  test.each([
    ['called by name', undefined, ['gray-1', 'gray-2']],
    ['addresses of base that the app keeps', 'base', ['gray-1', 'gray-2']],
    ['addresses of that very replica that the app keeps', 'gray-1', ['gray-1']],
  ])('%s: nobody notices a dead replica of a lane, and base serves a dead lane', async (_, kept, gray) => {
    const app = await startCaller(kept === undefined ? {} : addressesOf(kept));
    await ask(app, 'base', 'learn', client);
    const under = load(app);
    expect(namesOf(await under.next(120))).toEqual({ base: ['base'], gray, blue: ['blue'] });
    await under.killing(['gray-1']);
    const oneLeft = await under.next(200);
    expect(namesOf(oneLeft)).toEqual({ base: ['base'], gray: ['gray-2'], blue: ['blue'] });
    await under.killing(['gray-2']);
    const noneLeft = await under.next(200);
    expect(namesOf(noneLeft)).toEqual({ base: ['base'], gray: ['base'], blue: ['blue'] });
  });

  test.each(['undici', 'undici6'])('the very first call skips dead replicas, and sends its request once (%s)', async (undici) => {
    await kill('gray-1', 'gray-2', 'blue');
    const app = await startCaller({ UNDICI: undici });
    const answers = await Promise.all(WAYS.flatMap((way) => KINDS.map((kind) => ask(app, kind, way, client))));
    expect(namesOf(answers)).toEqual({ base: ['base'], gray: ['base'], blue: ['base'] });
    expect(new Set(answers.flatMap(({ body }) => body || []))).toEqual(new Set(['sent once']));
  });

  test('calls queued for the single socket to a dead replica each reach another replica', async () => {
    const app = await startCaller();
    await ask(app, 'base', 'learn', client);
    await kill('gray-1');
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(app, 'gray', 'http through one socket', client, 12)));
    expect(namesOf(answers)).toEqual({ gray: ['gray-2'] });
  });

  test('later calls skip an instance that refused a connection', async () => {
    await kill('gray-1', 'gray-2');
    const app = await startCaller();
    expect(await ask(app, 'gray', 'http without an agent', client)).toMatchObject({ name: 'base' });
    // At once: the agent forgives a first refusal after five seconds.
    const later = await Promise.all(Array.from({ length: 9 }, () => ask(app, 'gray', 'http without an agent', client, 9)));
    expect(namesOf(later)).toEqual({ gray: ['base'] });
    const { attempts } = (await ask(app, 'base', 'attempts', client)) as unknown as { attempts: Record<string, number> };
    expect(['gray-1', 'gray-2', 'base'].map((name) => attempts[instances[name]?.ports['stock'] as number])).toEqual([1, 1, 10]);
  });

  test('a lane that is back serves its own requests at once, whatever served them in the meantime', async () => {
    await kill('gray-1', 'gray-2');
    const app = await startCaller();
    await ask(app, 'base', 'learn', client);
    const answered = async (): Promise<Record<string, string[]>> => {
      const answers: Answer[] = [];
      for (const way of WAYS) for (let i = 0; i < 5; i++) answers.push(await ask(app, 'gray', way, client));
      return namesOf(answers);
    };
    // The first call to each service connects to base instead of gray.
    expect(await answered()).toEqual({ gray: ['base'] });
    const before = ['gray-1', 'gray-2'].map((name) => [name, (instances[name] as App).ports] as const);
    for (const [, ports] of before) {
      for (const service of SERVICES) {
        await registrar.deregister({ name: service, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: ports[service] as number });
      }
    }
    await eventually(async () => {
      const { known } = (await ask(app, 'base', 'known', client)) as unknown as { known: number[] };
      expect(before.flatMap(([, ports]) => Object.values(ports)).filter((port) => known.includes(port))).toEqual([]);
    });
    for (const [name] of before) instances[name] = await startInstance(name, 'gray');
    await eventually(async () => expect(await answered()).toEqual({ gray: ['gray-1', 'gray-2'] }), IN_ITS_OWN_TIME);
  });

  test('a replica that restarted unnoticed serves its lane when the last other one dies', async () => {
    const app = await startCaller();
    await ask(app, 'base', 'learn', client);
    const { ports } = instances['gray-1'] as App;
    await kill('gray-1');
    for (let i = 0; i < 10; i++) expect(await ask(app, 'gray', 'http without an agent', client)).toMatchObject({ name: 'gray-2' });
    instances['gray-1'] = await startApp({ script: 'instance.cjs', args: ['gray-1'], load: 'none', env: { PORTS: JSON.stringify(ports) } });
    await kill('gray-2');
    for (let i = 0; i < 10; i++) expect(await ask(app, 'gray', 'http without an agent', client)).toMatchObject({ name: 'gray-1' });
  });

  test('the figures count each such call once, and none as failed', async () => {
    await kill('gray-1', 'gray-2');
    const app = await startCaller({ LANE_ADMIN_PORT: '0', LANE_LOG: 'info' });
    // A stream created while its service is being learnt counts as a call by name.
    await ask(app, 'base', 'learn', client);
    // Those of undici first: it counts its tries itself.
    for (const way of WAYS.toReversed()) expect((await ask(app, 'gray', way, client)).name).toBe('base');
    const admin = await eventually(() => {
      const [, port] = /admin port is open host=\S+ port=(\d+)/.exec(app.stderr()) ?? [];
      expect(port).toBeDefined();
      return port;
    });
    // The app may count a call just after it has answered.
    await eventually(async () => {
      const { calls } = (await (await fetch(`http://127.0.0.1:${admin}/traffic`)).json()) as TrafficReport;
      const sums = { count: 0, errors: 0 };
      for (const { tag, peer, count, errors } of calls) {
        if (tag !== 'gray' || !SERVICES.some((service) => service === peer)) continue;
        sums.count += count;
        sums.errors += errors;
      }
      expect(sums).toEqual({ count: WAYS.length, errors: 0 });
    });
  });

  test('a connection that replaces a refused one does not keep a process alive that unrefed it', async () => {
    const port = instances['base']?.ports['stock-h2'] as number;
    const known = [{ name: 'stock-h2', instances: [{ port }, { port: await freePort(), metadata: { lane: 'gray' } }] }];
    const { code, stdout } = await runApp({
      node,
      script: 'lets-go.cjs',
      preload: ['known-instances.cjs'],
      env: { KNOWN: JSON.stringify(known), PEER: `http://127.0.0.1:${port}` },
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: JSON.stringify({ name: 'base' }) });
  });

  test('without a fallback, the caller gets the connection error, and reaches the lane as soon as it is back', async () => {
    await kill('gray-1', 'gray-2');
    const app = await startCaller({ LANE_FALLBACK: 'none' });
    for (const way of WAYS) {
      for (let i = 0; i < 2; i++) {
        const { error } = await ask(app, 'gray', way, client);
        // gRPC reports the cause: a channel that takes over a connection that failed before cannot name one.
        expect(`${error?.code} ${error?.message}`).toMatch(way === 'grpc' ? /UNAVAILABLE/ : /ECONNREFUSED/);
      }
      expect((await ask(app, 'base', way, client)).name).toBe('base');
    }
    for (const name of ['gray-1', 'gray-2']) {
      const { ports } = instances[name] as App;
      instances[name] = await startApp({ script: 'instance.cjs', args: [name], load: 'none', env: { PORTS: JSON.stringify(ports) } });
    }
    for (const way of WAYS.filter((one) => one !== 'grpc')) expect((await ask(app, 'gray', way, client)).name).toMatch(/^gray-/);
    await eventually(async () => expect((await ask(app, 'gray', 'grpc', client)).name).toMatch(/^gray-/), IN_ITS_OWN_TIME);
  });

  test('lanes are kept apart from the first call on, with many concurrent calls', async () => {
    // Calls each kind in each way, in random order.
    const calls = fc.shuffledSubarray(
      Array.from({ length: 3 * 2 * WAYS.length }, (_, i) => [KINDS[i % 3], WAYS[Math.floor(i / 3) % WAYS.length]] as [Kind, string]),
      { minLength: 50 },
    );
    await fc.assert(
      fc.asyncProperty(calls, async (made) => {
        const app = await startCaller();
        const answers = await Promise.all(made.map(([kind, way]) => ask(app, kind, way, client, made.length)));
        await app.stop();
        expect(answers.filter(({ kind, name }) => name?.replace(/-\d$/, '') !== kind)).toEqual([]);
      }),
      { numRuns: 2, seed: 1 },
    );
  });

  test.each(WAYS)('the rest of the lane serves the first call to a kept address of a dead instance (%s)', async (way) => {
    const app = await startCaller(addressesOf('gray-1'));
    await ask(app, 'base', 'learn', client);
    await kill('gray-1');
    expect(await ask(app, 'gray', way, client)).toMatchObject({ name: 'gray-2' });
  });

  test.each(WAYS)('later calls do not mistake a replacement connection for the original (%s)', async (way) => {
    const app = await startCaller(addressesOf('gray-1'));
    await ask(app, 'base', 'learn', client);
    const { ports } = instances['gray-1'] as App;
    await kill('gray-1', 'gray-2');
    expect(await ask(app, 'gray', way, client)).toMatchObject({ name: 'base' });
    for (const service of SERVICES)
      await registrar.deregister({ name: service, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: ports[service] as number });
    instances['gray-1'] = await startInstance('gray-1', 'gray');
    await eventually(async () => {
      const { known } = (await ask(app, 'base', 'known', client)) as unknown as { known: number[] };
      expect(known.filter((port) => Object.values(ports).includes(port))).toHaveLength(SERVICES.length);
    });
    if (way === 'grpc') await eventually(async () => expect((await ask(app, 'gray', way, client)).name).toBe('gray-1'), IN_ITS_OWN_TIME);
    const answers = [await ask(app, 'gray', way, client), await ask(app, 'base', way, client)];
    expect(namesOf(answers)).toEqual({ gray: ['gray-1'], base: ['base'] });
  });

  test('calls to kept addresses of gone instances go to others of their lane', async () => {
    const app = await startCaller(addressesOf('gray-1'));
    await ask(app, 'base', 'learn', client);
    const { ports } = instances['gray-1'] as App;
    for (const service of SERVICES)
      await registrar.deregister({ name: service, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: ports[service] as number });
    await eventually(async () => {
      const { known } = (await ask(app, 'base', 'known', client)) as unknown as { known: number[] };
      expect(known.filter((port) => Object.values(ports).includes(port))).toEqual([]);
    });
    // It drains, and accepts no new requests; then it is dead.
    for (const then of ['kill', 'none']) {
      const answers: Answer[] = [];
      for (const way of WAYS) for (const kind of KINDS) answers.push(await ask(app, kind, way, client));
      expect(namesOf(answers)).toEqual({ base: ['base'], gray: ['gray-2'], blue: ['blue'] });
      if (then === 'kill') await kill('gray-1');
    }
  });

  test('an app that probes whether an address listens gets the true result', async () => {
    const app = await startCaller(addressesOf('gray-1'));
    await ask(app, 'base', 'learn', client);
    await kill('gray-1');
    expect((await ask(app, 'gray', 'raw', client)).error?.message).toContain('ECONNREFUSED');
  });

  test('where only lanes are corrected, the app sees the connection error of the address in its lane', async () => {
    const app = await startCaller({ ...addressesOf('gray-1'), LANE_CORRECT: 'lanes' });
    await ask(app, 'base', 'learn', client);
    await kill('gray-1');
    const port = instances['gray-1']?.ports['stock'] as number;
    for (const way of ['http', 'fetch', 'agent', 'pool'])
      expect((await ask(app, 'gray', way, client)).error?.message).toContain(`ECONNREFUSED 127.0.0.1:${port}`);
    for (const way of ['http', 'fetch', 'agent', 'pool']) expect(await ask(app, 'base', way, client)).toMatchObject({ name: 'base' });
  });

  test('calls whose destination the agent did not choose are left alone', async () => {
    const port = await freePort();
    const app = await startCaller({ CACHED: JSON.stringify({ stock: port }) });
    for (const way of ['http', 'fetch', 'agent', 'pool'])
      expect((await ask(app, 'gray', way, client)).error?.message).toContain(`ECONNREFUSED 127.0.0.1:${port}`);
  });
});
