/**
 * What a user installs: packs every package, installs the tarballs in an empty folder outside the workspace, and uses them
 * from CommonJS, from an ES module, and through NODE_OPTIONS.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = join(__dirname, '../..');

let folder: string;
/** The output of `npm run pack`. */
let told: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  // A space in the path: NODE_OPTIONS and resolution must support it.
  folder = await mkdtemp(join(tmpdir(), 'lane packed '));
  told = (await run(process.execPath, ['scripts/run.mjs', 'pack', folder], { cwd: root })).stdout;
  // @lane/testing is private.
  const packages = (await readdir(join(root, 'packages'))).filter((name) => name !== 'testing');
  const tarballs = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  expect(tarballs).toHaveLength(packages.length);
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', private: true }));
  await run('npm', ['install', '--no-audit', '--no-fund', ...tarballs.map((name) => `./${name}`), 'express@5'], { cwd: folder });

  const body = `
    const peer = http.createServer((request, response) => response.end(String(request.headers.baggage)));
    peer.listen(0, '127.0.0.1', () => {
      const app = http.createServer(async (request, response) => {
        await null;
        const heard = await (await fetch('http://127.0.0.1:' + peer.address().port)).text();
        response.end(JSON.stringify({ lane: currentLane() ?? null, seenByCommonJs: requireCore().currentLane() ?? null, heard }));
      });
      app.listen(0, '127.0.0.1', () => process.send({ port: app.address().port }));
    });
    process.on('disconnect', () => process.exit());`;
  await writeFile(
    join(folder, 'app.cjs'),
    `const http = require('node:http'); const { currentLane } = require('@lane/core'); const requireCore = () => require('@lane/core');${body}`,
  );
  await writeFile(
    join(folder, 'app.mjs'),
    `import http from 'node:http'; import { createRequire } from 'node:module'; import { currentLane } from '@lane/core';
     const requireCore = () => createRequire(import.meta.url)('@lane/core');${body}`,
  );
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

async function ask(args: string[], env: Record<string, string>, tag: string | undefined): Promise<unknown> {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  children.add(child);
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const outcome = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as unknown[];
  const port = (outcome[0] as { port?: number } | null)?.port;
  if (port === undefined) throw new Error(`the app ended before it served: ${stderr}`);
  const answer = await (await fetch(`http://127.0.0.1:${port}/`, tag === undefined ? {} : { headers: { baggage: `user=42,lane=${tag}` } })).json();
  child.kill();
  expect(stderr).toBe('');
  return answer;
}

describe.each([
  ['a CommonJS app, --require', ['--require', '@lane/agent', 'app.cjs'], {}],
  ['an ES module app, --require', ['--require', '@lane/agent', 'app.mjs'], {}],
  ['an ES module app, --import', ['--import', '@lane/agent', 'app.mjs'], {}],
  ['an app under NODE_OPTIONS', ['app.cjs'], { NODE_OPTIONS: '--require @lane/agent' }],
  ['an app under NODE_OPTIONS by path', ['app.mjs'], { NODE_OPTIONS: '--require "./node_modules/@lane/agent/dist/register.js"' }],
])('%s, from the packed packages', (_name, args, env) => {
  test('carries the tag, and app and agent share their state', async () => {
    expect(await ask(args, env, 'gray')).toEqual({ lane: 'gray', seenByCommonJs: 'gray', heard: 'lane=gray' });
  });
  test('leaves an untagged request untagged', async () => {
    expect(await ask(args, env, undefined)).toEqual({ lane: null, seenByCommonJs: null, heard: 'undefined' });
  });
});

test('the printed command installs the agent alone, in an empty folder, in less than 2 MB', async () => {
  const [install = '', start = ''] = told.split('\n').flatMap((line) => (/^ {4}(?:npm install|node) /.test(line) ? [line.trim()] : []));
  const empty = await mkdtemp(join(tmpdir(), 'lane empty '));
  try {
    await run(`${install} --no-audit --no-fund`, { cwd: empty, shell: true });
    expect((await readdir(join(empty, 'node_modules/@lane'))).sort()).toEqual(['agent', 'core', 'kubernetes-registry', 'nacos-registry', 'storage']);
    await writeFile(join(empty, 'app.js'), 'console.log(require("@lane/core").currentLane() ?? "none")');
    expect(await run(`${start}`, { cwd: empty, shell: true, env: { ...process.env, NODE_OPTIONS: '', LANE_TAG: 'gray' } })).toMatchObject({
      stdout: 'gray\n',
      stderr: '',
    });
    await writeFile(join(empty, 'lane.yaml'), 'tag: blue\n');
    expect(await run(`${start}`, { cwd: empty, shell: true, env: { ...process.env, NODE_OPTIONS: '', LANE_CONFIG: 'lane.yaml' } })).toMatchObject({
      stdout: 'blue\n',
      stderr: '',
    });
    const files = await readdir(join(empty, 'node_modules'), { recursive: true });
    const sizes = await Promise.all(files.map((file) => stat(join(empty, 'node_modules', file))));
    expect(sizes.reduce((sum, each) => sum + (each.isFile() ? each.size : 0), 0)).toBeLessThan(2_000_000);
  } finally {
    await rm(empty, { recursive: true, force: true });
  }
});

test('the demo runs from the tarballs, outside a clone', async () => {
  expect(told).toMatch(/^ {4}npx @lane\/cli demo$/m);
  const { stdout } = await run('npx', ['--no-install', '@lane/cli', 'demo', '--check', '--ports', 'auto', '--replicas', '1'], { cwd: folder });
  expect(stdout).toContain('installing express and nacos');
  expect(stdout).toMatch(/www\.aliyundoc\.com: 101 of 101 right\nwww\.example\.com: 101 of 101 right/);
});

test('the command is installed and prints its help', async () => {
  const { stdout } = await run(join(folder, 'node_modules/.bin/lane'), ['--help'], { cwd: folder });
  expect(stdout).toMatch(/Usage: lane/);
});

test('every package can be loaded from CommonJS and from an ES module with named imports', async () => {
  const named: Record<string, string> = {
    '@lane/core': 'currentLane',
    '@lane/core/model': 'route',
    '@lane/core/rules': 'parseLaneGroups',
    '@lane/core/agent': 'readAgentOptions',
    '@lane/storage': 'watchLaneGroups',
    '@lane/nacos-registry': 'connectNacos',
    '@lane/embedded-nacos': 'startEmbeddedNacos',
    '@lane/kubernetes-registry': 'KubernetesRegistry',
    '@lane/express-plugin': 'lane',
    '@lane/gateway': 'startGateway',
    '@lane/cli': 'startDemo',
  };
  for (const [name, binding] of Object.entries(named)) {
    const required = await run(process.execPath, ['-e', `console.log(typeof require(${JSON.stringify(name)})[${JSON.stringify(binding)}])`], {
      cwd: folder,
    });
    expect([name, required.stdout.trim()]).toEqual([name, 'function']);
    const script = join(folder, 'named.mjs');
    await writeFile(script, `import { ${binding} } from ${JSON.stringify(name)}; console.log(typeof ${binding});`);
    const imported = await run(process.execPath, [script], { cwd: folder });
    expect([name, imported.stdout.trim()]).toEqual([name, 'function']);
  }
});

test('no tarball carries sources, tests or build leftovers', async () => {
  for (const name of await readdir(join(folder, 'node_modules/@lane'))) {
    const files = (await readdir(join(folder, 'node_modules/@lane', name), { recursive: true })).filter((file) => !file.includes('node_modules'));
    expect(files.filter((file) => /\.test\.|tsbuildinfo|(^|\/)src\//.test(file))).toEqual([]);
    const { license } = JSON.parse(await readFile(join(folder, 'node_modules/@lane', name, 'package.json'), 'utf8')) as { license: string };
    expect([name, license]).toEqual([name, 'Apache-2.0']);
  }
});
