/** Real Zipkin stores the spans of a gray request through a chain of three, and finds them by `lane.tag`. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '@lane/testing/eventually';
import type { Service } from '../../servers/process.js';
import { startPeer, type Peer } from '../../agent/peer.js';
import { send, startApp, type App } from '../../agent/run-app.js';
import { startZipkin } from './zipkin.js';

interface Span {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly kind: 'SERVER' | 'CLIENT';
  readonly localEndpoint: { readonly serviceName: string };
  readonly tags: Readonly<Record<string, string>>;
}

let zipkin: Service;
let peer: Peer;
let a: App;
let b: App;

beforeAll(async () => {
  [zipkin, peer] = await Promise.all([startZipkin(), startPeer('gray')]);
  const env = {
    LANE_TRACES: 'zipkin',
    OTEL_EXPORTER_ZIPKIN_ENDPOINT: `http://127.0.0.1:${zipkin.port}/api/v2/spans`,
    OTEL_BSP_SCHEDULE_DELAY: '50',
  };
  const known = (name: string, port: number): string => JSON.stringify([{ name, instances: [{ port: 1 }, { port, metadata: { lane: 'gray' } }] }]);
  const preload = ['known-instances.cjs'];
  b = await startApp({
    script: 'echo.cjs',
    preload,
    env: { ...env, LANE_SERVICE: 'shop-b', LANE_SERVICES: 'shop-c', KNOWN: known('shop-c', peer.port), PEER: 'http://shop-c/' },
  });
  a = await startApp({
    script: 'echo.cjs',
    preload,
    env: { ...env, LANE_SERVICE: 'shop-a', LANE_SERVICES: 'shop-b', KNOWN: known('shop-b', b.port), PEER: 'http://shop-b/?ways=fetch' },
  });
});
afterAll(async () => {
  await Promise.all([a?.stop(), b?.stop(), peer?.close()]);
  await zipkin?.stop();
});

test('finds the complete trace of a gray request by lane.tag, with the route of each call', async () => {
  await send(a.port, '/?ways=http', { baggage: 'lane=gray' });
  // Untagged: answered, and not found by any lane.
  await send(a.port, '/?ways=http');
  const search = async (query: string): Promise<ReadonlyArray<readonly Span[]>> =>
    (await (await fetch(`http://127.0.0.1:${zipkin.port}/api/v2/traces?annotationQuery=${encodeURIComponent(query)}&limit=10`)).json()) as Span[][];
  const [trace] = await eventually(async () => {
    const found = await search('lane.tag=gray');
    expect(found.map((spans) => spans.length)).toEqual([4]);
    return found;
  });
  expect(
    trace
      ?.map(({ kind, localEndpoint, tags }) => [localEndpoint.serviceName, kind, tags['lane.tag'], tags['lane.route'], tags['peer.service']])
      .sort((left, right) => String(left).localeCompare(String(right))),
  ).toEqual([
    ['shop-a', 'CLIENT', 'gray', 'lane', 'shop-b'],
    ['shop-a', 'SERVER', 'gray', undefined, undefined],
    ['shop-b', 'CLIENT', 'gray', 'lane', 'shop-c'],
    ['shop-b', 'SERVER', 'gray', undefined, undefined],
  ]);
  expect(new Set(trace?.map(({ traceId }) => traceId)).size).toBe(1);
  expect(await search('lane.tag=blue')).toEqual([]);
});
