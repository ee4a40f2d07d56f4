/**
 * NODE_USE_ENV_PROXY: what goes by the proxy has a URL in its request line that agrees with Host, or a tunnel to it, what goes directly a path.
 * Which of the two is said by the name that the app has called, not by the address of the instance that its lane leads to. Likewise undici's
 * EnvHttpProxyAgent, which fetch goes by then, and its ProxyAgent.
 */
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { listen } from '@lane/testing/ports';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, TLS_CA, type Peer } from './peer.js';
import { send, startApp, type App } from './run-app.js';

/** Answers what it is asked for, and makes tunnels: to outside, whatever for. */
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
/** What is called, who must answer, and what must be in Host. shop-b is a service behind TLS, localhost is outside for a proxy. */
type Call = readonly [url: string, by: 'proxy' | 'instance', host: string];
const CALLS: ReadonlyArray<readonly [noProxy: string, calls: readonly Call[]]> = [
  [
    NOBODY,
    [
      ['http://pay/x', 'proxy', 'pay'],
      ['http://127.0.0.1:BASE/x', 'proxy', '127.0.0.1:BASE'],
      ['https://shop-b/x', 'proxy', 'shop-b'],
      ['http://outside.internal/x', 'proxy', 'outside.internal'],
      ['https://localhost/x', 'proxy', 'localhost'],
    ],
  ],
  [
    '127.0.0.1',
    [
      ['http://pay/x', 'proxy', 'pay'],
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
const LOADED = ['nothing else', 'node:http2'] as const;

/** Node has it since 22.21 and 24.5. */
const versions = nodeVersions().filter(({ major }) => major >= 22);

test.skipIf(versions.length === 0)('these versions of Node can go by the proxy of the environment', () => {
  for (const { path } of versions) expect(execFileSync(path, ['--help'], { encoding: 'utf8' })).toContain('--use-env-proxy');
});

describe.each(versions)('$name', ({ path: node }) => {
  describe.each(LOADED.flatMap((loaded) => CALLS.map(([noProxy, calls]) => ({ loaded, noProxy, calls }))))(
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
            NODE_USE_ENV_PROXY: '1',
            HTTP_PROXY: `http://127.0.0.1:${proxyPort}`,
            HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`,
            NO_PROXY: noProxy,
            NODE_EXTRA_CA_CERTS: TLS_CA,
            WITH: loaded === 'nothing else' ? '' : loaded,
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

      // undici's ProxyAgent asks its proxy for all.
      const clients = ['http', 'fetch', 'EnvHttpProxyAgent', ...(noProxy === NOBODY ? ['ProxyAgent'] : [])];
      const trials = calls.flatMap(([url, by, host]) =>
        clients.flatMap((client) => [undefined, 'gray'].map((tag) => ({ client, url, tag, by, host }))),
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
          expect(tunnels).not.toContain(tunnel);
        } else if (seen['name'] === 'proxy') expect(seen['url']).toBe(asked);
        else {
          expect([seen['name'], seen['url']]).toEqual(['outside', '/x']);
          expect(tunnels).toContain(tunnel);
        }
        expect(seen['host']).toBe(ports(host));
      });
    },
  );
});
