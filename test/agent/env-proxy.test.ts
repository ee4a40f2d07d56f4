/**
 * NODE_USE_ENV_PROXY and http.setGlobalProxyFromEnv: a call through the proxy has a URL in its request line that agrees with Host, or a tunnel to
 * it; a direct call has a path. The name that the app called decides between the two, not the address of the instance in its lane. Calls to known internal
 * instances bypass the proxy. The same holds for undici's EnvHttpProxyAgent, which fetch then uses. Its ProxyAgent sends everything through its proxy.
 */
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { listen } from '@lane/testing/ports';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, TLS_CA, type Peer } from './peer.js';
import { send, startApp, type App } from './run-app.js';

/** Answers with what it was asked for, and opens tunnels, always to the outside server. */
const proxy = http.createServer((request, response) => {
  const { url, headers } = request;
  response.end(JSON.stringify({ name: 'proxy', url, host: headers.host, baggage: [headers.baggage].flat() }));
});
let tunnels: string[] = [];
proxy.on('connect', (request, socket: net.Socket) => {
  tunnels.push(request.url ?? '');
  const to = net.connect(request.url?.endsWith(':443') === true ? outsideTls.port : outside.port, '127.0.0.1');
  socket.write('HTTP/1.1 200 OK\r\n\r\n');
  socket.pipe(to).pipe(socket);
  socket.on('error', () => to.destroy());
  to.on('error', () => socket.destroy());
});
let proxyPort: number;
let base: Peer;
let gray: Peer;
let baseTls: Peer;
let grayTls: Peer;
let outside: Peer;
let outsideTls: Peer;
const peers = (): Peer[] => [base, gray, baseTls, grayTls, outside, outsideTls];
beforeAll(async () => {
  [proxyPort, base, gray, baseTls, grayTls, outside, outsideTls] = await Promise.all([
    listen(proxy),
    startPeer('base'),
    startPeer('gray'),
    startPeer('base', true),
    startPeer('gray', true),
    startPeer('outside'),
    startPeer('outside', true),
  ]);
});
afterAll(() => {
  proxy.close();
  proxy.closeAllConnections();
  return Promise.all(peers().map((peer) => peer?.close()));
});

const NOBODY = 'nobody.example';
/** What to call, who must answer, and what Host must be. shop-b is a service behind TLS; localhost counts as outside for a proxy. */
type Call = readonly [url: string, by: 'proxy' | 'instance', host: string];
const CALLS: ReadonlyArray<readonly [noProxy: string, calls: readonly Call[]]> = [
  [
    NOBODY,
    [
      ['http://pay/x', 'instance', 'pay'],
      ['http://127.0.0.1:BASE/x', 'instance', '127.0.0.1:INSTANCE'],
      ['https://shop-b/x', 'instance', 'shop-b'],
      ['http://outside.internal/x', 'proxy', 'outside.internal'],
      ['https://localhost/x', 'proxy', 'localhost'],
    ],
  ],
  [
    '127.0.0.1',
    [
      ['http://pay/x', 'instance', 'pay'],
      ['http://127.0.0.1:BASE/x', 'instance', '127.0.0.1:INSTANCE'],
    ],
  ],
  [
    'pay,shop-b',
    [
      ['http://pay/x', 'instance', 'pay'],
      ['https://shop-b/x', 'instance', 'shop-b'],
      ['http://outside.internal/x', 'proxy', 'outside.internal'],
      ['https://localhost/x', 'proxy', 'localhost'],
    ],
  ],
];
const LOADED = ['nothing else', 'node:http2', 'http.setGlobalProxyFromEnv'] as const;

/** In Node since 22.21 and 24.5. */
const versions = nodeVersions().filter(({ major }) => major >= 22);

test.skipIf(versions.length === 0)('these versions of Node support a proxy from the environment', () => {
  for (const { path } of versions) expect(execFileSync(path, ['--help'], { encoding: 'utf8' })).toContain('--use-env-proxy');
});

describe.each(versions)('$name', ({ path: node, major }) => {
  const loadable = LOADED.filter((loaded) => loaded !== 'http.setGlobalProxyFromEnv' || major >= 24);
  describe.each(loadable.flatMap((loaded) => CALLS.map(([noProxy, calls]) => ({ loaded, noProxy, calls }))))(
    'with $loaded loaded, NO_PROXY=$noProxy',
    ({ loaded, noProxy, calls }) => {
      let app: App;
      beforeAll(async () => {
        tunnels = [];
        const known = ([first, second]: readonly Peer[]): object[] => [
          { port: first?.port, metadata: {} },
          { port: second?.port, metadata: { lane: 'gray' } },
        ];
        app = await startApp({
          node,
          script: 'env-proxy.cjs',
          preload: ['known-instances.cjs'],
          env: {
            ...(loaded === 'http.setGlobalProxyFromEnv' ? { SET_GLOBAL_PROXY: '1' } : { NODE_USE_ENV_PROXY: '1' }),
            HTTP_PROXY: `http://127.0.0.1:${proxyPort}`,
            HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`,
            NO_PROXY: noProxy,
            NODE_EXTRA_CA_CERTS: TLS_CA,
            WITH: loaded === 'node:http2' ? loaded : '',
            LANE_SERVICES: 'pay,shop-b',
            KNOWN: JSON.stringify([
              { name: 'pay', instances: known([base, gray]) },
              { name: 'shop-b', instances: known([baseTls, grayTls]) },
            ]),
          },
        });
      });
      afterAll(() => app?.stop());
      afterEach(() => expect(app.stderr()).toBe(''));

      const clients = ['http', 'fetch', 'EnvHttpProxyAgent', ...(noProxy === NOBODY ? ['ProxyAgent'] : [])];
      const trials = calls.flatMap(([url, by, host]) =>
        clients.flatMap((client) => [undefined, 'gray'].map((tag) => ({ client, url, tag, by: client === 'ProxyAgent' ? 'proxy' : by, host }))),
      );
      test.each(trials)('$client of $url, lane $tag: by $by', async ({ client, url, tag, by, host }) => {
        const instance = tag ?? 'base';
        const ports = (text: string): string =>
          text.replace('BASE', String(base.port)).replace('INSTANCE', String(instance === 'gray' ? gray.port : base.port));
        const asked = ports(url);
        const headers = tag === undefined ? {} : { baggage: `lane=${tag}` };
        const { body } = await send(app.port, `/?client=${client}&url=${encodeURIComponent(asked)}`, headers);
        const seen = JSON.parse(body) as Record<string, unknown>;
        expect([seen['baggage']].flat().filter((line) => line !== null)).toEqual(tag === undefined ? [] : [`lane=${tag}`]);
        const { hostname, port, protocol } = new URL(asked);
        const tunnel = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;
        if (by === 'instance') {
          expect([seen['name'], seen['url']]).toEqual([instance, '/x']);
          if (noProxy !== NOBODY) expect(tunnels).not.toContain(tunnel);
        } else if (seen['name'] === 'proxy') expect(seen['url']).toBe(asked);
        else {
          expect([seen['name'], seen['url']]).toEqual(['outside', '/x']);
          expect(tunnels).toContain(tunnel);
        }
        // Through a proxy, a call to an address goes as the app wrote it.
        expect(seen['host']).toBe(by === 'proxy' && url.includes('BASE') ? `127.0.0.1:${base.port}` : ports(host));
      });
    },
  );

  describe('without a known service', () => {
    let app: App;
    beforeAll(async () => {
      tunnels = [];
      const url = `http://127.0.0.1:${proxyPort}`;
      app = await startApp({
        node,
        script: 'env-proxy.cjs',
        env: { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: NOBODY, NODE_EXTRA_CA_CERTS: TLS_CA },
      });
    });
    afterAll(() => app?.stop());
    const ask = async (client: string, url: string): Promise<Record<string, unknown>> =>
      JSON.parse((await send(app.port, `/?client=${client}&url=${encodeURIComponent(url)}`, {})).body) as Record<string, unknown>;

    test.each(['http', 'fetch', 'EnvHttpProxyAgent'])('%s uses the proxy', async (client) => {
      if (client === 'http')
        expect(await ask(client, 'http://outside.internal/x')).toMatchObject({ name: 'proxy', url: 'http://outside.internal/x' });
      expect(await ask(client, 'https://localhost/x')).toMatchObject({ name: 'outside', url: '/x' });
      expect(tunnels.splice(0)).toEqual(['localhost:443']);
    });

    test('one agent sends directly what another sends through the proxy', async () => {
      const url = `http://127.0.0.1:${outside.port}/x`;
      for (let turn = 0; turn < 2; turn++) {
        expect(await ask('own-agent', url)).toMatchObject({ name: 'proxy', url });
        expect(await ask('direct-agent', url)).toMatchObject({ name: 'outside', url: '/x' });
      }
    });
  });

  describe('a service whose name looks like an outside host', () => {
    let nacos: EmbeddedNacos;
    let registrar: NacosConnection;
    beforeAll(async () => {
      nacos = await startEmbeddedNacos({ port: 0, grpcPort: false });
      registrar = connectNacos({ server: nacos.address });
      await registrar.register({ name: 'pay', group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: base.port, metadata: {} });
    });
    afterAll(async () => {
      await registrar?.close();
      await nacos?.close();
    });

    test.each(['http', 'fetch', 'EnvHttpProxyAgent'])(
      '%s: its first call, too, goes to an instance, and none goes by the proxy for lack of one',
      async (client) => {
        const url = `http://127.0.0.1:${proxyPort}`;
        const app = await startApp({
          node,
          script: 'env-proxy.cjs',
          env: {
            ...{ NODE_USE_ENV_PROXY: '1', HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: NOBODY },
            ...{ LANE_NACOS_SERVER: nacos.address, LANE_SERVICES: 'pay.corp.example=pay', LANE_FALLBACK: 'none' },
          },
        });
        const ask = async (headers: Record<string, string>): Promise<unknown> =>
          JSON.parse((await send(app.port, `/?client=${client}&url=${encodeURIComponent('http://pay.corp.example/x')}`, headers)).body);
        try {
          for (let call = 0; call < 2; call++) expect(await ask({})).toMatchObject({ name: 'base', url: '/x', host: 'pay.corp.example' });
          expect(await ask({ baggage: 'lane=blue' })).toMatchObject({ failed: expect.stringContaining('ELANE_UNAVAILABLE') as string });
        } finally {
          await app.stop();
        }
      },
    );
  });
});
