/**
 * Every form of call, from CommonJS and from an ES module with named imports, on every Node, carries the right tag for tagged requests
 * and none for untagged ones. Interleaves 60 requests of three kinds with late bodies, which exposes context bugs.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions, tellLeftOutVersions } from './nodes.js';
import { startPeer, type Peer, type Seen } from './peer.js';
import { openRequest, send, startApp, type App } from './run-app.js';

tellLeftOutVersions();

const KINDS = ['gray', 'blue', undefined];
const REQUESTS = 60;

describe.each(nodeVersions().flatMap(({ name, path }) => ['clients.cjs', 'clients.mjs'].map((script) => ({ name, path, script }))))(
  '$name, $script',
  ({ path, script }) => {
    let peer: Peer;
    let peerTls: Peer;
    let app: App;
    let forms: Array<{ name: string; own: string | null; stale: boolean; never: boolean }>;

    beforeAll(async () => {
      [peer, peerTls] = await Promise.all([startPeer(), startPeer('peer', true)]);
      app = await startApp({ node: path, script, env: { PEER: `http://127.0.0.1:${peer.port}/`, PEER_TLS: `https://127.0.0.1:${peerTls.port}/` } });
      forms = JSON.parse((await send(app.port, '/forms')).body) as typeof forms;
      await app.heard('request', 1);
    });
    afterAll(async () => {
      await app?.stop();
      await Promise.all([peer?.close(), peerTls?.close()]);
    });

    test('each form carries the tag of its own request', async () => {
      const wrong: Record<string, unknown> = {};
      for (const { name, own, stale, never } of forms) {
        const requests = Array.from({ length: REQUESTS }, (_, i) => {
          const tag = KINDS[i % KINDS.length];
          return {
            tag,
            request: openRequest(app.port, `/${encodeURIComponent(name)}?id=${i}`, tag === undefined ? {} : { baggage: `x=1,lane=${tag}` }),
          };
        });
        // All headers arrive before the first body.
        await app.heard('request', REQUESTS);
        const answers = await Promise.all(requests.map(async ({ tag, request }) => ({ tag: never ? undefined : tag, answer: await request.end() })));
        for (const { tag, answer } of answers) {
          const untouched = own === null ? '' : stale ? `lane=stale,${own}` : own;
          const expected = tag === undefined ? untouched : own === null ? `lane=${tag}` : `lane=${tag},${own}`;
          const seen = answer.status === 200 ? (JSON.parse(answer.body) as Seen) : undefined;
          const isRight = (lines: readonly string[]): boolean => lines.join(',') === expected && (tag === undefined || lines.length === 1);
          const right =
            seen !== undefined &&
            isRight(seen.baggage) &&
            (seen.earlier === undefined || isRight(seen.earlier)) &&
            (seen.servername ?? 'localhost') === 'localhost';
          if (!right)
            wrong[name] ??= { tag: tag ?? 'none', expected, got: seen?.baggage ?? answer.body, earlier: seen?.earlier, servername: seen?.servername };
        }
      }
      expect(wrong).toEqual({});
      expect(app.stderr()).toBe('');
      expect(forms.length).toBeGreaterThan(100);
    });
  },
);
