/** LANE_TRACES=otlp: spans arrive at a collector, with the lane and route of each call. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, type Peer } from './peer.js';
import { AGENT, runApp, send, startApp, type App } from './run-app.js';

interface Span {
  readonly traceId: string;
  readonly parentSpanId?: string;
  readonly spanId: string;
  /** 2: server, 3: client. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly service: unknown;
}

type Value = Readonly<Record<string, unknown>>;
type Attributes = ReadonlyArray<{ readonly key: string; readonly value: Value }>;
interface Export {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: Attributes };
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Omit<Span, 'attributes' | 'service'> & { readonly attributes: Attributes }> }>;
  }>;
}

const plain = (attributes: Attributes): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

/** The part of an OpenTelemetry Collector's /v1/traces that matters here, for JSON. */
class Collector {
  readonly spans: Span[] = [];
  /** The `baggage` headers of received requests. */
  readonly baggage: unknown[] = [];
  readonly #server = http.createServer((request, response) => void this.#take(request, response));
  /** The status of its answers. */
  status = 200;
  #wake = (): void => {};

  async start(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async until(holds: (spans: readonly Span[]) => boolean): Promise<void> {
    while (!holds(this.spans)) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    this.baggage.push(request.headers['baggage']);
    for (const { resource, scopeSpans } of (JSON.parse(body) as Export).resourceSpans)
      for (const { spans } of scopeSpans)
        for (const span of spans)
          this.spans.push({ ...span, attributes: plain(span.attributes), service: plain(resource.attributes)['service.name'] });
    response.writeHead(this.status, { 'content-type': 'application/json' }).end('{}');
    this.#wake();
  }
}

let base: Peer;
let gray: Peer;
beforeAll(async () => void ([base, gray] = await Promise.all([startPeer('base'), startPeer('gray')])));
afterAll(async () => {
  await Promise.all([base?.close(), gray?.close()]);
});

describe.each(nodeVersions())('$name', ({ path: node }) => {
  let collector: Collector;
  let app: App;
  beforeAll(async () => {
    collector = new Collector();
    await collector.start();
    app = await startApp({
      node,
      script: 'echo.cjs',
      preload: ['known-instances.cjs'],
      env: {
        KNOWN: JSON.stringify([{ name: 'shop-b', instances: [{ port: base.port }, { port: gray.port, metadata: { lane: 'gray' } }] }]),
        PEER: `http://127.0.0.1:${base.port}/`,
        LANE_TRACES: 'otlp',
        LANE_SERVICE: 'shop-a',
        LANE_SERVICES: 'shop-b',
        LANE_PROPAGATE_TO: 'all',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_BSP_SCHEDULE_DELAY: '50',
      },
    });
  });
  afterAll(async () => {
    await app?.stop();
    collector?.close();
  });

  test.each([
    ['a name, by its lane', 'http://shop-b/', 'gray', 'lane'],
    ['a name, by base', 'http://shop-b/', undefined, 'base'],
    ['a name, by a lane that has no instance', 'http://shop-b/', 'blue', 'fallback'],
    ['an address of the wrong lane', 'base', 'gray', 'corrected'],
    ['an address of the right lane', 'gray', 'gray', 'lane'],
    ['an address of base', 'base', undefined, 'base'],
  ])('%s: spans of server and clients tell', async (_, target, tag, route) => {
    const url = target === 'base' || target === 'gray' ? `http://127.0.0.1:${(target === 'base' ? base : gray).port}/` : target;
    collector.spans.length = 0;
    const { body } = await send(
      app.port,
      `/?ways=http,fetch,pool&url=${encodeURIComponent(url)}`,
      tag === undefined ? {} : { baggage: `lane=${tag}` },
    );
    const answers = JSON.parse(body) as Record<string, { headers: http.IncomingHttpHeaders }>;
    await collector.until((spans) => spans.length === 4);
    const server = collector.spans.find(({ kind }) => kind === 2) as Span;
    expect(server).toMatchObject({ service: 'shop-a' });
    expect(server.attributes['lane.tag']).toBe(tag);
    const clients = collector.spans.filter(({ kind }) => kind === 3);
    expect(clients.map(({ traceId, parentSpanId }) => [traceId, parentSpanId])).toEqual(clients.map(() => [server.traceId, server.spanId]));
    expect(clients.map(({ attributes }) => [attributes['lane.tag'], attributes['lane.route'], attributes['peer.service']])).toEqual(
      clients.map(() => [tag, route, 'shop-b']),
    );
    // The trace continues in the called service.
    for (const way of ['http', 'fetch', 'pool']) expect(answers[way]?.headers['traceparent']).toContain(server.traceId);
  });

  test('requests to the collector belong to no lane and no trace', async () => {
    collector.spans.length = 0;
    await send(app.port, '/?ways=http', { baggage: 'lane=gray' });
    await collector.until((spans) => spans.length === 2);
    expect(collector.baggage.filter((line) => line !== undefined)).toEqual([]);
    expect(collector.spans.map(({ attributes }) => attributes['url.full'] ?? '').join()).not.toContain(collector.url);
  });

  test('ES modules have spans too, and none is lost when a process ends by itself', async () => {
    collector.spans.length = 0;
    const { code, stderr } = await runApp({
      node,
      script: 'once.mjs',
      env: { PEER: `http://127.0.0.1:${base.port}/`, LANE_TRACES: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(collector.spans.map(({ kind }) => kind).sort((a, b) => a - b)).toEqual([2, 3, 3]);
  });

  test('a collector that rejects spans is reported once, and nothing else happens', async () => {
    collector.status = 400;
    const { code, stderr } = await runApp({
      node,
      script: 'once.mjs',
      env: { PEER: `http://127.0.0.1:${base.port}/`, LANE_TRACES: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    });
    collector.status = 200;
    expect(code).toBe(0);
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/lane warn: spans could not be exported and are lost: check OTEL_EXPORTER_OTLP_ENDPOINT/),
    ]);
  });

  test('a missing package is reported, and the app runs', async () => {
    const bare = mkdtempSync(join(tmpdir(), 'lane-bare-'));
    cpSync(join(dirname(AGENT), '..'), join(bare, 'agent'), { recursive: true, dereference: true, filter: (file) => !file.includes('node_modules') });
    const { code, stderr } = await runApp({
      node,
      script: 'once.mjs',
      agent: join(bare, 'agent/dist/register.js'),
      cwd: bare,
      env: { PEER: `http://127.0.0.1:${base.port}/`, LANE_TRACES: 'otlp' },
    });
    rmSync(bare, { recursive: true });
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/LANE_TRACES=otlp needs the package @lane\/traces: npm install @lane\/traces/) as string,
    });
  });
});
