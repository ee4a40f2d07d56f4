/** `lane drain` beside an app under the agent, and where there is none. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos } from '@lane/nacos-registry';
import { describe, expect, onTestFinished, test } from 'vitest';
import { freePort, portOf, type Result } from '@lane/testing';
import { runLane, startShopService } from '@lane/testing/programs';

const lane = (args: readonly string[], env: Record<string, string> = {}): Promise<Result> => runLane(args, { env });

describe('lane drain', () => {
  test('deregisters the instance of the app from Nacos, and reports it as text or JSON', async () => {
    const nacos = await startEmbeddedNacos({ port: 0 });
    onTestFinished(() => nacos.close());
    const connection = connectNacos({ server: nacos.address });
    onTestFinished(() => connection.close());
    const folder = mkdtempSync(join(tmpdir(), 'lane-drain-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const port = String(await freePort());
    await startShopService('c.js', { NACOS_SERVER: nacos.address, LANE_SNAPSHOT_DIR: folder, LANE_ADMIN_PORT: port });
    const listed = (): Promise<readonly unknown[]> => connection.list({ name: 'spring-cloud-c', group: 'DEFAULT_GROUP' });
    expect(await listed()).toHaveLength(1);

    const first = await lane(['drain', '--settle', '0', '--json'], { LANE_ADMIN_PORT: port });
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(first.stdout)).toEqual({ ok: true, withdrawn: 1, elapsedSeconds: expect.any(Number) as number, repeated: false });
    expect(await listed()).toEqual([]);
    // Asked again, it tells of the same drain.
    const again = await lane(['drain', '--port', port]);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toBe('already drained: 1 instance deregistered before, nothing left to do\n');
  });

  test.each([
    [[], {}, /LANE_ADMIN_PORT is not set here: set it to the app's value, or add --port/],
    [[], { LANE_ADMIN_PORT: 'auto' }, /LANE_ADMIN_PORT is auto here, which names no port/],
    [['--port', '70000'], {}, /a port is a number/],
    [['--port', '1', '--settle', '30'], {}, /--settle 30 leaves no time before --deadline 25/],
  ])('%j %j is refused with the remedy', async (args, env, message) => {
    const { code, stdout, stderr } = await lane(['drain', ...args], env);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });

  test('fails with the cause if nothing listens, even on a port that fetch refuses', async () => {
    const { code, stdout, stderr } = await lane(['drain', '--json', '--port', '9']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^lane: no answer from http:\/\/127\.0\.0\.1:9\/drain: connect ECONNREFUSED.*LANE_ADMIN_PORT\?\n$/);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: 'ELANE_DRAIN' });
  });

  test('fails if something else answers on that port', async () => {
    const server = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { code, stderr } = await lane(['drain', '--port', String(portOf(server))]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^lane: http:\S+ answered 200: hello\. Is that the LANE_ADMIN_PORT of the app\?\n$/);
  });

  test('fails with the problems of the app, which JSON lists one by one', async () => {
    const problems = ['orders could not be withdrawn', '1 requests are in flight'];
    const report = { state: 'deadline', elapsedSeconds: 25, withdrawn: 0, inFlight: 1, problems };
    const server = createServer((_, response) => response.end(`{"state":"withdrawing"}\n${JSON.stringify(report)}\n`)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { code, stdout, stderr } = await lane(['drain', '--json', '--port', String(portOf(server))]);
    expect(code).toBe(1);
    expect(stderr).toBe(`lane: ${problems.join('; ')}\n`);
    expect(JSON.parse(stdout)).toEqual({ ok: false, code: 'ELANE_DRAIN', message: problems.join('; '), problems });
  });
});
