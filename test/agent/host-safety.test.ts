/** The app beside which the agent runs ends, fails, and is told of things as it would be without: whatever is wrong in the agent, or with the machine. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLEAN, runProgram, type Result } from '@lane/testing';
import { transformSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeFaultyAgent } from './faulty-agent.js';
import { nodeVersions } from './nodes.js';
import { AGENT, appFile } from './run-app.js';

const folder = mkdtempSync(join(tmpdir(), 'lane host '));
let faulty: string;
beforeAll(() => void (faulty = makeFaultyAgent(folder)));
afterAll(() => rmSync(folder, { recursive: true }));

/** Hooks that a round must have passed; those that it did not pass would show nothing. */
const PASSED = [
  'grpc-client call',
  'grpc-client destination',
  'grpc-client sibling',
  'http-client destination',
  'http-client headers',
  'http-create-connection destination',
  'http-server',
  'http2-client destination',
  'http2-client headers',
  'http2-server',
  'installation of undici',
  'socket',
  'traffic',
  'undici',
  'undici destination',
  'undici handler',
  'undici headers',
  'undici substitute',
  'undici tries',
];

/** How a life is led: with what options of Node, of the agent, and of a shell around it. */
interface Conditions {
  readonly node: string;
  readonly life: string;
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Said in a shell before, such as `ulimit -n 30`. */
  readonly shell?: string;
}

function live({ node, life, nodeArgs = [], env = {}, shell }: Conditions, agent: readonly string[]): Promise<Result> {
  const args = [...nodeArgs, ...agent, appFile('host/life.cjs'), life];
  const surroundings = { cwd: __dirname, env: { ...CLEAN, NODE_OPTIONS: '', ...env } };
  return shell === undefined
    ? runProgram(node, args, surroundings)
    : runProgram('sh', ['-c', `${shell}; exec "$0" "$@"`, node, ...args], surroundings);
}

/** What is the same on both sides: of stacks, the frames that are neither ours nor Node's, as ours take the place of some. */
function comparable({ code, stdout, stderr }: Result): object {
  const own = stderr.split('\n').filter((line) => !/^\s+at /.test(line) || line.includes('life.cjs'));
  return { code, stdout, stderr: own.join('\n').replace(/\(node:\d+\)/g, '(node)') };
}

async function expectTheSame(conditions: Conditions): Promise<Result> {
  const without = await live(conditions, []);
  const withAgent = await live(conditions, ['--require', AGENT]);
  expect(comparable(withAgent)).toEqual(comparable(without));
  return withAgent;
}

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test('each hook may fail, before its work and after it: every call by every client is answered as before', async () => {
    const { stdout, stderr } = await runProgram(node, ['--require', faulty, appFile('host/all-clients.cjs')], {
      cwd: __dirname,
      env: { ...CLEAN, NODE_OPTIONS: '', LANE_ADMIN_PORT: '0', LANE_LOG: 'silent' },
    });
    const { names, broken } = JSON.parse(stdout) as { names: string[]; broken: string[] };
    expect(broken).toEqual([]);
    expect(names).toEqual(expect.arrayContaining(PASSED));
    expect(stderr.replaceAll(/^.*(?:NODE_TLS_REJECT|trace-warnings).*\n/gm, '')).toBe('');
  });

  test.each([
    'exits by a code',
    'ends with a code',
    'throws in a request',
    'rejects in a request',
    'catches what nobody caught',
    'is ended by a signal',
    'ends in good order at a signal',
    'looks who listens',
    'has worker threads',
    'is a cluster',
  ])('an app that %s', async (life) => {
    // With warnings as errors: the agent gives none.
    await expectTheSame({ node, life, nodeArgs: ['--throw-deprecation', '--trace-warnings'], env: { NODE_NO_WARNINGS: '' } });
  });

  test('an app without descriptors, without memory, without DNS', async () => {
    const { stdout } = await expectTheSame({ node, life: 'has no descriptors left', shell: 'ulimit -n 64' });
    expect(stdout).toMatch(/^EMFILE\n[\s\S]*served\n$/);
    await expectTheSame({ node, life: 'has little memory', nodeArgs: ['--max-old-space-size=40'] });
    const nameless = { LANE_NACOS_SERVER: 'nacos.invalid:8848', LANE_LOG: 'silent', LANE_SERVICES: 'other' };
    await expectTheSame({ node, life: 'has no DNS', nodeArgs: ['--require', appFile('host/no-dns.cjs')], env: nameless });
  });
});

describe('a disk that takes nothing, and options that are none', () => {
  const node = process.execPath;
  const served = { node, life: 'ends with a code' };

  test.each([
    ['a full disk', { shell: 'ulimit -f 0', env: { LANE_SNAPSHOT_DIR: folder } }],
    ['a folder that is a file', { env: { LANE_SNAPSHOT_DIR: __filename } }],
    ['a folder that nobody may write to', { env: { LANE_SNAPSHOT_DIR: '/proc/lane' } }],
  ] as const)('%s for snapshots', async (_, conditions) => {
    await expectTheSame({ ...served, ...conditions, env: { ...conditions.env, LANE_NACOS_SERVER: '127.0.0.1:1', LANE_LOG: 'silent' } });
  });

  test.each([
    ['missing', () => join(folder, 'missing.yaml'), "can't be read"],
    ['a folder', () => folder, "can't be read"],
    ['garbage', () => file('garbage.yaml', '\0\x07: [\n\t- }'), "can't be read"],
    ['garbage in JSON', () => file('garbage.json', '{"log'), "can't be read"],
    ['empty', () => file('empty.yaml', ''), "can't be used"],
  ] as const)('LANE_CONFIG that is %s: one line, and the app as ever', async (_, path, told) => {
    const without = await live(served, []);
    const { code, stdout, stderr } = await live({ ...served, env: { LANE_CONFIG: path() } }, ['--require', AGENT]);
    expect([code, stdout]).toEqual([without.code, without.stdout]);
    expect(stderr).toContain(told);
    expect(stderr).toMatch(/^lane error: LANE_CONFIG=[^\n]+\n$/);
  });

  function file(name: string, text: string): string {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  }
});

test('the preload parses on a Node of any age, and looks at its version before the agent is read', () => {
  const text = readFileSync(AGENT, 'utf8');
  const told = (target: string): string => transformSync(text, { target, minifyWhitespace: true }).code;
  expect(told('es2015')).toBe(told('esnext'));
  const old = join(folder, 'old');
  mkdirSync(old, { recursive: true });
  cpSync(AGENT, join(old, 'register.js'));
  // What an old Node can't parse.
  writeFileSync(join(old, 'agent.js'), 'a ??');
  const said = execFileSync(process.execPath, ['--require', appFile('old-node.cjs'), '--require', join(old, 'register.js'), appFile('done.cjs')], {
    env: { ...CLEAN, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  expect(said.toString()).toBe('served\n');
});
