/** What the command is in a shell: completion in a real bash, and commands that are run with the agent in them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connectNacos } from '@lane/nacos-registry';
import { publishLaneGroups } from '@lane/storage';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { CLEAN, runProgram } from '@lane/testing';
import { LANE, runLane } from '@lane/testing/programs';

describe('completion in bash', () => {
  let nacos: EmbeddedNacos;
  const folder = mkdtempSync(join(tmpdir(), 'lane-shell-'));

  beforeAll(async () => {
    writeFileSync(join(folder, 'lane'), `#!/bin/sh\nexec '${process.execPath}' '${LANE}' "$@"\n`, { mode: 0o755 });
    nacos = await startEmbeddedNacos({ port: 0 });
    const connection = connectNacos({ server: nacos.address });
    const lanes = ['gray', 'green', 'blue'].map((name) => ({ name, tag: name }));
    await publishLaneGroups(connection, JSON.stringify({ version: 1, groups: [{ name: 'shop', services: ['a'], lanes }] }));
    await connection.register({ name: 'orders', group: 'DEFAULT_GROUP' }, { ip: '192.0.2.1', port: 1, ephemeral: false });
    await connection.close();
  });
  afterAll(async () => {
    await nacos.close();
    rmSync(folder, { recursive: true });
  });

  /** What bash offers for a line whose last word is being written. */
  async function offered(line: string, server = nacos.address): Promise<string[]> {
    const script = `eval "$(lane completion bash)"; COMP_LINE='${line}' COMP_POINT=${line.length} _lane_complete
printf '%s\\n' "\${COMPREPLY[@]}"; complete -p lane >/dev/null`;
    const env = { PATH: `${folder}:${process.env['PATH']}`, LANE_NACOS_SERVER: server };
    const { code, stdout, stderr } = await runProgram('bash', ['--norc', '-c', script], { env });
    expect([code, stderr]).toEqual([0, '']);
    return stdout.split('\n').filter((word) => word !== '');
  }

  test.each([
    ['lane st', ['status']],
    ['lane group ', ['apply', 'create', 'delete', 'history', 'list', 'rollback', 'show']],
    ['lane gateway export ', ['apisix', 'envoy', 'haproxy', 'higress', 'istio', 'nginx', 'spring-cloud-gateway']],
    ['lane create --fall', ['--fallback']],
    ['lane create --fallback ', ['base', 'none']],
    // bash has the option and the = already.
    ['lane create --fallback=n', ['none']],
    ['lane group show s', ['shop']],
    ['lane enable shop/g', ['shop/gray', 'shop/green']],
    ['lane explain --from ', ['orders']],
    ['lane run -- n', []],
    ['lane group apply ', []],
  ])('%j', async (line, words) => {
    expect(await offered(line)).toEqual(words);
  });

  test('queries the Nacos named on the line; without one it offers and prints nothing', async () => {
    expect(await offered(`lane disable --nacos ${nacos.address} shop/b`, '127.0.0.1:9')).toEqual(['shop/blue']);
    expect(await offered('lane disable shop/b', '127.0.0.1:9')).toEqual([]);
  });
});

describe('lane run', () => {
  const SHOW = 'console.log(globalThis[Symbol.for("lane.agent.v1")]?.runtime.options.tag, process.env.NODE_OPTIONS)';

  test('runs the command with the agent and a tag, and keeps existing options of Node', async () => {
    const { code, stdout, stderr } = await runLane(['run', '--tag', 'gray', '--', process.execPath, '-e', SHOW], {
      env: { NODE_OPTIONS: '--no-warnings' },
    });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^gray --no-warnings --require "?.*agent/);
  });

  test('exits like the command, by code and by signal, and forwards signals', async () => {
    expect((await runLane(['run', '--', process.execPath, '-e', 'process.exit(7)'])).code).toBe(7);
    expect((await runLane(['run', '--', process.execPath, '-e', 'process.kill(process.pid, "SIGKILL")'])).code).toBe(137);
    const app = 'process.on("SIGTERM", () => process.exit(5)); setInterval(() => {}, 1e6); console.log("up")';
    const child = spawn(process.execPath, [LANE, 'run', '--', process.execPath, '-e', app], { env: CLEAN, stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(createInterface(child.stdout), 'line');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([5, null]);
  });

  test('reports a missing command with the exit code of shells', async () => {
    const { code, stderr } = await runLane(['run', '--', 'no-such-command']);
    expect([code, stderr]).toEqual([127, "lane: no-such-command can't be run (ENOENT)\n"]);
  });
});
