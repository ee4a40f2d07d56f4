/** NODE_USE_ENV_PROXY: what goes by the proxy has a URL in its request line that agrees with Host, what goes directly a path. */
import http from 'node:http';
import { listen } from '@lane/testing/ports';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, type Peer } from './peer.js';
import { send, startApp } from './run-app.js';

const proxy = http.createServer((request, response) => {
  const { url, headers } = request;
  response.end(JSON.stringify({ name: 'proxy', url, host: headers.host, baggage: [headers.baggage].flat() }));
});
let proxyPort: number;
let base: Peer;
let gray: Peer;
beforeAll(async () => {
  [proxyPort, base, gray] = await Promise.all([listen(proxy), startPeer('base'), startPeer('gray')]);
});
afterAll(() => {
  proxy.close();
  proxy.closeAllConnections();
  return Promise.all([base?.close(), gray?.close()]);
});

const NOBODY = 'nobody.example';
/** NO_PROXY, what is called, who must answer and what must be in Host; a tag that is there goes along. */
const CALLS: ReadonlyArray<[noProxy: string, url: string, tag: string | undefined, by: string, host: string]> = [
  [NOBODY, 'http://pay/x', undefined, 'proxy', 'pay'],
  [NOBODY, 'http://pay/x', 'gray', 'proxy', 'pay'],
  [NOBODY, 'http://127.0.0.1:BASE/x', 'gray', 'proxy', '127.0.0.1:BASE'],
  ['127.0.0.1', 'http://pay/x', 'gray', 'proxy', 'pay'],
  ['127.0.0.1', 'http://127.0.0.1:BASE/x', undefined, 'base', '127.0.0.1:BASE'],
  ['127.0.0.1', 'http://127.0.0.1:BASE/x', 'gray', 'gray', '127.0.0.1:GRAY'],
  ['pay', 'http://pay/x', undefined, 'base', 'pay'],
  ['pay', 'http://pay/x', 'gray', 'gray', 'pay'],
];

describe.each(nodeVersions().filter(({ major }) => major >= 22))('$name', ({ path: node }) => {
  test.each(CALLS)('NO_PROXY=%s, %s, %s', async (NO_PROXY, url, tag, by, host) => {
    const known = [
      { port: base.port, metadata: {} },
      { port: gray.port, metadata: { lane: 'gray' } },
    ];
    const app = await startApp({
      node,
      script: 'env-proxy.cjs',
      preload: ['known-instances.cjs'],
      env: {
        NODE_USE_ENV_PROXY: '1',
        HTTP_PROXY: `http://127.0.0.1:${proxyPort}`,
        NO_PROXY,
        LANE_SERVICES: 'pay',
        KNOWN: JSON.stringify([{ name: 'pay', instances: known }]),
      },
    });
    const ports = (text: string): string => text.replace('BASE', String(base.port)).replace('GRAY', String(gray.port));
    try {
      const headers = tag === undefined ? {} : { baggage: `lane=${tag}` };
      const seen = JSON.parse((await send(app.port, `/?url=${encodeURIComponent(ports(url))}`, headers)).body) as Record<string, unknown>;
      expect(seen).toMatchObject({ name: by, host: ports(host), url: by === 'proxy' ? ports(url) : '/x' });
      expect([seen['baggage']].flat().filter((line) => line !== null)).toEqual(tag === undefined ? [] : [`lane=${tag}`]);
    } finally {
      await app.stop();
    }
  });
});
