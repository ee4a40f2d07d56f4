/** The snapshot folder is on a read-only file system: one line, the app keeps running, and existing snapshots are used. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos } from '@lane/nacos-registry';
import { eventually } from '@lane/testing';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, type Peer, type Seen } from './peer.js';
import { send, startApp, type App } from './run-app.js';

/** Runs a command with a folder mounted read-only, in its own namespaces; temporary folders need no shell quoting. */
const readOnly = (folder: string): string[] => [
  '-rm',
  'sh',
  '-c',
  `mount --bind ${folder} ${folder} && mount -o remount,ro,bind ${folder} && exec "$0" "$@"`,
];

function canMount(): boolean {
  try {
    execFileSync('unshare', [...readOnly(tmpdir()), 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    // Not Linux, or a container without the permission.
    return false;
  }
}

const KEY = { name: 'stock', group: 'DEFAULT_GROUP' };
let nacos: EmbeddedNacos | undefined;
let peers: Peer[];
beforeAll(async () => void (peers = await Promise.all(['base', 'gray'].map((name) => startPeer(name)))));
afterAll(() => Promise.all(peers.map((peer) => peer.close())));

describe.skipIf(!canMount()).each(nodeVersions())('$name', ({ path: node }) => {
  test('an app starts there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lane-read-only-'));
    nacos = await startEmbeddedNacos({ port: 0 });
    const connection = connectNacos({ server: nacos.address });
    onTestFinished(async () => {
      await connection.close();
      await nacos?.close();
      rmSync(folder, { recursive: true });
    });
    const [base, gray] = peers as [Peer, Peer];
    await connection.register(KEY, { ip: '127.0.0.1', port: base.port });
    await connection.register(KEY, { ip: '127.0.0.1', port: gray.port, metadata: { lane: 'gray' } });
    const env = {
      LANE_NACOS_SERVER: nacos.address,
      LANE_SERVICES: 'stock',
      LANE_SNAPSHOT_DIR: folder,
      PEER: 'http://stock/',
    };
    const start = async (isReadOnly: boolean): Promise<App> => {
      const app = await startApp({
        script: 'echo.cjs',
        env,
        ...(isReadOnly ? { node: 'unshare', nodeArgs: [...readOnly(folder), node] } : { node }),
      });
      onTestFinished(() => app.stop());
      return app;
    };
    const answered = async (app: App): Promise<void> => {
      for (const tag of [undefined, 'gray']) {
        const { body } = await send(app.port, '/', tag === undefined ? {} : { baggage: `lane=${tag}` });
        const { http, fetch } = JSON.parse(body) as Record<'http' | 'fetch', Seen>;
        expect([http.name, fetch.name]).toEqual([tag ?? 'base', tag ?? 'base']);
      }
    };
    const kept = (): string[] => readdirSync(folder, { recursive: true }).filter((name) => String(name).includes('stock')) as string[];
    const lines = (app: App): string[] =>
      app
        .stderr()
        .split('\n')
        .filter((line) => line.includes('snapshot'));

    const before = await start(true);
    await answered(before);
    await eventually(() => expect(lines(before)).toHaveLength(1));
    expect(lines(before)[0]).toMatch(/^lane warn: no snapshots: .* can't be written to: .* name a folder of this user error=.*(EROFS|read-only)/);
    // Later changes do not repeat the line.
    await connection.register(KEY, { ip: '127.0.0.1', port: gray.port, metadata: { lane: 'gray', version: '2' } });
    await connection.register({ ...KEY, name: 'other' }, { ip: '127.0.0.1', port: base.port });
    await answered(before);
    expect(kept()).toEqual([]);

    const writing = await start(false);
    await answered(writing);
    await eventually(() => expect(kept().length).toBeGreaterThan(0));
    expect(lines(writing)).toEqual([]);
    expect(lines(before)).toHaveLength(1);

    await connection.close();
    await nacos.close();
    await answered(await start(true));
  });
});
