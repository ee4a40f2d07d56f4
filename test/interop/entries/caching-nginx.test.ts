/**
 * nginx with a cache in front of the gateway. It caches answers by URL and by the headers in `Vary`: no lane may get another lane's
 * answer, and cacheable answers are cached.
 */
import { createServer, get, type IncomingHttpHeaders, type Server } from 'node:http';
import { freePort, listen } from '@lane/testing/ports';
import { rulesOf, shopGroup } from '@lane/testing';
import type { Instance, Registry } from '@lane/core/model';
import type { EntryRule, Lane } from '@lane/core/rules';
import { startGateway, type GatewayOptions } from '@lane/gateway';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { startNginx } from './nginx.js';

const { registryOf } = require('../../servers/fixed-registry.cjs') as { registryOf(service: string, instances: readonly Instance[]): Registry };

const SERVICE = 'web';
const GATEWAY = 'lane-gateway';

let asked: string[] = [];
const servers: Server[] = [];
const instances: Instance[] = [];
beforeAll(async () => {
  for (const lane of ['base', 'gray']) {
    const server = createServer((request, response) => {
      asked.push(`${lane} ${request.url}`);
      response.writeHead(200, { 'cache-control': 'max-age=60' }).end(lane);
    });
    servers.push(server);
    const metadata = lane === 'base' ? {} : { lane };
    instances.push({ ip: '127.0.0.1', port: await listen(server), healthy: true, enabled: true, weight: 1, metadata } as Instance);
  }
});
afterAll(() => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});
beforeEach(() => void (asked = []));

/** A cache in front of a gateway. */
async function startCache(lane: Partial<Lane>, more: Partial<GatewayOptions> = {}, known = instances): Promise<number> {
  const registry = registryOf(SERVICE, known);
  const rules = rulesOf(shopGroup([SERVICE], GATEWAY, [{ name: 'gray', tag: 'gray', ...lane }]));
  const gateway = await startGateway({
    port: 0,
    registry,
    entry: 'rules',
    rules,
    service: GATEWAY,
    routes: [{ host: '*', service: SERVICE }],
    ...more,
  });
  onTestFinished(() => gateway.close(0));
  await gateway.ready();
  const port = await freePort();
  const nginx = await startNginx(
    `proxy_cache_path cache keys_zone=answers:1m;
    server { listen 127.0.0.1:${port}; location / {
      proxy_pass http://127.0.0.1:${gateway.port}; proxy_set_header Host $http_host; proxy_http_version 1.1;
      proxy_cache answers; proxy_cache_valid any 60s; add_header x-cache $upstream_cache_status always;
    } }`,
    port,
  );
  onTestFinished(() => nginx.stop());
  return port;
}

function ask(port: number, headers: Record<string, string> = {}): Promise<{ status: number; body: string; headers: IncomingHttpHeaders }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: '/page', headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
    }).on('error', reject);
  });
}

const rule = (match: NonNullable<EntryRule['match']>): EntryRule => ({ name: 'r', match });
const CASES: ReadonlyArray<[how: string, lane: Partial<Lane>, gray: Record<string, string>, more?: Partial<GatewayOptions>]> = [
  ['a header', { rules: [rule({ header: 'x-user', exact: 'a' })] }, { 'x-user': 'a' }],
  ['a cookie', { rules: [rule({ cookie: 'release', exact: 'gray' })] }, { cookie: 'release=gray' }],
  ['the tag of a trusted peer', {}, { baggage: 'lane=gray' }, { trust: 'all' }],
];

test.each(CASES)('by %s: each lane gets its own answer, the second time from the cache', async (_, lane, gray, more) => {
  const port = await startCache(lane, more);
  const answers: string[] = [];
  for (const headers of [gray, {}, gray, {}]) answers.push((await ask(port, headers)).body);
  expect(answers).toEqual(['gray', 'base', 'gray', 'base']);
  expect(asked).toEqual(['gray /page', 'base /page']);
});

test('by a percentage without a header: nothing is cached', async () => {
  const port = await startCache({ rules: [{ name: 'half', percent: 50 }] });
  for (let i = 0; i < 4; i++) expect((await ask(port)).headers['x-cache']).toBe('MISS');
  expect(asked).toHaveLength(4);
});

test('base does not get the cached error of a lane without instances', async () => {
  const port = await startCache({ fallback: 'none', rules: [rule({ header: 'x-user', exact: 'a' })] }, {}, instances.slice(0, 1));
  expect((await ask(port, { 'x-user': 'a' })).status).toBe(503);
  expect(await ask(port)).toMatchObject({ status: 200, body: 'base' });
});
