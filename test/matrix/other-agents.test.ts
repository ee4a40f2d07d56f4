/**
 * Other agents, loaded before and after ours. 51 concurrent requests of three kinds (two tags and none) make the app call a peer with
 * axios and fetch: our tag is right, in the single line of baggage; the peer sees the other agent's headers and baggage entries as
 * without us; each request has its own trace.
 */
import { afterAll, beforeAll, expect } from 'vitest';
import { startPeer, type Peer, type Seen } from '../agent/peer.js';
import { AGENT, appFile, openRequest, startApp, type App } from '../agent/run-app.js';
import { matrix, type Row } from './table.js';

interface AgentRow extends Row {
  readonly preload: string;
  readonly order: 'theirs first' | 'ours first';
  /** The header that identifies its traces. */
  readonly trace: string;
}

const AGENTS = [
  ['OpenTelemetry NodeSDK', '@opentelemetry/sdk-node', 'otel.cjs', 'traceparent'],
  ['dd-trace', 'dd-trace', 'datadog.cjs', 'traceparent'],
  ['elastic-apm-node', 'elastic-apm-node', 'elastic.cjs', 'traceparent'],
  ['Sentry', '@sentry/node', 'sentry.cjs', 'sentry-trace'],
] as const;

const ROWS: readonly AgentRow[] = AGENTS.flatMap(([name, dependency, preload, trace]) =>
  (['theirs first', 'ours first'] as const).map((order) => ({ name: `${name}, ${order}`, dependency, preload, trace, order })),
);

const KINDS = ['gray', 'blue', undefined];
const REQUESTS = 51;
const script = '../../matrix/apps/other-agents/app.cjs';

let peer: Peer;
beforeAll(async () => void (peer = await startPeer()));
afterAll(() => peer?.close());

interface Answer {
  readonly seen: readonly Seen[];
  readonly spanTag: string | null;
  readonly activeBaggage: string | null;
}

matrix('Other agents', ROWS, async (row, node) => {
  const theirs = `../../matrix/apps/other-agents/${row.preload}`;
  const env = { PEER: `http://127.0.0.1:${peer.port}/` };
  const alone = await startApp({ node: node.path, script, load: 'none', preload: [theirs], env });
  const both = await startApp(
    row.order === 'ours first'
      ? { node: node.path, script, preload: [theirs], env }
      : { node: node.path, script, load: 'none', nodeArgs: ['--require', appFile(theirs), '--require', AGENT], env },
  );
  try {
    // The agents need one request to initialize.
    for (const app of [alone, both]) await ask(app);
    const [bare, answers] = [await ask(alone), await ask(both)];
    const wrong: string[] = [];
    for (const [i, { tag, answer }] of answers.entries()) {
      for (const [client, seen] of answer.seen.entries()) {
        const what = `${tag ?? 'no tag'}, ${client === 0 ? 'axios' : 'fetch'}`;
        const without = (bare[i] as (typeof bare)[number]).answer.seen[client] as Seen;
        const entries = entriesOf(seen);
        if (seen.baggage.length > 1) wrong.push(`${what}: ${seen.baggage.length} lines of baggage`);
        if (entries.get('lane') !== tag) wrong.push(`${what}: baggage ${seen.baggage.join()}`);
        if (keys(entries) !== keys(entriesOf(without))) wrong.push(`${what}: entries ${keys(entries)}, without us ${keys(entriesOf(without))}`);
        if (headers(seen) !== headers(without)) wrong.push(`${what}: headers ${headers(seen)}, without us ${headers(without)}`);
      }
      if (row.preload === 'otel.cjs' && answer.spanTag !== (tag ?? null)) wrong.push(`${tag ?? 'no tag'}: lane.tag ${answer.spanTag}`);
      if (row.preload === 'otel.cjs' && answer.activeBaggage !== (tag ?? null))
        wrong.push(`${tag ?? 'no tag'}: active baggage ${answer.activeBaggage}`);
    }
    expect(wrong.slice(0, 10)).toEqual([]);
    const traces = new Set(answers.map(({ answer }) => traceOf(answer.seen[0] as Seen, row.trace)));
    expect(traces.size).toBe(REQUESTS);
    for (const { answer } of answers) expect(traceOf(answer.seen[1] as Seen, row.trace)).toBe(traceOf(answer.seen[0] as Seen, row.trace));
  } finally {
    await Promise.all([alone.stop(), both.stop()]);
  }
});

async function ask(app: App): Promise<Array<{ tag: string | undefined; answer: Answer }>> {
  const requests = Array.from({ length: REQUESTS }, (_, i) => {
    const tag = KINDS[i % 3];
    return { tag, request: openRequest(app.port, '/', { baggage: tag === undefined ? 'x=1' : `x=1,lane=${tag}` }) };
  });
  await app.heard('request', REQUESTS);
  return Promise.all(requests.map(async ({ tag, request }) => ({ tag, answer: JSON.parse((await request.end()).body) as Answer })));
}

function entriesOf(seen: Seen): Map<string, string> {
  return new Map(
    seen.baggage
      .join()
      .split(',')
      .filter((entry) => entry !== '')
      .map((entry) => entry.trim().split('=') as [string, string]),
  );
}
const keys = (entries: ReadonlyMap<string, string>): string =>
  [...entries.keys()]
    .filter((key) => key !== 'lane')
    .sort()
    .join();
const headers = (seen: Seen): string =>
  Object.keys(seen.headers)
    .filter((name) => name !== 'baggage')
    .sort()
    .join();
const traceOf = (seen: Seen, header: string): string => {
  const value = String(seen.headers[header]);
  return header === 'traceparent' ? (value.split('-')[1] as string) : (value.split('-')[0] as string);
};
