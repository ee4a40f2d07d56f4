/**
 * Failures that we saw in other tools, a row for each. Opens 51 requests of three kinds (two tags and none) before
 * sending their bodies; each calls the peer in the way of the row. The peer must get a single line: the app's own baggage, if it
 * sets some, and the tag of the call's own request.
 */
import http2 from 'node:http2';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { startPeer, type Peer, type Seen } from '../agent/peer.js';
import { openRequest, send, startApp, type App } from '../agent/run-app.js';
import { startInstances, type Instances, type Tag } from './instances.js';
import { matrix, type Row } from './table.js';

interface TrapRow extends Row {
  /** The key in apps/traps.cjs, unless it is the name of the row. */
  readonly way?: string;
  /** The app writes `own=1` itself. */
  readonly own?: true;
  /** The inbound headers; TAG stands for the tag, and untagged requests have none of them. */
  readonly inbound?: string | readonly string[];
  readonly over?: 'http2';
}

const OWN = { own: true } as const;
const ROWS: readonly TrapRow[] = [
  { name: 'late body, read by events', way: 'late body' },
  { name: 'late body of an http2 stream', way: 'late body', over: 'http2' },
  { name: 'queueing http.Agent' },
  { name: 'queueing undici Pool' },
  { name: 'created in one lane, ended in another' },
  { name: 'array headers', ...OWN },
  { name: 'array headers in pairs', ...OWN },
  { name: 'Expect: 100-continue', ...OWN },
  { name: 'baggage set before', ...OWN },
  { name: 'baggage set after', ...OWN },
  { name: "baggage set in an interceptor of undici's", ...OWN },
  { name: "baggage set in an interceptor of axios'", ...OWN },
  { name: 'baggage added in undici:request:create', ...OWN },
  { name: 'baggage added in undici:request:create, fetch', ...OWN },
  { name: 'a URL in a request to a forward proxy' },
  { name: 'request captured before the agent' },
  { name: 'inbound: several lines', way: 'late body', inbound: ['user=1', 'lane=TAG', 'other=2'] },
  { name: 'inbound: a property', way: 'late body', inbound: 'user=1,lane=TAG;ttl=1' },
  { name: 'inbound: a property that was encoded', way: 'late body', inbound: 'lane=TAG%3Bttl%3D1' },
  { name: 'inbound: the key twice', way: 'late body', inbound: 'lane=first,lane=TAG' },
  { name: 'inbound: junk members', way: 'late body', inbound: ',gray,,x, lane = TAG ,=,;' },
];

const KINDS = ['gray', 'blue', undefined];
const REQUESTS = 51;

let peer: Peer;
let instances: Instances;
beforeAll(async () => void ([peer, instances] = await Promise.all([startPeer(), startInstances()])));
afterAll(() => Promise.all([peer?.close(), instances?.close()]));

matrix('Traps', ROWS, async (row, node) => {
  const app = await startApp({
    node: node.path,
    script: '../../matrix/apps/traps.cjs',
    args: [row.way ?? row.name],
    nodeArgs: ['--require', join(__dirname, 'apps/captured.cjs')],
    env: { PEER: `http://127.0.0.1:${peer.port}/` },
  });
  try {
    expect((await interleaved(row, app)).slice(0, 10)).toEqual([]);
    expect(app.stderr()).toBe('');
  } finally {
    await app.stop();
  }
});

async function interleaved(row: TrapRow, app: App): Promise<string[]> {
  const session = row.over === 'http2' ? http2.connect(`http://127.0.0.1:${app.ports['http2']}`) : undefined;
  const requests = Array.from({ length: REQUESTS }, (_, i) => {
    const tag = KINDS[i % 3];
    const headers = headersOf(row, tag);
    return { tag, request: session === undefined ? openRequest(app.port, '/', headers) : openStream(session, headers) };
  });
  await app.heard('request', REQUESTS);
  const wrong = await Promise.all(
    requests.map(async ({ tag, request }) => {
      const { body } = await request.end();
      const expected = [tag === undefined ? '' : `lane=${tag}`, row.own === true ? 'own=1' : ''].filter((part) => part !== '').join();
      return body === JSON.stringify(expected === '' ? [] : [expected]) ? [] : [`${tag ?? 'no tag'}: ${body}`];
    }),
  );
  session?.close();
  return wrong.flat();
}

function headersOf({ inbound = 'lane=TAG' }: TrapRow, tag: string | undefined): Record<string, string> {
  if (tag === undefined) return {};
  const lines = [inbound].flat().map((line) => line.replace('TAG', tag));
  // Node writes a line for each element of an array, which its types of outbound headers allow.
  return { baggage: (lines.length === 1 ? lines[0] : lines) as string };
}

function openStream(session: http2.ClientHttp2Session, headers: Record<string, string>): { end(): Promise<{ body: string }> } {
  const stream = session.request({ ':method': 'POST', ...headers });
  return {
    async end() {
      stream.end('late body');
      let body = '';
      for await (const chunk of stream) body += String(chunk);
      return { body };
    },
  };
}

interface BesideRow extends Row {
  /** Calls that it answers itself. */
  readonly mocks: readonly string[];
}

/** Libraries that stand between an app and its servers. */
const BESIDE: readonly BesideRow[] = [
  { name: 'nock', dependency: 'nock', mocks: ['http://mocked.internal/mocked', 'http://shop-a/mocked'] },
  { name: 'msw', dependency: 'msw', mocks: ['http://mocked.internal/mocked', 'http://shop-a/mocked'] },
  { name: 'mitm', dependency: 'mitm', mocks: ['http://mocked.internal/mocked'] },
  { name: 'http-proxy', dependency: 'http-proxy', mocks: [] },
];

/** It answers its own calls, even those to a service; all others go to an instance of the lane, with the tag exactly once. */
matrix('Traps', BESIDE, async (row, node) => {
  const app = await startApp({
    node: node.path,
    script: '../../matrix/apps/beside.cjs',
    args: [row.name],
    preload: ['known-instances.cjs'],
    env: { ...instances.environment },
  });
  try {
    const ways = JSON.parse((await send(app.port, '/ways')).body) as string[];
    const { origins, service } = instances.of.http;
    const wrong: string[] = [];
    for (const way of ways) {
      // They replace fetch, and answer before it sends anything.
      const isUnsent = way === 'fetch';
      for (const url of row.mocks) wrong.push(...(await askedOf(app, way, url, () => 'mock', isUnsent)));
      for (const url of [`http://${service}/x`, `${origins.base}/x`]) wrong.push(...(await askedOf(app, way, url, (tag) => tag ?? 'base')));
      wrong.push(...(await askedOf(app, way, `${origins.outside}/x`, () => 'outside')));
    }
    expect(wrong.slice(0, 10)).toEqual([]);
    expect(app.stderr()).toBe('');
  } finally {
    await app.stop();
  }
});

/** Asks the app many times concurrently to call a URL; returns answers from the wrong server, or from one that did not see the tag exactly once. */
async function askedOf(app: App, way: string, url: string, by: (tag: Tag) => string, isUnsent = false): Promise<string[]> {
  const requests = Array.from({ length: REQUESTS }, (_, i) => {
    const tag = KINDS[i % KINDS.length] as Tag;
    const path = `/?way=${encodeURIComponent(way)}&url=${encodeURIComponent(url)}`;
    return { tag, request: openRequest(app.port, path, headersOf({ name: way }, tag)) };
  });
  await app.heard('request', REQUESTS);
  const wrong = await Promise.all(
    requests.map(async ({ tag, request }) => {
      const { status, body } = await request.end();
      const { name, baggage } = status === 200 ? (JSON.parse(body) as Pick<Seen, 'name' | 'baggage'>) : { name: body, baggage: [] };
      const isRight = name === by(tag) && baggage.join(' and ') === (tag === undefined || isUnsent ? '' : `lane=${tag}`);
      return isRight ? [] : [`${way}, ${url}, ${tag ?? 'no tag'}: by ${name}, ${JSON.stringify(baggage)}`];
    }),
  );
  return wrong.flat();
}
