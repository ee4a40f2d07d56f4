/** With the agent, an app ends, fails and is notified as without it, whatever goes wrong in the agent or on the machine. */
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

/** Hooks that a round must have called; the others would prove nothing. */
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

/** The conditions of a life: options of Node, of the agent, and of a shell around it. */
interface Conditions {
  readonly node: string;
  readonly life: string;
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A shell command to run first, such as `ulimit -n 30`. */
  readonly shell?: string;
}

function live({ node, life, nodeArgs = [], env = {}, shell }: Conditions, agent: readonly string[]): Promise<Result> {
  const args = [...nodeArgs, ...agent, appFile('host/life.cjs'), life];
  const surroundings = { cwd: __dirname, env: { ...CLEAN, NODE_OPTIONS: '', ...env } };
  return shell === undefined
    ? runProgram(node, args, surroundings)
    : runProgram('sh', ['-c', `${shell}; exec "$0" "$@"`, node, ...args], surroundings);
}

/** The part that must be the same on both sides: of stacks, only the app's frames, because ours replace some of Node's. */
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
  test('each hook may fail, before or after its work: every call by every client gets the same answer', async () => {
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
    // With warnings as errors: the agent must cause none.
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

describe('an unwritable disk, and unusable options', () => {
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
    ['empty', () => file('empty.yaml', ''), 'is not valid'],
  ] as const)('LANE_CONFIG that is %s: one line, and the app runs as usual', async (_, path, told) => {
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

test('the preload parses on any old Node, and checks its version before it loads the agent', () => {
  const text = readFileSync(AGENT, 'utf8');
  const told = (target: string): string => transformSync(text, { target, minifyWhitespace: true }).code;
  expect(told('es2015')).toBe(told('esnext'));
  const old = join(folder, 'old');
  mkdirSync(old, { recursive: true });
  cpSync(AGENT, join(old, 'register.js'));
  // Syntax that an old Node cannot parse.
  writeFileSync(join(old, 'agent.js'), 'a ??');
  const said = execFileSync(process.execPath, ['--require', appFile('old-node.cjs'), '--require', join(old, 'register.js'), appFile('done.cjs')], {
    env: { ...CLEAN, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  expect(said.toString()).toBe('served\n');
});
