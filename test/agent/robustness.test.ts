/** The agent runs in other people's processes: failures in it, or around it, never reach them. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { StatusReport } from '@lane/core/agent';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos } from '@lane/nacos-registry';
import { eventually } from '@lane/testing';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, type Peer, type Seen } from './peer.js';
import { AGENT, appFile, runApp, send, startApp } from './run-app.js';

let peer: Peer;
let folder: string;
beforeAll(async () => {
  peer = await startPeer();
  folder = await mkdtemp(join(tmpdir(), 'lane agent '));
});
afterAll(async () => {
  await peer.close();
  await rm(folder, { recursive: true });
});

function adminPortOf(app: Pick<Awaited<ReturnType<typeof startApp>>, 'stderr'>): Promise<string> {
  return eventually(() => {
    const found = /admin port is open host=\S+ port=(\d+)/.exec(app.stderr())?.[1];
    if (found === undefined) throw new Error('no admin port yet');
    return found;
  });
}

describe('a bug of ours', () => {
  test.each(['contextOf', 'read', 'wire', 'choose', 'allows', 'contextOf,wire,choose'])(
    'in %s: every request completes, and it is logged once',
    async (BREAK) => {
      const app = await startApp({
        script: 'echo.cjs',
        preload: ['break-hooks.cjs'],
        env: { BREAK, PEER: `http://127.0.0.1:${peer.port}/`, LANE_TAG: 'own' },
      });
      // Enough tagged ones in a row for a hook to disable itself.
      for (let i = 0; i < 130; i++) {
        const { status, body } = await send(app.port, '/', i >= 10 || i % 2 === 0 ? { baggage: 'lane=gray' } : {});
        expect(status).toBe(200);
        const answer = JSON.parse(body) as Record<string, Seen>;
        expect([answer['http']?.name, answer['fetch']?.name]).toEqual(['peer', 'peer']);
      }
      await app.stop();
      const lines = app
        .stderr()
        .split('\n')
        .filter((line) => line.startsWith('lane error:'));
      expect(lines.filter((line) => line.includes('a bug in the agent')).length).toBeGreaterThan(0);
      expect(new Set(lines).size).toBe(lines.length);
      expect(lines.some((line) => /failed 100 times in a row and is off/.test(line))).toBe(true);
    },
  );

  test.each(['answered', 'refused', 'finish', 'update', 'push', 'trouble'])(
    'in a listener for connections and lists (%s): the app calls a service by name, and survives',
    async (BREAK) => {
      const nacos = await startEmbeddedNacos({ port: 0 });
      const connection = connectNacos({ server: nacos.address });
      await connection.register({ name: 'stock', group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: peer.port });
      const app = await startApp({
        script: 'echo.cjs',
        preload: ['break-hooks.cjs'],
        env: { BREAK, PEER: 'http://stock/', LANE_NACOS_SERVER: nacos.address, LANE_SERVICES: 'stock' },
      });
      try {
        const answer = await eventually(async () => {
          const { status, body } = await send(app.port, '/', { baggage: 'lane=gray' });
          expect(status).toBe(200);
          return JSON.parse(body) as Record<string, Seen>;
        });
        // Without the list, a call goes where it would without the agent, where the name is unknown.
        if (['answered', 'refused', 'trouble'].includes(BREAK)) expect(answer['http']?.name).toBe('peer');
        expect((await send(app.port, '/')).status).toBe(200);
      } finally {
        await app.stop();
        await connection.close();
        await nacos.close();
      }
    },
  );

  test('in the admin port: it answers 500 and logs why, and the app keeps running', async () => {
    const app = await startApp({
      script: 'echo.cjs',
      preload: ['break-hooks.cjs'],
      env: { BREAK: 'memories', PEER: `http://127.0.0.1:${peer.port}/`, LANE_ADMIN_PORT: '0', LANE_LOG: 'info' },
    });
    const port = await adminPortOf(app);
    for (const path of ['/status', '/metrics', '/status']) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      expect([answer.status, await answer.text()]).toEqual([500, "The agent failed to answer; the app's log has the reason.\n"]);
    }
    expect((await fetch(`http://127.0.0.1:${port}/traffic`)).status).toBe(200);
    expect((await send(app.port, '/')).status).toBe(200);
    await app.stop();
    expect(app.stderr().match(/a bug in the agent's LANE_ADMIN_PORT hook/g)).toHaveLength(1);
  });

  test('in the adapter of an SDK: the app gets what the SDK returns, and the failure is counted under the name of the instrumentation', async () => {
    const nacos = await startEmbeddedNacos({ port: 0 });
    const connection = connectNacos({ server: nacos.address });
    const instances = [
      { ip: '127.0.0.1', port: 1001, metadata: {} },
      { ip: '127.0.0.1', port: 1002, metadata: { lane: 'gray' } },
    ];
    for (const instance of instances) await connection.register({ name: 'stock', group: 'DEFAULT_GROUP' }, instance);
    const app = await startApp({
      script: 'discovery.cjs',
      preload: ['break-hooks.cjs'],
      env: { BREAK: 'tagOf', SDK: 'nacos', NACOS: nacos.address, NAMESPACE: 'public', LANE_ADMIN_PORT: '0', LANE_LOG: 'info' },
    });
    try {
      for (let i = 0; i < 130; i++) {
        const { status, body } = await send(app.port, '/metadata?service=stock', { baggage: 'lane=gray' });
        expect(status).toBe(200);
        expect((JSON.parse(body) as Array<{ port: number }>).map(({ port }) => port).sort((a, b) => a - b)).toEqual([1001, 1002]);
      }
      const port = await adminPortOf(app);
      const status = (await (await fetch(`http://127.0.0.1:${port}/status`)).json()) as StatusReport;
      expect(status.instrumentations.find(({ name }) => name === 'nacos')).toMatchObject({ state: 'failed' });
      expect(status.instrumentations.find(({ name }) => name === 'nacos')?.failures).toBeGreaterThanOrEqual(100);
      expect(app.stderr().match(/a bug in the agent's nacos view hook/g)).toHaveLength(1);
      expect(app.stderr()).toContain('nacos view hook failed 100 times in a row and is off');
    } finally {
      await app.stop();
      await connection.close();
      await nacos.close();
    }
  });
});

describe.each(nodeVersions())('$name', ({ path: node, major }) => {
  test('an app that has nacos bundled into its file is told what to do, and others are not', async () => {
    const bundle = join(folder, `bundle-${major}.cjs`);
    const entry = {
      contents: "require('nacos'); require('node:http').createServer().listen(0, function () { this.close(); });",
      resolveDir: __dirname,
    };
    await build({
      stdin: entry,
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      logLevel: 'silent',
      minify: true,
      external: ['proxy-agent'],
    });
    const { code, stderr } = await runApp({ node, script: bundle });
    expect(code).toBe(0);
    expect(stderr).toMatch(/^lane warn: nacos is bundled into the app's own file.*external: \['nacos'\] for esbuild.*file=.*bundle/);

    const asksItself = { ...entry, contents: `console.log("/nacos/v1/ns/instance/list"); ${entry.contents}` };
    await build({ stdin: asksItself, outfile: bundle, bundle: true, platform: 'node', format: 'cjs', logLevel: 'silent', external: ['nacos'] });
    expect((await runApp({ node, script: bundle, env: { NODE_PATH: join(__dirname, '../node_modules') } })).stderr).toBe('');
  });

  test('a process ends by itself when the app is done, and the agent logs nothing', async () => {
    for (const load of ['--require', '--import', 'NODE_OPTIONS'] as const) {
      expect(await runApp({ node, script: 'done.cjs', load })).toEqual({ code: 0, stdout: 'served\n', stderr: '' });
    }
    // With an address to connect to where nothing listens.
    const { code, stdout } = await runApp({ node, script: 'done.cjs', env: { LANE_NACOS_SERVER: '127.0.0.1:1', LANE_LOG: 'silent' } });
    expect([code, stdout]).toEqual([0, 'served\n']);
  });

  test.each(['broken.cjs', 'throws.cjs'])('%s fails as it would without the agent', async (script) => {
    const without = await runApp({ node, script, load: 'none' });
    const withAgent = await runApp({ node, script });
    expect(withAgent.code).toBe(without.code);
    const firstLines = (text: string): string => text.split('\n').slice(0, 5).join('\n');
    expect(firstLines(withAgent.stderr)).toBe(firstLines(without.stderr));
  });

  test('worker threads and forked processes get the agent through NODE_OPTIONS, with a space in its path', async () => {
    const spaced = join(folder, 'a b', 'register.js');
    await mkdir(join(folder, 'a b'), { recursive: true });
    await cp(join(AGENT, '..'), join(folder, 'a b'), { recursive: true });
    expect(JSON.parse((await runApp({ node, script: 'worker.cjs', load: 'NODE_OPTIONS', agent: spaced })).stdout)).toEqual({
      main: true,
      all: [true, true, true],
    });
  });

  test('the second of two copies in one process does nothing', async () => {
    await cp(join(AGENT, '..'), folder, { recursive: true });
    const copy = join(folder, 'register.js');
    const app = await startApp({ node, script: 'echo.cjs', nodeArgs: ['--require', copy], env: { PEER: `http://127.0.0.1:${peer.port}/` } });
    const answer = JSON.parse((await send(app.port, '/', { baggage: 'lane=gray' })).body) as { lane: string; http: Seen; fetch: Seen };
    expect([answer.lane, answer.http.baggage, answer.fetch.baggage, app.stderr()]).toEqual(['gray', ['lane=gray'], ['lane=gray'], '']);
    await app.stop();
  });

  test.runIf(major >= 24)('under --permission it works if its path is readable', async () => {
    const { code, stdout, stderr } = await runApp({ node, script: 'done.cjs', nodeArgs: ['--permission', '--allow-fs-read=*'] });
    expect([code, stdout, stderr]).toEqual([0, 'served\n', '']);
  });
});

test('on a Node that is too old, the app runs, and one line says that it has no lanes', async () => {
  const { code, stdout, stderr } = await runApp({ script: 'done.cjs', nodeArgs: ['--require', appFile('old-node.cjs')] });
  expect([code, stdout]).toEqual([0, 'served\n']);
  expect(stderr).toBe('lane: Node v18.20.4 is not supported, the app runs without lanes; Node 20.19 or later is needed\n');
});

test('package managers started with the same NODE_OPTIONS are unaffected', async () => {
  const env = { ...process.env, NODE_OPTIONS: `--require ${JSON.stringify(AGENT)}`, LANE_LOG: 'debug', LANE_TAG: 'not a tag' };
  const { stdout, stderr } = await promisify(execFile)('npm', ['--version'], { env });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(stderr).not.toContain('lane');
});
