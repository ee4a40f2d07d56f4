/** The content of the images, run as in a pod: installed by the init container, preloaded by the app, asked to drain. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '@lane/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const IMAGE = join(__dirname, '../image');
const PACKAGES = join(__dirname, '../..');

let folder: string;
let image: string;
let volume: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lane-image-'));
  image = join(folder, 'opt/lane');
  volume = join(folder, 'lane');
  mkdirSync(volume);
  // As in the Dockerfile.
  for (const name of ['core', 'nacos-registry', 'kubernetes-registry', 'agent']) {
    for (const file of ['dist', 'package.json'])
      cpSync(join(PACKAGES, name, file), join(image, 'node_modules/@lane/agent', name === 'agent' ? '' : `node_modules/@lane/${name}`, file), {
        recursive: true,
      });
  }
  for (const file of ['register.cjs', 'drain.cjs', 'install.sh']) cpSync(join(IMAGE, file), join(image, file));
});
afterAll(() => rmSync(folder, { recursive: true }));

const install = (to = volume): Promise<unknown> => run('sh', [join(image, 'install.sh'), to]);
const node = (script: string, env: Record<string, string> = {}, from = volume): Promise<{ stdout: string; stderr: string }> =>
  run(process.execPath, ['-e', script], { env: { PATH: process.env['PATH'], NODE_OPTIONS: `--require ${from}/register.cjs`, ...env } });
const SHOW_AGENT = "console.log(globalThis[Symbol.for('lane.agent.v1')]?.runtime.options.tag)";

test('the agent is installed into the volume, idempotently, and runs in the app', async () => {
  await install();
  await install();
  expect(readdirSync(volume).toSorted()).toEqual(['drain.cjs', 'node_modules', 'register.cjs']);
  expect((await node(SHOW_AGENT, { LANE_TAG: 'gray' })).stdout).toBe('gray\n');
});

test('the Dockerfile copies only existing files', () => {
  const copied =
    /cp (packages\/kubernetes\/image\/\S+ )+/
      .exec(readFileSync(join(IMAGE, 'Dockerfile'), 'utf8'))?.[0]
      .trim()
      .split(' ')
      .slice(1) ?? [];
  expect(copied.map((file) => file.slice('packages/kubernetes/image/'.length)).toSorted()).toEqual(['drain.cjs', 'install.sh', 'register.cjs']);
});

test('if the agent is only partly copied, the app starts and says why it has no lanes', async () => {
  const part = join(folder, 'part');
  mkdirSync(part);
  await install(part);
  rmSync(join(part, 'node_modules'), { recursive: true });
  const { stdout, stderr } = await node(SHOW_AGENT, {}, part);
  expect(stdout).toBe('undefined\n');
  expect(stderr).toMatch(/^lane: the agent in .*part can not be loaded, the app runs without lanes: Cannot find module/);
});

test('the init container fails if even the file in NODE_OPTIONS could not be copied: the app would not start', async () => {
  const readOnly = join(folder, 'missing/lane');
  await expect(install(readOnly)).rejects.toMatchObject({ code: 1 });
});

test('the pre-stop hook drains the app within the given time, and does not start its own agent', async () => {
  const app = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); process.send("up")'], {
    env: { PATH: process.env['PATH'], NODE_OPTIONS: `--require ${volume}/register.cjs`, LANE_ADMIN_PORT: '0', LANE_LOG: 'info' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  try {
    const [open] = (await once(app.stderr as NodeJS.ReadableStream, 'data')) as [Buffer];
    let said = open.toString();
    app.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    while (!said.includes('the admin port is open')) await once(app.stderr as NodeJS.ReadableStream, 'data');
    const port = /"?port"?[=: ]+(\d+)/.exec(said)?.[1] as string;
    const env = { PATH: process.env['PATH'], NODE_OPTIONS: `--require ${volume}/register.cjs`, LANE_ADMIN_PORT: port };
    const { stdout, stderr } = await run(process.execPath, [join(volume, 'drain.cjs'), '2'], { env });
    expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' });
    const status = (await (await fetch(`http://127.0.0.1:${port}/status`)).json()) as { drain: { state: string } };
    expect(status.drain.state).toBe('drained');
  } finally {
    app.kill();
  }
});

test('the pre-stop hook fails with the reason if the app cannot be reached', async () => {
  const env = { PATH: process.env['PATH'], LANE_ADMIN_PORT: String(await freePort()) };
  await expect(run(process.execPath, [join(volume, 'drain.cjs')], { env })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('ECONNREFUSED'),
  });
});
