/** Instances that are registered and gone: what refuses a connection is tried elsewhere, before anybody notices. */
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
const headersOf = (kind: Kind): Record<string, string> => (kind === 'base' ? {} : { baggage: `lane=${kind}` });

interface Answer {
  readonly way: string;
  readonly kind: Kind;
  readonly name?: string;
  readonly body?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** `together`: the app makes its call once it has so many to make. */
async function ask(app: App, kind: Kind, way: string, agent: http.Agent, together = 1): Promise<Answer> {
  const { body } = await send(app.port, `/?way=${encodeURIComponent(way)}&together=${together}`, headersOf(kind), agent);
  return { kind, way, ...(JSON.parse(body) as object) };
}

/** What each kind was answered by, of each way; right is one name a kind. */
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
  const startInstance = (name: string, tag: string | undefined, ports: Readonly<Record<string, number>> = {}): Promise<App> =>
    startRegisteredInstance(registrar, SERVICES, name, tag === undefined ? {} : { lane: tag }, { PORTS: JSON.stringify(ports) });

  beforeEach(async () => {
    // Who registers is not who serves: what dies stays registered.
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

  /** Load of three kinds in all ways, until the test ends. While replicas are killed nothing is under way: what was sent is lost with them. */
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

  test.each([
    ['called by name', false],
    ['addresses of base that the app keeps', true],
  ])('%s: a dead replica of a lane is not noticed, a dead lane is served by base', async (_, isCached) => {
    const cached = Object.fromEntries(SERVICES.map((service) => [service, instances['base']?.ports[service]]));
    const app = await startCaller(isCached ? { CACHED: JSON.stringify(cached) } : {});
    await ask(app, 'base', 'learn', client);
    const under = load(app);
    expect(namesOf(await under.next(120))).toEqual({ base: ['base'], gray: ['gray-1', 'gray-2'], blue: ['blue'] });
    await under.killing(['gray-1']);
    const oneLeft = await under.next(200);
    expect(namesOf(oneLeft)).toEqual({ base: ['base'], gray: ['gray-2'], blue: ['blue'] });
    await under.killing(['gray-2']);
    const noneLeft = await under.next(200);
    expect(namesOf(noneLeft)).toEqual({ base: ['base'], gray: ['base'], blue: ['blue'] });
  });

  test.each(['undici', 'undici6'])('a call made first of all finds its way past dead replicas, and sends what it has once (%s)', async (undici) => {
    await kill('gray-1', 'gray-2', 'blue');
    const app = await startCaller({ UNDICI: undici });
    const answers = await Promise.all(WAYS.flatMap((way) => KINDS.map((kind) => ask(app, kind, way, client))));
    expect(namesOf(answers)).toEqual({ base: ['base'], gray: ['base'], blue: ['base'] });
    expect(new Set(answers.flatMap(({ body }) => body || []))).toEqual(new Set(['sent once']));
  });

  test('calls that wait for the one socket to a dead replica find their way one by one', async () => {
    const app = await startCaller();
    await ask(app, 'base', 'learn', client);
    await kill('gray-1');
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(app, 'gray', 'http through one socket', client, 12)));
    expect(namesOf(answers)).toEqual({ gray: ['gray-2'] });
  });

  test('who has refused is not asked again by the calls that follow', async () => {
    await kill('gray-1', 'gray-2');
    const app = await startCaller();
    for (let i = 0; i < 10; i++) expect(await ask(app, 'gray', 'http without an agent', client)).toMatchObject({ name: 'base' });
    const { attempts } = (await ask(app, 'base', 'attempts', client)) as unknown as { attempts: Record<string, number> };
    expect(['gray-1', 'gray-2', 'base'].map((name) => attempts[instances[name]?.ports['stock'] as number])).toEqual([1, 1, 10]);
  });

  test('a lane that is back is served by itself at once, whatever served it meanwhile', async () => {
    await kill('gray-1', 'gray-2');
    const app = await startCaller();
    await ask(app, 'base', 'learn', client);
    const answered = async (): Promise<Record<string, string[]>> => {
      const answers: Answer[] = [];
      for (const way of WAYS) for (let i = 0; i < 5; i++) answers.push(await ask(app, 'gray', way, client));
      return namesOf(answers);
    };
    // The first of each service is connected to base in the place of gray.
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
    for (const [name, ports] of before) instances[name] = await startInstance(name, 'gray', ports);
    await eventually(async () => expect(await answered()).toEqual({ gray: ['gray-1', 'gray-2'] }));
  });

  test('figures have each such call once, and as none that failed', async () => {
    await kill('gray-1', 'gray-2');
    const app = await startCaller({ LANE_ADMIN_PORT: '0', LANE_LOG: 'info' });
    // A stream that is made while its service is being learnt is counted as one to a name.
    await ask(app, 'base', 'learn', client);
    // Those of undici first, whose tries it counts itself.
    for (const way of WAYS.toReversed()) expect((await ask(app, 'gray', way, client)).name).toBe('base');
    const [, admin] = /admin port is open host=\S+ port=(\d+)/.exec(app.stderr()) ?? [];
    const { calls } = (await (await fetch(`http://127.0.0.1:${admin}/traffic`)).json()) as TrafficReport;
    const sums = { count: 0, errors: 0 };
    for (const { tag, peer, count, errors } of calls) {
      if (tag !== 'gray' || !SERVICES.some((service) => service === peer)) continue;
      sums.count += count;
      sums.errors += errors;
    }
    expect(sums).toEqual({ count: WAYS.length, errors: 0 });
  });

  test('a connection made in the place of a refused one keeps no process alive that has let go of it', async () => {
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

  test('without a fallback, the caller gets the error of the connection, and the lane as soon as it is back', async () => {
    await kill('gray-1', 'gray-2');
    const app = await startCaller({ LANE_FALLBACK: 'none' });
    for (const way of WAYS) {
      for (let i = 0; i < 2; i++) {
        const { error } = await ask(app, 'gray', way, client);
        // The cause is gRPC's to tell: a channel that takes over a connection which had failed before has none to name.
        expect(`${error?.code} ${error?.message}`).toMatch(way === 'grpc' ? /UNAVAILABLE/ : /ECONNREFUSED/);
      }
      expect((await ask(app, 'base', way, client)).name).toBe('base');
    }
    for (const name of ['gray-1', 'gray-2']) {
      const { ports } = instances[name] as App;
      instances[name] = await startApp({ script: 'instance.cjs', args: [name], load: 'none', env: { PORTS: JSON.stringify(ports) } });
    }
    // A channel of gRPC connects again in its own time.
    for (const way of WAYS.filter((one) => one !== 'grpc')) expect((await ask(app, 'gray', way, client)).name).toMatch(/^gray-/);
    await eventually(async () => expect((await ask(app, 'gray', 'grpc', client)).name).toMatch(/^gray-/));
  });

  test('lanes are kept apart from the first call on, however many come at once', async () => {
    // Each kind is called in each way, and by whom first is up to chance.
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
      { numRuns: 2 },
    );
  });

  test('calls that the agent did not choose the destination of are left alone', async () => {
    const port = await freePort();
    const app = await startCaller({ CACHED: JSON.stringify({ stock: port }) });
    for (const way of ['http', 'fetch', 'agent', 'pool'])
      expect((await ask(app, 'gray', way, client)).error?.message).toContain(`ECONNREFUSED 127.0.0.1:${port}`);
  });
});
