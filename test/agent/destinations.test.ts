/** Where calls go: corrected addresses, resolved names, errors, and pools that are never shared between lanes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, type Peer, type Seen } from './peer.js';
import { send, startApp, type App } from './run-app.js';

type Answer = Seen & { error?: { code: string; message: string } };
type Answers = Record<string, Answer> & { lane: string | null };

const WAYS = ['http', 'fetch', 'agent', 'pool', 'client'] as const;
const GRAY = { baggage: 'lane=gray' };

let base: Peer;
let gray: Peer;
let baseTls: Peer;
let grayTls: Peer;
let other: Peer;

beforeAll(async () => {
  [base, gray, baseTls, grayTls, other] = await Promise.all([
    startPeer('base'),
    startPeer('gray'),
    startPeer('base', true),
    startPeer('gray', true),
    startPeer('other'),
  ]);
});
afterAll(async () => {
  await Promise.all([base, gray, baseTls, grayTls, other].map((peer) => peer?.close()));
});

const lane = (tag: string): { metadata: Record<string, string> } => ({ metadata: { lane: tag } });

async function ask(app: App, url: string, headers: Record<string, string> = {}, ways: readonly string[] = WAYS): Promise<Answers> {
  const { body } = await send(app.port, `/?ways=${ways.join(',')}&url=${encodeURIComponent(url)}`, headers);
  return JSON.parse(body) as Answers;
}

function namesOf(answers: Answers, ways: readonly string[] = WAYS): string[] {
  return ways.map((way) => answers[way]?.name ?? JSON.stringify(answers[way]));
}

describe.each(nodeVersions())('$name', ({ path: node }) => {
  const apps: App[] = [];
  afterAll(async () => {
    await Promise.all(apps.map((app) => app.stop()));
  });

  async function start(known: unknown, env: Record<string, string> = {}): Promise<App> {
    const app = await startApp({
      node,
      script: 'echo.cjs',
      preload: ['known-instances.cjs'],
      env: { KNOWN: JSON.stringify(known), PEER: `http://127.0.0.1:${base.port}/`, ...env },
    });
    apps.push(app);
    return app;
  }

  test('an address of the wrong lane is corrected, in both directions, for every client', async () => {
    const app = await start([{ name: 'shop-b', instances: [{ port: base.port }, { port: gray.port, ...lane('gray') }] }]);
    for (const cached of [base, gray]) {
      const url = `http://127.0.0.1:${cached.port}/`;
      const tagged = await ask(app, url, GRAY);
      expect(namesOf(tagged)).toEqual(WAYS.map(() => 'gray'));
      expect(WAYS.map((way) => tagged[way]?.baggage.join())).toEqual(WAYS.map(() => 'lane=gray'));
      expect(WAYS.map((way) => tagged[way]?.host)).toEqual(WAYS.map(() => `127.0.0.1:${gray.port}`));
      const untagged = await ask(app, url);
      expect(namesOf(untagged)).toEqual(WAYS.map(() => 'base'));
      expect(WAYS.map((way) => untagged[way]?.host)).toEqual(WAYS.map(() => `127.0.0.1:${base.port}`));
    }
  });

  test('kept-alive connections are never shared between lanes', async () => {
    const app = await start([{ name: 'shop-b', instances: [{ port: base.port }, { port: gray.port, ...lane('gray') }] }]);
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => ({
        tagged: i % 2 === 0,
        answers: await ask(app, `http://127.0.0.1:${base.port}/`, i % 2 === 0 ? GRAY : {}),
      })),
    );
    expect(answers.filter(({ tagged, answers: got }) => namesOf(got).some((name) => name !== (tagged ? 'gray' : 'base')))).toEqual([]);
  });

  test('https is corrected if the client can keep its settings', async () => {
    const app = await start([{ name: 'shop-b', instances: [{ port: baseTls.port }, { port: grayTls.port, ...lane('gray') }] }]);
    expect((await ask(app, `https://127.0.0.1:${baseTls.port}/`, GRAY, ['http']))['http']?.name).toBe('gray');
  });

  test('a service name leads to an instance of the lane, and stays in Host and in TLS', async () => {
    const app = await start(
      [
        { name: 'shop-b', instances: [{ port: base.port }, { port: gray.port, ...lane('gray') }] },
        { name: 'secure', instances: [{ port: baseTls.port }, { port: grayTls.port, ...lane('gray') }] },
      ],
      { LANE_SERVICES: 'shop-b:8080,localhost=secure' },
    );
    const tagged = await ask(app, 'http://shop-b/orders?x=1', GRAY, ['http', 'fetch', 'agent']);
    for (const way of ['http', 'fetch', 'agent'])
      expect(tagged[way]).toMatchObject({ name: 'gray', host: 'shop-b', url: '/orders?x=1', baggage: ['lane=gray'] });
    const untagged = await ask(app, 'http://shop-b/', {}, ['http', 'fetch', 'agent', 'pool']);
    expect(namesOf(untagged, ['http', 'fetch', 'agent', 'pool'])).toEqual(['base', 'base', 'base', 'base']);
    const withPort = await ask(app, 'http://SHOP-B:8080/', GRAY, ['http', 'fetch']);
    for (const way of ['http', 'fetch']) expect(withPort[way]).toMatchObject({ name: 'gray', host: 'shop-b:8080' });
    // The certificate is for localhost: verified against the name, not the address.
    expect((await ask(app, 'https://localhost/', GRAY, ['http']))['http']).toMatchObject({ name: 'gray', host: 'localhost' });
  });

  test('a redirect is resolved and corrected again', async () => {
    const app = await start([{ name: 'shop-b', instances: [{ port: base.port }, { port: gray.port, ...lane('gray') }] }], {
      LANE_SERVICES: 'shop-b',
    });
    const to = encodeURIComponent('http://shop-b/after');
    expect((await ask(app, `http://127.0.0.1:${other.port}/redirect?to=${to}`, GRAY, ['fetch']))['fetch']).toMatchObject({
      name: 'gray',
      url: expect.stringMatching(/^\/after\?/),
      baggage: ['lane=gray'],
    });
    expect((await ask(app, `http://127.0.0.1:${other.port}/redirect?to=${to}`, {}, ['fetch']))['fetch']).toMatchObject({
      name: 'base',
      url: expect.stringMatching(/^\/after\?/),
      baggage: [],
    });
  });

  test('without an instance of the lane, base serves and the tag is forwarded', async () => {
    const app = await start([{ name: 'shop-b', instances: [{ port: base.port }, { port: gray.port, healthy: false, ...lane('gray') }] }]);
    const answers = await ask(app, `http://127.0.0.1:${base.port}/`, GRAY);
    expect(WAYS.map((way) => [answers[way]?.name, answers[way]?.baggage.join()])).toEqual(WAYS.map(() => ['base', 'lane=gray']));
  });

  test('if nothing may serve, the client gets ELANE_UNAVAILABLE with service and tag', async () => {
    const strict = await start([{ name: 'shop-b', instances: [{ port: base.port }] }], { LANE_FALLBACK: 'none' });
    const refused = await ask(strict, `http://127.0.0.1:${base.port}/`, GRAY);
    for (const way of WAYS)
      expect(refused[way]?.error).toMatchObject({ code: 'ELANE_UNAVAILABLE', message: expect.stringMatching(/shop-b.*gray/) as string });
    expect((await ask(strict, `http://127.0.0.1:${base.port}/`))['http']?.name).toBe('base');

    const laneOnly = await start([{ name: 'shop-b', instances: [{ port: gray.port, ...lane('gray') }] }]);
    const empty = await ask(laneOnly, `http://127.0.0.1:${gray.port}/`);
    for (const way of WAYS)
      expect(empty[way]?.error).toMatchObject({ code: 'ELANE_UNAVAILABLE', message: expect.stringContaining('shop-b') as string });
  });

  test('lane groups: base serves a service without the lane, and each lane has its own fallback', async () => {
    const RULES = JSON.stringify({
      version: 1,
      groups: [{ name: 'shop', services: ['shop-b', 'shop-c'], lanes: [{ name: 'gray', tag: 'gray', fallback: 'none' }] }],
    });
    const app = await start(
      [
        { name: 'shop-c', instances: [{ port: base.port }] },
        { name: 'elsewhere', instances: [{ port: other.port }, { port: gray.port, ...lane('gray') }] },
      ],
      { RULES },
    );
    expect((await ask(app, `http://127.0.0.1:${base.port}/`, GRAY, ['http']))['http']?.error?.code).toBe('ELANE_UNAVAILABLE');
    const answer = (await ask(app, `http://127.0.0.1:${gray.port}/`, GRAY, ['http']))['http'];
    expect([answer?.name, answer?.baggage]).toEqual(['other', ['lane=gray']]);
  });

  test('unknown addresses and names are left alone', async () => {
    const app = await start([{ name: 'shop-b', instances: [{ port: base.port }] }], { LANE_SERVICES: 'shop-b,never-heard-of.invalid' });
    expect(namesOf(await ask(app, `http://127.0.0.1:${other.port}/`, GRAY))).toEqual(WAYS.map(() => 'other'));
    const unknown = await ask(app, 'http://never-heard-of.invalid/', GRAY, ['http', 'fetch']);
    expect(['http', 'fetch'].map((way) => unknown[way]?.error?.code)).toEqual(['ENOTFOUND', 'ENOTFOUND']);
  });

  test('nothing was logged', () => expect(apps.map((app) => app.stderr()).join('')).toBe(''));
});
