/** What routes and rules see of a path, what caches are told of the choice, and where a request goes whose lane can't be reached. */
import { describe, expect, test } from 'vitest';
import type { EntryRule, Lane } from '@lane/core/rules';
import type { Gateway, GatewayRoute } from '../index.js';
import {
  ask,
  echoSockets,
  grayLane,
  newService,
  registerDead,
  rulesOf,
  see,
  startBackend,
  startReadyGateway,
  upgrade,
  useNacos,
} from '../testing/support.js';

useNacos();

async function withLanes(lanes: readonly Lane[], more: { route?: Partial<GatewayRoute>; trust?: 'all' } = {}): Promise<Gateway> {
  const service = newService();
  await startBackend(service, 'base');
  await startBackend(service, 'gray', { tag: 'gray' });
  const { trust } = more;
  return startReadyGateway({
    routes: [{ host: '*', service, ...more.route }],
    entry: 'rules',
    rules: rulesOf(service, lanes),
    ...(trust === undefined ? {} : { trust }),
  });
}

describe('a path is matched in normal form, and arrives unchanged,', () => {
  const SPELLINGS = [
    '/admin',
    '/admin/',
    '/admin/x?y=/../z',
    '//admin',
    '///admin//x',
    '/./admin',
    '/x/../admin',
    '/x/%2e%2e/admin',
    '/x/%2E./admin',
    '/%2e/admin',
    '/%61dmin',
    '/%61%64%6D%69%6e',
    '/..//../admin',
    '/x/..\\admin',
    '/x/..;/admin',
    '/x/%2e%2e;a=b/.;/admin',
    '\\admin'.replace('\\', '/\\'),
  ];
  const OTHERS = ['/administrator', '/x/admin', '/admin/../x', '/%2561dmin', '/x%2F..%2Fadmin', '/x;/../x/admin', '/?/../admin', '/admin%2Fx'];

  test.each([
    ['by an entry rule', 'gray'],
    ['by a route', 'admin'],
  ])('%s', async (how, wanted) => {
    const admin = newService();
    await startBackend(admin, 'admin');
    const gateway =
      how === 'by a route'
        ? await startReadyGateway({
            routes: [
              { host: '*', path: '/admin', service: admin },
              { host: '*', service: await baseOnly() },
            ],
          })
        : await withLanes([grayLane({ rules: [{ name: 'admin', match: { path: { prefix: '/admin' } } }] })]);
    for (const path of SPELLINGS) expect(await see(gateway, { path }), path).toMatchObject({ backend: wanted, url: path });
    for (const path of OTHERS) {
      // A prefix of rules is one of characters, that of a route one of segments.
      if (how === 'by an entry rule' && path.startsWith('/admin') && path !== '/admin/../x') continue;
      expect(await see(gateway, { path }), path).toMatchObject({ backend: 'base', url: path });
    }
  });

  async function baseOnly(): Promise<string> {
    const service = newService();
    await startBackend(service, 'base');
    return service;
  }
});

describe('Vary', () => {
  const match = (...all: NonNullable<EntryRule['match']>[]): EntryRule => ({ name: 'r', match: { all } });
  test.each<[string, EntryRule[], string | undefined]>([
    ['nothing where host, path, method and query decide', [{ name: 'r', match: { host: { exact: 'www.example.com' } } }], undefined],
    ['the headers that rules look at', [match({ header: 'x-user', exact: 'a' }, { not: { header: 'X-Region', exact: 'b' } })], 'x-user, x-region'],
    ['cookie', [{ name: 'r', match: { cookie: 'release', exact: 'gray' } }], 'cookie'],
    ['* for an address', [{ name: 'r', match: { clientIp: { in: ['10.0.0.0/8'] } } }], '*'],
    ['* for a share', [{ name: 'r', match: { header: 'x', exact: '1' }, percent: 50 }], '*'],
  ])('names %s', async (_what, rules, wanted) => {
    const gateway = await withLanes([grayLane({ rules })]);
    expect((await ask(gateway)).headers.vary).toBe(wanted);
    expect((await ask(gateway, { method: 'HEAD' })).headers.vary).toBe(wanted);
    // Answers to others are not kept.
    expect((await ask(gateway, { method: 'POST' })).headers.vary).toBeUndefined();
  });

  test('names the lane’s headers if the peer is trusted, the headers of canaries, and those that current rules examine', async () => {
    const trusted = await withLanes([grayLane()], { trust: 'all' });
    expect((await ask(trusted)).headers.vary).toBe('baggage');
    const rules: EntryRule[] = [{ name: 'canary', match: { header: 'x-canary', exact: '1' } }];
    const gateway = await withLanes([grayLane()], { route: { canaries: [{ target: { service: newService() }, rules }] } });
    expect((await ask(gateway)).headers.vary).toBe('x-canary');
    gateway.setRules(rulesOf(newService(), [grayLane({ rules: [{ name: 'r', match: { header: 'x-later', exact: '1' } }] })]));
    expect((await ask(gateway)).headers.vary).toBe('x-canary, x-later');
  });

  test('is added to that of the instance, which is kept', async () => {
    const service = newService();
    const own: string[] = [];
    await startBackend(service, 'base', { listener: (_request, response) => response.setHeader('vary', own).end() });
    const rules = rulesOf(service, [grayLane({ rules: [match({ header: 'x-user', exact: 'a' })] })]);
    const gateway = await startReadyGateway({ routes: [{ host: '*', service }], entry: 'rules', rules });
    for (const [given, wanted] of [
      [['Accept'], 'Accept, x-user'],
      [['X-User'], 'X-User'],
      [['*'], '*'],
      [['a', 'b'], 'a, b, x-user'],
    ] as Array<[string[], string]>) {
      own.splice(0, own.length, ...given);
      expect((await ask(gateway)).headers.vary).toBe(wanted);
    }
  });
});

describe('a lane whose instances refuse connections, though they are listed,', () => {
  async function deadLane(lane: Partial<Lane>, count: number): Promise<{ gateway: Gateway; sockets: unknown[] }> {
    const service = newService();
    const base = await startBackend(service, 'base');
    const sockets = echoSockets(base);
    for (let i = 0; i < count; i++) await registerDead(service, { metadata: { lane: 'gray' } });
    const rules = rulesOf(service, [grayLane(lane)]);
    return { gateway: await startReadyGateway({ routes: [{ host: '*', service }], entry: 'rules', rules }), sockets };
  }

  test.each([1, 3])('falls back to base if allowed, with its body and its tag: %s instances', async (count) => {
    const { gateway, sockets } = await deadLane({ fallback: 'base' }, count);
    const seen = await see(gateway, { method: 'POST', body: 'once' });
    expect(seen).toMatchObject({ backend: 'base', body: 'once', headers: { baggage: 'lane=gray' } });
    expect((await upgrade(gateway)).answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(sockets).toHaveLength(1);
  });

  test('answers 502 if not, and base is not asked', async () => {
    const { gateway, sockets } = await deadLane({ fallback: 'none' }, 2);
    expect((await ask(gateway, { method: 'POST', body: 'once' })).status).toBe(502);
    expect((await upgrade(gateway)).answer).toMatch(/^HTTP\/1\.1 502 /);
    expect(sockets).toHaveLength(0);
  });
});
