/** Bun and Deno: the agent, which cannot patch them, stays inactive and says so; the plugin, which patches nothing, keeps lanes apart. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AGENT } from '../agent/run-app.js';
import { versionOf } from './table.js';

const RUNTIMES = [
  { name: 'Bun', dependency: '@oven/bun-linux-x64', binary: 'bin/bun', run: ['run'], preload: '--preload=' },
  { name: 'Deno', dependency: '@deno/linux-x64-glibc', binary: 'deno', run: ['run', '--allow-all', '--no-check'], preload: '--preload=' },
];

let home: string;
beforeAll(async () => void (home = await mkdtemp(join(tmpdir(), 'lane-runtimes-'))));
afterAll(() => rm(home, { recursive: true, force: true }));

/** Runs an app to its end. Both keep caches in the home folder. */
async function run(runtime: (typeof RUNTIMES)[number], preload: readonly string[], script: string): Promise<{ stdout: string; stderr: string }> {
  const path = join(__dirname, 'node_modules', runtime.dependency, runtime.binary);
  const args = [...runtime.run, ...preload.map((file) => runtime.preload + file), resolve(__dirname, 'apps/runtimes', script)];
  const env = { PATH: process.env['PATH'], HOME: home, NO_COLOR: '1', LANE_TAG: 'gray' };
  const { stdout, stderr } = await promisify(execFile)(path, args, { env });
  return { stdout, stderr };
}

for (const runtime of RUNTIMES) {
  const { name, dependency, binary } = runtime;
  const isThere = existsSync(join(__dirname, 'node_modules', dependency, binary));
  describe.skipIf(!isThere && process.env['CI'] === undefined)(name, () => {
    test('the app runs as without the agent, and one line says that it has no lanes, with the remedy', async () => {
      const { stdout, stderr } = await run(runtime, [AGENT], 'plugin.cjs');
      expect(JSON.parse(stdout)).toEqual({ asked: 51, wrong: [] });
      expect(stderr).toBe(
        `lane: ${name} ${versionOf(dependency)} is not supported, the app runs without lanes: run it on Node, or keep the lane with @lane/express-plugin or @lane/core\n`,
      );
    });

    test('so does a single-file app without a package.json', async () => {
      const script = join(home, 'app.cjs');
      await writeFile(script, `console.log('runs');`);
      const { stdout, stderr } = await run(runtime, [AGENT], script);
      expect(stdout).toBe('runs\n');
      expect(stderr).toMatch(new RegExp(`^lane: ${name} .* is not supported, the app runs without lanes: .*\n$`));
    });

    test('with @lane/express-plugin, 51 concurrent requests of three kinds keep their lanes', async () => {
      const { stdout, stderr } = await run(runtime, [], 'plugin.cjs');
      expect(JSON.parse(stdout)).toEqual({ asked: 51, wrong: [] });
      expect(stderr).toBe('');
    });
  });
}
