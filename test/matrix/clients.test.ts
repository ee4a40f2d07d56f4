/**
 * Clients. An app gets 51 concurrent requests of three kinds (two tags and none), with late bodies. It calls a peer in each
 * form that the library has, in two waves, so that the second finds kept-alive connections of other lanes. For each call:
 * - direct: the tag is written, the app's own baggage is kept, and there is exactly one line of it;
 * - name: a service name leads to an instance of the lane, and stays the name in `Host`;
 * - address: the address of an instance of the wrong lane leads to one of the right lane;
 * - redirect, retry: those that the library does by itself, if it does.
 * With TLS, the server name stays the service's.
 */
import { afterAll, beforeAll, expect } from 'vitest';
import type { NodeVersion } from '../agent/nodes.js';
import type { Seen } from '../agent/peer.js';
import { openRequest, send, startApp, type App } from '../agent/run-app.js';
import { startInstances, type Instances, type Scheme, type Tag } from './instances.js';
import { matrix, NODES, type NodeMajor, type Row } from './table.js';

interface ClientRow extends Row {
  /** In apps/clients. */
  readonly app: string;
}

const OLD_NODE = (needed: string): Partial<Record<NodeMajor, string>> => ({ 20: `needs Node ${needed} or later` });

const ROWS: readonly ClientRow[] = [
  { name: 'node:http', app: 'http.cjs' },
  { name: 'node:https', app: 'https.cjs' },
  { name: 'global fetch', app: 'fetch.mjs' },
  { name: 'undici 6', dependency: 'undici6', app: 'undici6.cjs' },
  { name: 'undici 7', dependency: 'undici7', app: 'undici7.cjs' },
  { name: 'undici 8', dependency: 'undici8', app: 'undici8.cjs', not: OLD_NODE('22.19') },
  { name: 'undici 7, HTTP/2', dependency: 'undici7', app: 'undici7-h2.cjs' },
  { name: 'undici 8, HTTP/2', dependency: 'undici8', app: 'undici8-h2.cjs', not: OLD_NODE('22.19') },
  { name: 'axios', dependency: 'axios', app: 'axios.cjs' },
  { name: 'got 11', dependency: 'got11', app: 'got11.cjs' },
  { name: 'got 12', dependency: 'got12', app: 'got12.mjs' },
  { name: 'got 13', dependency: 'got13', app: 'got13.mjs' },
  { name: 'got 14', dependency: 'got14', app: 'got14.mjs' },
  { name: 'got 16', dependency: 'got', app: 'got.mjs', not: OLD_NODE('22') },
  { name: 'got 11, HTTP/2', dependency: 'got11', app: 'got11-h2.cjs' },
  { name: 'got 12, HTTP/2', dependency: 'got12', app: 'got12-h2.mjs' },
  { name: 'got 13, HTTP/2', dependency: 'got13', app: 'got13-h2.mjs' },
  { name: 'got 14, HTTP/2', dependency: 'got14', app: 'got14-h2.mjs' },
  { name: 'http2-wrapper', dependency: 'http2-wrapper', app: 'http2-wrapper.cjs' },
  { name: 'node-fetch 2', dependency: 'node-fetch2', app: 'node-fetch2.cjs' },
  { name: 'node-fetch 3', dependency: 'node-fetch', app: 'node-fetch.mjs' },
  { name: 'superagent', dependency: 'superagent', app: 'superagent.cjs' },
  { name: 'needle', dependency: 'needle', app: 'needle.cjs' },
  { name: 'ky 1', dependency: 'ky1', app: 'ky1.mjs' },
  { name: 'ky 2', dependency: 'ky', app: 'ky.mjs', not: OLD_NODE('22') },
  { name: 'urllib 2', dependency: 'urllib2', app: 'urllib2.cjs' },
  { name: 'urllib 3', dependency: 'urllib3', app: 'urllib3.cjs' },
  { name: 'urllib 4', dependency: 'urllib4', app: 'urllib4.cjs' },
  { name: 'request', dependency: 'request', app: 'request.cjs' },
  { name: 'graphql-request', dependency: 'graphql-request', app: 'graphql-request.mjs' },
  { name: 'Apollo Client', dependency: '@apollo/client', app: 'apollo.mjs' },
  { name: 'openapi-fetch', dependency: 'openapi-fetch', app: 'openapi-fetch.mjs' },
  { name: 'ws, handshake', dependency: 'ws', app: 'ws.cjs' },
  { name: 'faye-websocket', dependency: 'faye-websocket', app: 'faye-websocket.cjs', help: 'faye-websocket' },
  { name: 'eventsource 4', dependency: 'eventsource', app: 'eventsource.mjs' },
  { name: 'eventsource 2', dependency: 'eventsource2', app: 'eventsource2.cjs' },
  { name: 'node:http2', app: 'http2.cjs' },
  { name: '@grpc/grpc-js', dependency: '@grpc/grpc-js', app: 'grpc.cjs' },
];

const KINDS: readonly Tag[] = ['gray', 'blue', undefined];
const REQUESTS = 51;
const MANY = 100;
const OWN = 'user=42,a=b%20c;p=1';

let instances: Instances;
beforeAll(async () => void (instances = await startInstances()));
afterAll(() => instances?.close());

/** The features of a form of a library. */
interface Form {
  readonly schemes: readonly Scheme[];
  readonly scenarios: ReadonlyArray<'direct' | 'name' | 'address'>;
  readonly does: ReadonlyArray<'redirect' | 'retry'>;
}

matrix('Clients', ROWS, async (row, node: NodeVersion) => {
  const { wrong, stderr, forms } = await tryOutKnown(row, node);
  wrong.push(...(await tryOutCold(row, node, forms)));
  expect(wrong.slice(0, 20)).toEqual([]);
  expect(stderr).toBe('');
  const lowest = NODES.find((major) => row.not?.[major] === undefined);
  if (row.help !== undefined && node.major === lowest) {
    const without = await tryOutKnown(row, node, { LANE_DISABLE: row.help });
    expect(without.wrong, `without ${row.help}`).not.toEqual([]);
  }
});

type Forms = Readonly<Record<string, Form>>;

/** Everything that a row can do, once its instances are known. */
async function tryOutKnown(
  row: ClientRow,
  node: NodeVersion,
  more: Record<string, string> = {},
): Promise<{ readonly wrong: string[]; readonly stderr: string; readonly forms: Forms }> {
  const app = await startApp({
    node: node.path,
    script: '../../matrix/apps/client-host.cjs',
    args: [row.app],
    preload: ['known-instances.cjs'],
    env: { ...instances.environment, NODE_EXTRA_CA_CERTS: instances.ca, ...more },
  });
  try {
    const forms = JSON.parse((await send(app.port, '/forms')).body) as Forms;
    await app.heard('request', 1);
    const wrong: string[] = [];
    for (const [form, { schemes, scenarios, does }] of Object.entries(forms)) {
      for (const scheme of schemes) {
        for (const scenario of [...scenarios, ...(scheme === schemes[0] ? does : [])]) {
          for (const wave of [0, 1]) wrong.push(...(await tryOut(app, form, scheme, scenario, wave)));
          // A failure repeats many times: no need to continue.
          if (wrong.length > MANY) break;
        }
      }
    }
    return { wrong, stderr: app.stderr(), forms };
  } finally {
    await app.stop();
  }
}

/** Over HTTP/2 requests share a connection: even the very first ones, while the service is being learnt, go into their own lanes. */
async function tryOutCold(row: ClientRow, node: NodeVersion, forms: Forms): Promise<string[]> {
  const wrong: string[] = [];
  for (const [form, { schemes, scenarios }] of Object.entries(forms)) {
    for (const scheme of schemes) {
      if ((scheme !== 'h2' && scheme !== 'h2c') || !scenarios.includes('name')) continue;
      const app = await startApp({
        node: node.path,
        script: '../../matrix/apps/client-host.cjs',
        args: [row.app],
        env: { ...instances.unknown, NODE_EXTRA_CA_CERTS: instances.ca },
      });
      try {
        const before = instances.connectionsTo(scheme);
        wrong.push(...(await tryOut(app, form, scheme, 'name', 0)));
        const connections = instances.connectionsTo(scheme) - before;
        if (connections > REQUESTS) wrong.push(`${form}, ${scheme}, at first use: ${connections} connections for ${REQUESTS} requests`);
      } finally {
        await app.stop();
      }
    }
  }
  return wrong;
}

interface Asked {
  readonly url: string;
  /** Who must answer. */
  readonly by: string;
  /** The expected `Host`. */
  readonly host?: string;
  /** Whether an earlier answer led here, such as a redirect. */
  readonly again?: boolean;
}

let asked = 0;

/** What a request with this tag calls, and the expected result. */
function ask(scheme: Scheme, scenario: 'direct' | 'name' | 'address' | 'redirect' | 'retry', tag: Tag): Asked {
  const { service, origins } = instances.of[scheme];
  const by = tag ?? 'base';
  const id = asked++;
  const { protocol } = new URL(origins.base);
  const named = `${protocol}//${service}`;
  switch (scenario) {
    case 'direct':
      return { url: `${origins.outside}/direct?id=${id}`, by: 'outside' };
    case 'name':
      return { url: `${named}/name?id=${id}`, by, host: service };
    case 'address':
      return { url: `${origins[tag === 'gray' ? 'base' : tag === 'blue' ? 'gray' : 'blue']}/address?id=${id}`, by };
    case 'redirect':
      return { url: `${origins.outside}/redirect?to=${encodeURIComponent(`${named}/after?id=${id}`)}`, by, host: service, again: true };
    case 'retry':
      return { url: `${named}/flaky?id=${id}`, by, host: service, again: true };
  }
}

/** Sends many concurrent requests to the app; returns what was wrong. */
async function tryOut(app: App, form: string, scheme: Scheme, scenario: Parameters<typeof ask>[1], wave: number): Promise<string[]> {
  const requests = Array.from({ length: REQUESTS }, (_, i) => {
    const tag = KINDS[(i + wave) % KINDS.length];
    const expected = ask(scheme, scenario, tag);
    const path = `/?form=${encodeURIComponent(form)}&url=${encodeURIComponent(expected.url)}`;
    return { tag, expected, request: openRequest(app.port, path, tag === undefined ? {} : { baggage: `x=1,lane=${tag}` }) };
  });
  // All headers arrive before the first body.
  await app.heard('request', REQUESTS);
  const wrong: string[] = [];
  await Promise.all(
    requests.map(async ({ tag, expected, request }) => {
      const { status, body } = await request.end().catch((error: Error) => ({ status: 0, body: `the app is gone: ${error.message}` }));
      const fault = status === 200 ? faultIn(body, expected, tag, scheme) : body;
      if (fault !== undefined) wrong.push(`${form}, ${scheme}, ${scenario}, ${tag ?? 'no tag'}: ${fault}`);
    }),
  );
  return wrong;
}

function faultIn(body: string, expected: Asked, tag: Tag, scheme: Scheme): string | undefined {
  if (!body.startsWith('{')) return `answered ${JSON.stringify(body)}`;
  const seen = JSON.parse(body) as Seen;
  const baggage = tag === undefined ? OWN : `lane=${tag},${OWN}`;
  if (seen.name !== expected.by) return `${expected.by} should have answered, not ${seen.name}`;
  if (seen.baggage.length !== 1 || seen.baggage[0] !== baggage) return `baggage ${JSON.stringify(seen.baggage)}`;
  // Without an http.Agent, Node also adds the default port.
  if (expected.host !== undefined && seen.host?.replace(/:(80|443)$/, '') !== expected.host) return `host ${seen.host}`;
  if (expected.host !== undefined && instances.of[scheme].tls && seen.servername !== expected.host) return `TLS server name ${seen.servername}`;
  if (expected.again && seen.earlier?.join() !== baggage) return `the first time, baggage ${JSON.stringify(seen.earlier)}`;
  return undefined;
}
