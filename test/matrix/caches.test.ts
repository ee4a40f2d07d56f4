/** A cache in the app never gives one lane's answers to another, with sequential and concurrent requests. Untagged requests are cached as before. */
import http from 'node:http';
import { listen } from '@lane/testing/ports';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from '../agent/nodes.js';
import { send, startApp, type App } from '../agent/run-app.js';

/** How long the peer takes while requests are concurrent: the last of them starts before the first is answered, even on a busy machine. */
const TOGETHER_MS = 250;

let asked: string[] = [];
let delayMs = 0;
const peer = http.createServer((request, response) => {
  const lane = String(request.headers.baggage ?? 'none');
  asked.push(lane);
  setTimeout(() => response.writeHead(200, { 'cache-control': 'max-age=60', 'content-type': 'text/plain' }).end(lane), delayMs);
});
let port: number;
beforeAll(async () => void (port = await listen(peer)));
afterAll(() => {
  peer.close();
  peer.closeAllConnections();
});

type Kinds = ReadonlyArray<string | undefined>;
const KINDS: Kinds = [undefined, 'gray', 'blue', undefined, 'gray', undefined];
const told = (kinds: Kinds): string[] => kinds.map((tag) => (tag === undefined ? 'none' : `lane=${tag}`));

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test.each([
    ['first base', KINDS],
    ['first gray', ['gray', ...KINDS]],
  ])('%s', async (_, kinds) => {
    expect((await tryOut(node, kinds)).wrong).toEqual([]);
  });
});

test('without that instrumentation, each of them mixes lanes', async () => {
  const node = nodeVersions().at(-1)?.path as string;
  const { caches, wrong } = await tryOut(node, KINDS, { LANE_DISABLE: 'caches' });
  expect(caches.filter((cache) => !wrong.some((line) => line.startsWith(`${cache},`)))).toEqual([]);
});

async function tryOut(node: string, kinds: Kinds, env: Record<string, string> = {}): Promise<{ caches: string[]; wrong: string[] }> {
  const app = await startApp({ node, script: '../../matrix/apps/caches.cjs', env: { PEER: `http://127.0.0.1:${port}/`, ...env } });
  try {
    const wrong: string[] = [];
    const caches = JSON.parse((await send(app.port, '/')).body) as string[];
    for (const cache of caches) {
      const isKey = cache.includes('key');
      const check = (how: string, answers: readonly string[]): void => {
        // Per key: as many as there are lanes.
        const got = isKey ? kinds.map((tag) => told([kinds[answers.indexOf(answers[kinds.indexOf(tag)] as string)]])[0]) : answers;
        if (JSON.stringify(got) !== JSON.stringify(told(kinds))) wrong.push(`${cache}, ${how}: ${answers.join()}`);
      };
      delayMs = TOGETHER_MS;
      check('at once', await Promise.all(kinds.map((tag) => ask(app, cache, tag))));
      delayMs = 0;
      asked = [];
      const answers: string[] = [];
      for (const tag of kinds) answers.push(await ask(app, cache, tag));
      check('one after the other', answers);
      if (!isKey && !cache.includes('deduplicate') && asked.includes('none')) wrong.push(`${cache}, an untagged request was not answered from it`);
    }
    return { caches, wrong };
  } finally {
    await app.stop();
  }
}

async function ask(app: App, cache: string, tag: string | undefined): Promise<string> {
  return (await send(app.port, `/?cache=${encodeURIComponent(cache)}`, tag === undefined ? {} : { baggage: `lane=${tag}` })).body;
}
