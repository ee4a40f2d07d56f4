/** `lane console` as people start it: where it listens, whom it asks, and how it ends. Its pages are those that were built. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connectNacos } from '@lane/nacos-registry';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CLEAN, temporaryFolder, type Result } from '@lane/testing';
import { LANE, runLane } from '@lane/testing/programs';

const TOKEN = 'a-token-that-is-long-enough';

const refused = (args: readonly string[], env: Record<string, string> = {}): Promise<Result> => runLane(['console', '--port', '0', ...args], { env });

async function start(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ url: string; nacos: string; stop(): Promise<number | null> }> {
  const nacos = await startEmbeddedNacos({ port: 0 });
  onTestFinished(() => nacos.close());
  const child = spawn(process.execPath, [LANE, 'console', '--port', '0', '--json', '--nacos', nacos.address, ...args], {
    env: { ...CLEAN, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    url: (JSON.parse(line) as { url: string }).url,
    nacos: nacos.address,
    async stop() {
      child.kill('SIGTERM');
      const [code] = (await once(child, 'exit')) as [number | null];
      return code;
    },
  };
}

describe('lane console', () => {
  test('beyond this machine it does not start without a token, and says what to do', async () => {
    const { code, stderr } = await refused(['--host', '0.0.0.0']);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/--tokens-file.*LANE_CONSOLE_TOKEN.*127\.0\.0\.1/)]);
  });

  test('a token that could be guessed is refused, and not repeated', async () => {
    const { code, stderr } = await refused([], { LANE_CONSOLE_TOKEN: 'hunter2' });
    expect([code, stderr]).toEqual([1, expect.stringContaining('openssl rand')]);
    expect(stderr).not.toContain('hunter2');
  });

  test('on loopback it serves its pages and its API, and shuts down gracefully', async () => {
    const { url, stop } = await start([]);
    expect(await (await fetch(url)).text()).toMatch(/<div id="root">/);
    expect(await (await fetch(`${url}/api/groups`)).json()).toMatchObject({ groups: [] });
    expect(await stop()).toBe(0);
  });

  test('reads accounts from a file, and writes the audit log to one', async () => {
    const files = temporaryFolder();
    const tokens = join(files, 'tokens');
    const log = join(files, 'audit.jsonl');
    writeFileSync(tokens, `vera viewer ${TOKEN}\n`);
    const { url, stop } = await start([], { LANE_CONSOLE_TOKENS_FILE: tokens, LANE_CONSOLE_AUDIT_LOG: log });
    expect((await fetch(`${url}/api/groups`)).status).toBe(401);
    const authorization = `Bearer ${TOKEN}`;
    expect((await fetch(`${url}/api/groups`, { headers: { authorization } })).status).toBe(200);
    expect((await fetch(`${url}/api/groups/shop`, { method: 'DELETE', headers: { authorization } })).status).toBe(403);
    await stop();
    expect(JSON.parse(readFileSync(log, 'utf8'))).toMatchObject({ who: 'vera', action: 'change-refused' });
  });

  test('with 60 MB of heap it survives twenty instances that report 1.84 MiB each', async () => {
    const told = JSON.stringify({
      requests: [],
      calls: Array.from({ length: 24_000 }, (_, i) => ({ peer: `made-up-${i}`, tag: null, route: 'base', count: 1, errors: 0 })),
    });
    const instances = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const server = http.createServer((_, response) => response.end(told));
        await once(server.listen(0, '127.0.0.1'), 'listening');
        onTestFinished(() => {
          server.close();
          server.closeAllConnections();
        });
        return (server.address() as AddressInfo).port;
      }),
    );
    const { url, nacos, stop } = await start([], { NODE_OPTIONS: '--max-old-space-size=60' });
    const connection = connectNacos({ server: nacos });
    onTestFinished(() => connection.close());
    for (const [i, port] of instances.entries()) {
      const metadata = { 'lane.admin': `127.0.0.1:${port}` };
      await connection.register({ name: `liar-${i}`, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: 9_000 + i, metadata });
    }
    const look = async () => (await (await fetch(`${url}/api/traffic`)).json()) as { sources: { tooLarge: number } };
    await expect.poll(async () => (await look()).sources.tooLarge).toBe(20);
    await Promise.all(Array.from({ length: 50 }, look));
    expect(await stop()).toBe(0);
  });
});
