/**
 * Ways of loading the agent and the app. Each app gets 51 concurrent requests of three kinds, and answers with what node:http and fetch
 * carried after a late body. Package managers with the same NODE_OPTIONS print the same as without.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from 'vitest';
import type { NodeVersion } from '../agent/nodes.js';
import { startPeer, type Peer } from '../agent/peer.js';
import { AGENT, openRequest, startApp, type App, type AppOptions } from '../agent/run-app.js';
import { freePort } from '@lane/testing/ports';
import { matrix, type Row } from './table.js';

interface LoadingRow extends Row {
  /** How to start the app. */
  readonly app?: () => Partial<AppOptions> | Promise<Partial<AppOptions>>;
  /** Instead of an app: a package manager and its arguments. */
  readonly manager?: readonly string[];
  /** Its instances have this tag and LANE_STAMP, from options that come with the app. */
  readonly stamp?: string;
}

const load = createRequire(join(__dirname, 'loading.test.ts'));
const app = (name: string): string => `../../matrix/apps/loading/${name}`;
const folder = mkdtempSync(join(tmpdir(), 'lane loading-'));
const agentFolder = dirname(dirname(AGENT));

/** The agent in a folder with a space in its path. */
function spacedAgent(): string {
  const linked = join(folder, 'the agent');
  rmSync(linked, { force: true });
  symlinkSync(agentFolder, linked);
  return join(linked, 'dist/register.js');
}

/** A second copy of the agent, as if another version had been installed beside the first. */
function copiedAgent(): string {
  const copy = join(folder, 'copy');
  mkdirSync(copy, { recursive: true });
  cpSync(join(agentFolder, 'dist'), join(copy, 'dist'), { recursive: true });
  writeFileSync(join(copy, 'package.json'), readFileSync(join(agentFolder, 'package.json')));
  return join(copy, 'dist/register.js');
}

const MODULE = join(__dirname, 'apps/loading/module.mjs');

/** The app bundled into one file. */
async function bundled(bundler: 'esbuild' | 'webpack' | 'rollup'): Promise<Partial<AppOptions>> {
  const outfile = join(folder, `${bundler}.cjs`);
  if (bundler === 'esbuild') {
    const { build } = load('esbuild') as typeof import('esbuild');
    await build({ entryPoints: [MODULE], outfile, bundle: true, platform: 'node', format: 'cjs', logLevel: 'silent' });
  } else if (bundler === 'rollup') {
    const { rollup } = load('rollup') as typeof import('rollup');
    const built = await rollup({ input: MODULE, external: [/^node:/] });
    await built.write({ file: outfile, format: 'cjs' });
  } else {
    const { webpack } = load('webpack') as {
      webpack: (options: object) => { run(done: (error: Error | null, stats?: { hasErrors(): boolean; toString(): string }) => void): void };
    };
    const compiler = webpack({ mode: 'production', target: 'node', entry: MODULE, output: { path: folder, filename: `${bundler}.cjs` } });
    await new Promise<void>((resolve, reject) =>
      compiler.run((error, stats) => (error !== null || stats?.hasErrors() ? reject(error ?? new Error(String(stats))) : resolve())),
    );
  }
  return { script: outfile };
}

const MODULE_REGISTER = { nodeArgs: ['--import', load.resolve('tsx')] };
const ROWS: readonly LoadingRow[] = [
  { name: 'CommonJS, --require', app: () => ({ script: app('common.cjs') }) },
  { name: 'CommonJS, --import', app: () => ({ script: app('common.cjs'), load: '--import' }) },
  { name: 'CommonJS, NODE_OPTIONS', app: () => ({ script: app('common.cjs'), load: 'NODE_OPTIONS' }) },
  { name: 'NODE_OPTIONS, a path with spaces', app: () => ({ script: app('common.cjs'), load: 'NODE_OPTIONS', agent: spacedAgent() }) },
  { name: 'ES module, --require', app: () => ({ script: app('module.mjs') }) },
  { name: 'ES module, --import', app: () => ({ script: app('module.mjs'), load: '--import' }) },
  { name: 'ES module, NODE_OPTIONS', app: () => ({ script: app('module.mjs'), load: 'NODE_OPTIONS' }) },
  { name: 'ES module and CommonJS mixed', app: () => ({ script: app('mixed.mjs') }) },
  { name: 'dynamic import', app: () => ({ script: app('dynamic.cjs') }) },
  { name: 'tsx', dependency: 'tsx', app: () => ({ script: app('typed.cts'), load: 'NODE_OPTIONS', ...MODULE_REGISTER }) },
  {
    name: 'ts-node',
    dependency: 'ts-node',
    app: () => ({
      script: app('typed.ts'),
      load: 'NODE_OPTIONS',
      nodeArgs: ['--require', load.resolve('ts-node/register/transpile-only')],
      env: { TS_NODE_COMPILER: load.resolve('typescript5'), TS_NODE_SKIP_PROJECT: 'true', TS_NODE_COMPILER_OPTIONS: '{"module":"commonjs"}' },
    }),
  },
  {
    name: 'swc',
    dependency: '@swc-node/register',
    app: () => ({ script: app('typed.ts'), load: 'NODE_OPTIONS', nodeArgs: ['--require', load.resolve('@swc-node/register')] }),
  },
  { name: "Node's own type stripping", app: () => ({ script: app('typed.cts') }), not: { 20: 'Node 20 does not strip types' } },
  { name: 'bundled by esbuild', dependency: 'esbuild', app: () => bundled('esbuild') },
  { name: 'bundled by webpack', dependency: 'webpack', app: () => bundled('webpack') },
  { name: 'bundled by rollup', dependency: 'rollup', app: () => bundled('rollup') },
  { name: 'worker_threads, a file', app: () => ({ script: app('worker.cjs'), args: ['file'] }) },
  { name: 'worker_threads, eval', app: () => ({ script: app('worker.cjs'), args: ['eval'] }) },
  { name: 'child_process.fork', app: () => ({ script: app('child.cjs'), args: ['fork'] }) },
  { name: 'child_process.spawn, NODE_OPTIONS', app: () => ({ script: app('child.cjs'), args: ['spawn'], load: 'NODE_OPTIONS' }) },
  { name: 'cluster', app: async () => ({ script: app('cluster.cjs'), env: { PORT: String(await freePort()) } }) },
  { name: 'pm2', dependency: 'pm2', app: async () => ({ script: app('pm2.cjs'), load: 'NODE_OPTIONS', env: { PORT: String(await freePort()) } }) },
  {
    name: 'pm2, cluster mode',
    dependency: 'pm2',
    stamp: 'canary',
    app: async () => ({ script: app('pm2.cjs'), args: ['cluster'], load: 'none', env: { PORT: String(await freePort()), AGENT } }),
  },
  {
    name: 'two copies of the agent',
    app: () => ({ script: app('common.cjs'), load: 'none', nodeArgs: ['--require', AGENT, '--require', copiedAgent()] }),
  },
  { name: 'npm', manager: ['npm'] },
  { name: 'pnpm', dependency: 'pnpm', manager: ['pnpm/bin/pnpm.cjs'] },
  { name: 'yarn', dependency: 'yarn', manager: ['yarn/bin/yarn.js'] },
];

const KINDS = ['gray', 'blue', undefined];
const REQUESTS = 51;

let peer: Peer;
beforeAll(async () => void (peer = await startPeer()));
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await peer?.close();
});

matrix('Loading', ROWS, async (row, node) => {
  if (row.manager !== undefined) {
    await saysTheSame(row.manager, node);
    return;
  }
  const options = await row.app?.();
  const started = await startApp({ script: '', node: node.path, ...options, env: { PEER: `http://127.0.0.1:${peer.port}/`, ...options?.env } });
  try {
    expect((await interleaved(started, row.stamp)).slice(0, 10)).toEqual([]);
    expect(started.stderr()).toBe('');
  } finally {
    await started.stop();
  }
});

async function interleaved(to: App, stamp: string | undefined): Promise<string[]> {
  const requests = Array.from({ length: REQUESTS }, (_, i) => {
    const tag = KINDS[i % 3];
    return { tag, request: openRequest(to.port, '/', tag === undefined ? {} : { baggage: `lane=${tag}` }) };
  });
  await to.heard('request', REQUESTS);
  const wrong: string[] = [];
  for (const { tag, request } of requests) {
    const { body } = await request.end();
    const lane = tag ?? stamp;
    const expected = lane === undefined ? '' : `lane=${lane}`;
    if (body !== `${expected}|${expected}`) wrong.push(`${tag ?? 'no tag'}: ${body}`);
  }
  return wrong;
}

/** Runs a package's script, which must print the same as without the agent. */
async function saysTheSame([manager]: readonly string[], node: NodeVersion): Promise<void> {
  const place = join(folder, `managed by ${(manager as string).replaceAll('/', ' ')} ${node.major}`);
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name: 'shop', version: '1.0.0', scripts: { hello: 'node -p 1+1' } }));
  const npm = process.env['npm_execpath'] ?? join(dirname(dirname(process.execPath)), 'lib/node_modules/npm/bin/npm-cli.js');
  const cli = manager === 'npm' ? npm : join(__dirname, 'node_modules', manager as string);
  const run = async (options: string): Promise<{ stdout: string; stderr: string }> => {
    const { stdout, stderr } = await promisify(execFile)(node.path, [cli, 'run', 'hello'], {
      cwd: place,
      env: {
        ...process.env,
        NODE_OPTIONS: options,
        PATH: `${dirname(node.path)}:${process.env['PATH']}`,
        npm_config_manage_package_manager_versions: 'false',
        // They tell of a new version of theirs in one run, and not in the next.
        npm_config_update_notifier: 'false',
      },
    });
    // Remove the duration.
    return { stdout: stdout.replaceAll(/Done in .*/g, ''), stderr };
  };
  expect(await run(`--require ${JSON.stringify(AGENT)}`)).toEqual(await run(''));
}
