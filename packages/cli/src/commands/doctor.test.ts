/** `lane doctor` beside real processes and the embedded Nacos. Its exit codes and the text are those of the command itself. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { publishLaneGroups } from '@lane/storage';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { examine, type Examination, type Given } from '../doctor/examine.js';
import type { Finding } from '../doctor/finding.js';
import { wordsOf } from '../doctor/preloads.js';
import { CLEAN, closing, freePort, runProgram, type Result } from '@lane/testing';
import { AGENT, runLane } from '@lane/testing/programs';

const ROOT = join(__dirname, '../../../..');
const APP = join(ROOT, 'examples/shop/c.js');
const SERVICE = 'spring-cloud-c';

let nacos: EmbeddedNacos;
let connection: NacosConnection;
// With spaces, as people have them.
const folder = mkdtempSync(join(tmpdir(), 'lane doctor '));

beforeAll(async () => {
  nacos = await startEmbeddedNacos({ port: 0 });
  connection = connectNacos({ server: nacos.address });
  await publishLaneGroups(
    connection,
    JSON.stringify({
      version: 1,
      groups: [
        {
          name: 'shop',
          services: ['orders', 'stock'],
          lanes: [
            { name: 'gray', tag: 'gray' },
            { name: 'asleep', tag: 'asleep', enabled: false },
          ],
        },
        { name: 'inventory', services: [SERVICE], lanes: [{ name: 'gray', tag: 'gray' }] },
      ],
    }),
  );
  for (const [name, port] of [
    ['orders', 1],
    ['stock', 2],
  ] as const) {
    await connection.register({ name, group: 'DEFAULT_GROUP' }, { ip: '192.0.2.1', port, ephemeral: false });
  }
  await connection.register({ name: 'lonely', group: 'DEFAULT_GROUP' }, { ip: '192.0.2.1', port: 3, ephemeral: false, metadata: { lane: 'gray' } });
});
afterAll(async () => {
  await connection.close();
  await nacos.close();
  rmSync(folder, { recursive: true });
});

const lane = (args: readonly string[], env: Record<string, string> = {}): Promise<Result> => runLane(args, { cwd: folder, env });

/** Starts a service of the shop with the agent in it, and waits until it is in Nacos. */
async function startApp(env: Record<string, string>): Promise<ChildProcess & { readonly pid: number }> {
  const child = spawn(process.execPath, ['--require', AGENT, APP], {
    env: { ...CLEAN, NACOS_SERVER: nacos.address, LANE_SNAPSHOT_DIR: folder, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  });
  for await (const line of createInterface(child.stdout)) if (line.includes('registered as')) break;
  return child as ChildProcess & { readonly pid: number };
}

/** Examines the environment that these variables make. */
function examineEnvironment(env: Record<string, string>, given: Given = {}): Promise<Examination> {
  const cleared = Object.fromEntries(Object.keys(process.env).flatMap((name) => (name in CLEAN ? [] : [[name, '']])));
  return examine({ env: { ...cleared, ...env }, ...given }, ['LANE_CONSOLE_TOKEN']);
}

const GOOD = (): Record<string, string> => ({ NODE_OPTIONS: `--require "${AGENT}"`, LANE_NACOS_SERVER: nacos.address, LANE_SERVICE: 'orders' });

const wrong = ({ findings }: Examination): readonly Finding[] => findings.filter(({ level }) => level === 'error' || level === 'warning');

describe('beside a running app', () => {
  test('it finds nothing wrong if all is well, by process and by admin port', async () => {
    await startApp({});
    const { pid } = await startApp({ LANE_TAG: 'gray', LANE_ADMIN_PORT: '0' });
    const { code, stdout, stderr } = await lane(['doctor', '--pid', String(pid), '--json']);
    const told = JSON.parse(stdout) as Examination;
    expect(wrong(told)).toEqual([]);
    expect([code, stderr, told.ok, told.service, told.tag]).toEqual([0, '', true, SERVICE, 'gray']);
    expect(told.examined).toContain(APP);
    const [instance] = (await connection.list({ name: SERVICE, group: 'DEFAULT_GROUP' })).filter(({ metadata }) => metadata['lane'] === 'gray');
    expect(told.findings).toContainEqual({
      check: 'tag',
      level: 'ok',
      message: `the tag is gray, as in the metadata of ${instance?.ip}:${instance?.port}`,
    });
    expect(told.findings).toContainEqual({ check: 'agent', level: 'ok', message: expect.stringMatching(`runs in process ${pid} and answers`) });
    expect(told.findings).toContainEqual({ check: 'nacos', level: 'ok', message: expect.stringContaining(`${nacos.address} answers over http`) });

    const byPort = await lane(['doctor', '--admin', String(instance?.metadata['lane.admin']), '--json']);
    expect(JSON.parse(byPort.stdout)).toEqual(told);
  });

  test('it reports another tag in Nacos', async () => {
    const { pid } = await startApp({ LANE_TAG: 'gray' });
    const [instance] = await connection.list({ name: SERVICE, group: 'DEFAULT_GROUP' });
    const changed = new URLSearchParams({
      serviceName: SERVICE,
      ip: String(instance?.ip),
      port: String(instance?.port),
      metadata: '{"lane":"blue"}',
    });
    expect((await fetch(`http://${nacos.address}/nacos/v1/ns/instance?${changed.toString()}`, { method: 'PUT' })).status).toBe(200);
    const { code, stdout } = await lane(['doctor', '--pid', String(pid), '--nacos', nacos.address, '--service', SERVICE]);
    expect(stdout).toMatch(new RegExp(`^error +tag +the tag is gray, but Nacos has blue for ${instance?.ip}:${instance?.port}\n +→ .+$`, 'm'));
    // There is no other instance.
    expect(stdout).toMatch(/^error +base +spring-cloud-c has no usable base instance: /m);
    expect(stdout).toMatch(/^2 errors$/m);
    expect(code).toBe(1);
  });

  test('it reports a missing agent, and names the child process of a package manager', async () => {
    const script = join(folder, 'npm-cli.js');
    const child = "setInterval(() => {}, 1000); console.log('up')";
    writeFileSync(script, `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { stdio: 'inherit' });`);
    const npm = spawn(process.execPath, [script], { env: { ...CLEAN, NODE_OPTIONS: `--require "${AGENT}"` }, stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of createInterface(npm.stdout)) if (line === 'up') break;
    const { findings } = await examine({ pid: Number(npm.pid) }, []);
    const app = Number(/--pid (\d+)/.exec(findings.find(({ check }) => check === 'agent')?.remedy ?? '')?.[1]);
    onTestFinished(() => void process.kill(app));
    expect(findings).toContainEqual({
      check: 'agent',
      level: 'error',
      message: `process ${npm.pid} is npm-cli.js, where the agent stays inactive`,
      remedy: `give the process id of the app itself: --pid ${app}, or a descendant of it`,
    });
    expect((await examine({ pid: app }, [])).findings).toContainEqual({
      check: 'agent',
      level: 'ok',
      message: expect.stringContaining('--require of NODE_OPTIONS'),
    });
  });

  test('it reports a missing agent, and the remedy', async () => {
    const child = spawn(process.execPath, ['-e', "setInterval(() => {}, 1000); console.log('up')"], {
      env: CLEAN,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill());
    await once(createInterface(child.stdout), 'line');
    expect(wrong(await examine({ pid: Number(child.pid) }, []))).toEqual([
      {
        check: 'agent',
        level: 'error',
        message: 'the agent is not loaded: neither NODE_OPTIONS nor the command line has it',
        remedy: expect.stringContaining('lane run --'),
      },
    ]);
  });
});

describe('in the environment of an app', () => {
  test('it finds nothing wrong if all is well, and does not become an app itself', async () => {
    const port = await freePort();
    const { code, stdout, stderr } = await lane(['doctor'], { ...GOOD(), LANE_ADMIN_PORT: String(port) });
    expect(stdout).toContain(`nothing answers at 127.0.0.1:${port} (ECONNREFUSED)`);
    expect(stdout).toMatch(/^nothing wrong$/m);
    expect([code, stderr]).toEqual([0, '']);
  });

  test('it reports services of Nacos that no call by name can reach, until something names them', async () => {
    const { stdout } = await lane(['doctor'], GOOD());
    expect(stdout).toMatch(
      /Nacos has .*lonely.*, which neither a lane group nor LANE_SERVICES names: a call by name goes to DNS, and may fail with ENOTFOUND/,
    );
    expect((await lane(['doctor'], { ...GOOD(), LANE_SERVICES: 'lonely' })).stdout).not.toContain('lonely');
  });

  test('the remedy names the option that was given, else the variable', async () => {
    const { stdout } = await lane(['doctor', '--nacos', '127.0.0.1:9'], GOOD());
    expect(stdout).toMatch(/127\.0\.0\.1:9 can't be reached/);
    expect(stdout).toMatch(/→ .*--nacos/);
    expect(stdout).not.toMatch(/→ .*LANE_NACOS_SERVER/);
    expect((await lane(['doctor'], { ...GOOD(), LANE_NACOS_SERVER: '127.0.0.1:9' })).stdout).toMatch(/→ .*LANE_NACOS_SERVER/);
    const { stdout: named } = await lane(['doctor', '--namespace', 'elsewhere'], GOOD());
    expect(named).toMatch(/there is no namespace elsewhere/);
  });

  test('it reports an entry rule whose requests an earlier lane takes', async () => {
    const blue = { name: 'blue', tag: 'blue', rules: [{ name: 'asked-for', match: { header: 'x-lane', exact: 'blue' } }] };
    const gray = { name: 'gray', tag: 'gray', rules: [{ name: 'share', percent: 30 }] };
    const file = join(folder, 'groups.json');
    const write = (...lanes: object[]): void =>
      writeFileSync(file, JSON.stringify({ version: 1, groups: [{ name: 'shop', services: ['orders'], entry: { services: ['orders'] }, lanes }] }));
    write(gray, blue);
    expect(wrong(await examineEnvironment({ ...GOOD(), LANE_RULES: `file:${file}` }))).toMatchObject([
      {
        check: 'lane-groups',
        level: 'warning',
        message: expect.stringMatching(/^rule shop\/gray\/share takes 30 % .* Put lane shop\/blue before lane shop\/gray$/),
      },
    ]);
    write(blue, gray);
    expect(wrong(await examineEnvironment({ ...GOOD(), LANE_RULES: `file:${file}` }))).toEqual([]);
  });

  test.each<[what: string, env: () => Record<string, string>, found: readonly Finding[]]>([
    [
      "Node's own proxy, which would take calls by name",
      () => ({ NODE_USE_ENV_PROXY: '1', HTTP_PROXY: 'http://proxy:3128', NO_PROXY: 'localhost' }),
      [
        {
          check: 'options',
          level: 'warning',
          message:
            'Node sends calls through the proxy of HTTP_PROXY unless NO_PROXY=localhost names their host; the agent exempts only calls to internal instances that it knows',
          remedy: expect.stringContaining('list internal hosts in NO_PROXY'),
        },
      ],
    ],
    [
      'an agent that is not there',
      () => ({ NODE_OPTIONS: '--require /nowhere/lane-agent/register.js' }),
      [
        {
          check: 'agent',
          level: 'error',
          message: '--require of NODE_OPTIONS names /nowhere/lane-agent/register.js, which does not exist: Node exits with MODULE_NOT_FOUND',
          remedy: expect.stringMatching('correct the path'),
        },
      ],
    ],
    [
      'an agent that is not installed',
      () => ({ NODE_OPTIONS: '--max-old-space-size=200 --import=@lane/agent' }),
      [
        {
          check: 'agent',
          level: 'error',
          message: expect.stringMatching(/^--import of NODE_OPTIONS names @lane\/agent, which is not installed in /),
          remedy: expect.stringMatching('npm install @lane/agent'),
        },
      ],
    ],
    [
      'a path with spaces and no quotes',
      () => ({ NODE_OPTIONS: `--require ${installAgent()} --enable-source-maps` }),
      [
        {
          check: 'agent',
          level: 'error',
          message: `--require of NODE_OPTIONS has a path with spaces, which Node splits: ${installAgentPath()}`,
          remedy: expect.stringContaining(`"${installAgentPath()}"`),
        },
      ],
    ],
    ['a path with spaces in quotes, which is right', () => ({ NODE_OPTIONS: `-r "${installAgent()}"` }), []],
    [
      'an unclosed quote',
      () => ({ NODE_OPTIONS: '--require "/a b' }),
      [{ check: 'agent', level: 'error', message: expect.stringContaining('an unclosed quote'), remedy: expect.any(String) }],
    ],
    [
      'an agent that is off',
      () => ({ LANE_DISABLE: 'all' }),
      [{ check: 'agent', level: 'error', message: 'LANE_DISABLE=all turns the agent off', remedy: 'unset LANE_DISABLE' }],
    ],
    [
      'misspelt names',
      () => ({ LANE_SERVIC: 'orders', lane_tag: 'gray', LANE_NACOS_SEVER: 'x', LANE_COUNT: '1', LANE_CONSOLE_TOKEN: 'of the console' }),
      [
        { check: 'options', level: 'error', message: expect.stringMatching(/^LANE_SERVIC is not an option/), remedy: 'did you mean LANE_SERVICE?' },
        { check: 'options', level: 'error', message: expect.stringMatching(/^lane_tag is not an option/), remedy: 'did you mean LANE_TAG?' },
        {
          check: 'options',
          level: 'error',
          message: expect.stringMatching(/^LANE_NACOS_SEVER is not an option/),
          remedy: 'did you mean LANE_NACOS_SERVER?',
        },
        { check: 'options', level: 'warning', message: expect.stringMatching(/^LANE_COUNT is not an option/), remedy: expect.any(String) },
      ],
    ],
    [
      'values that are refused',
      () => ({ LANE_TAG: 'gray!', LANE_FALLBACK: 'maybe' }),
      [
        { check: 'options', level: 'error', message: 'LANE_TAG="gray!" is not valid', remedy: 'must be 1 to 64 characters of A-Z a-z 0-9 . _ -' },
        { check: 'options', level: 'error', message: 'LANE_FALLBACK="maybe" is not valid', remedy: 'must be base or none' },
      ],
    ],
    [
      'a file of options that is not there',
      () => ({ LANE_CONFIG: '/nowhere/lane.yaml' }),
      [
        {
          check: 'options',
          level: 'error',
          message: expect.stringMatching(/^LANE_CONFIG=\/nowhere\/lane\.yaml can't be read: ENOENT/),
          remedy: expect.any(String),
        },
      ],
    ],
    [
      'settings that contradict each other',
      () => ({ LANE_STAMP: 'true', LANE_FORMATS: 'baggage,mse', LANE_FORMATS_IN: 'baggage' }),
      [
        { check: 'options', level: 'warning', message: expect.stringMatching(/^LANE_STAMP is on, but/), remedy: 'set LANE_TAG, or unset LANE_STAMP' },
        {
          check: 'options',
          level: 'warning',
          message: expect.stringMatching(/^tags are written as mse, which/),
          remedy: 'add mse to LANE_FORMATS_IN',
        },
      ],
    ],
    [
      'two tags',
      () => ({ LANE_SERVICE: 'lonely', LANE_TAG: 'gray', 'alicloud.service.tag': 'blue' }),
      [
        {
          check: 'tag',
          level: 'warning',
          message: 'LANE_TAG=gray and alicloud.service.tag=blue differ: the first counts',
          remedy: expect.any(String),
        },
        {
          check: 'lane-groups',
          level: 'error',
          message: expect.stringMatching(/^service lonely is in none of the lane groups \(shop, inventory\)/),
          remedy: expect.any(String),
        },
        {
          check: 'base',
          level: 'error',
          message: expect.stringMatching(/^lonely has no usable base instance: /),
          remedy: 'start lonely without a tag, too',
        },
      ],
    ],
    [
      'a lane that is not enabled, where such instances serve base',
      () => ({ LANE_SERVICE: 'lonely', LANE_TAG: 'gray', LANE_BASE_MODE: 'outside-enabled-lanes' }),
      [{ check: 'lane-groups', level: 'error', message: expect.stringMatching(/^service lonely is in none /), remedy: expect.any(String) }],
    ],
    [
      'a Nacos that is not there',
      () => ({ LANE_NACOS_SERVER: '127.0.0.1:9' }),
      [
        {
          check: 'nacos',
          level: 'error',
          message: "Nacos at 127.0.0.1:9 can't be reached (ECONNREFUSED)",
          remedy: expect.stringContaining('Set LANE_NACOS_SERVER'),
        },
      ],
    ],
    [
      'an address that is none',
      () => ({ LANE_NACOS_SERVER: 'no where' }),
      [{ check: 'nacos', level: 'error', message: '"no where" is not the address of a Nacos server', remedy: expect.any(String) }],
    ],
    [
      'a namespace that there is not',
      () => ({ LANE_NACOS_NAMESPACE: 'dev' }),
      [{ check: 'nacos', level: 'error', message: 'there is no namespace dev', remedy: 'there are public' }],
    ],
    [
      'a group without services',
      () => ({ LANE_NACOS_GROUP: 'TEST_GROUP' }),
      [
        {
          check: 'service',
          level: 'warning',
          message: 'no instance of service orders is registered in group TEST_GROUP of namespace public',
          remedy: expect.stringContaining('LANE_NACOS_GROUP'),
        },
        {
          check: 'base',
          level: 'error',
          message: 'stock has no usable base instance: untagged requests fail there, and so do those of lanes without an instance of it',
          remedy: 'start stock without a tag, too',
        },
      ],
    ],
    [
      'a service by another name',
      () => ({ LANE_SERVICE: 'order' }),
      [
        {
          check: 'lane-groups',
          level: 'error',
          message: expect.stringMatching(/^service order is in none of the lane groups \(shop, inventory\)/),
          remedy: expect.stringMatching(/^did you mean orders\?/),
        },
        {
          check: 'service',
          level: 'warning',
          message: expect.stringMatching(/^no instance of service order is registered/),
          remedy: expect.stringMatching(/^did you mean orders\?/),
        },
      ],
    ],
    [
      'a tag that no lane has',
      () => ({ LANE_TAG: 'gary' }),
      [
        {
          check: 'tag',
          level: 'warning',
          message: 'the tag is gary, but no instance of orders in Nacos carries it: there are none (base)',
          remedy: expect.any(String),
        },
        {
          check: 'tag',
          level: 'error',
          message: "no lane of orders's groups has the tag gary: no request reaches this instance",
          remedy: 'did you mean gray?',
        },
      ],
    ],
    [
      'a lane that is switched off',
      () => ({ LANE_TAG: 'asleep' }),
      [
        { check: 'tag', level: 'warning', message: expect.stringMatching(/^the tag is asleep, but no instance/), remedy: expect.any(String) },
        {
          check: 'tag',
          level: 'warning',
          message: 'all lanes of tag asleep are disabled: it counts as none',
          remedy: expect.stringContaining('lane enable shop/LANE'),
        },
      ],
    ],
    [
      'a file of lane groups that is not valid',
      () => {
        writeFileSync(join(folder, 'groups.json'), '{"version":1,"groups":[{"name":"shop","services":["orders"]}]}');
        return { LANE_RULES: `file:${join(folder, 'groups.json')}` };
      },
      [
        expect.objectContaining({
          check: 'lane-groups',
          level: 'error',
          message: expect.stringMatching(/groups\.json are invalid; agents keep the last valid ones: \/groups\/0/),
        }),
      ],
    ],
  ])('it finds %s', async (_, env, found) => {
    expect(wrong(await examineEnvironment({ ...GOOD(), ...env() }))).toEqual(found);
  });

  test('with Kubernetes as registry, it does not ask Nacos, but still checks a file of lane groups', async () => {
    writeFileSync(join(folder, 'groups.json'), '{"version":1,"groups":[{"name":"shop","services":["orders"]}]}');
    const env = { ...GOOD(), LANE_NACOS_SERVER: '', LANE_REGISTRY: 'kubernetes' };
    const { findings } = await examineEnvironment(env);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'nacos', level: 'note', message: expect.stringContaining('Nacos is not asked') }),
    );
    expect(wrong({ findings } as Examination)).toEqual([]);
    expect(wrong(await examineEnvironment({ ...env, LANE_RULES: `file:${join(folder, 'groups.json')}` }))).toMatchObject([{ check: 'lane-groups' }]);
    // Lane groups may still be there.
    const both = await examineEnvironment({ ...GOOD(), LANE_REGISTRY: 'kubernetes', LANE_SERVICE: 'stock' });
    expect(both.findings).toContainEqual(expect.objectContaining({ check: 'nacos', level: 'ok' }));
    expect(both.findings.filter(({ check }) => check === 'service')).toEqual([]);
  });

  test('it finds the gRPC port closed if the app has an SDK that needs it', async () => {
    const app = join(folder, 'app');
    mkdirSync(join(app, 'node_modules/nacos-sdk-rust-binding-node'), { recursive: true });
    writeFileSync(join(app, 'node_modules/nacos-sdk-rust-binding-node/package.json'), '{"name":"nacos-sdk-rust-binding-node"}');
    const closed = closing(await startEmbeddedNacos({ port: await freePort(1_000), grpcPort: false }));
    const { code, stdout } = await runLane(['doctor', '--quiet', '--env', `LANE_NACOS_SERVER=${closed.address}`], { cwd: app });
    expect(code).toBe(1);
    const grpcPort = closed.port + 1000;
    expect(stdout).toMatch(
      new RegExp(`^error +nacos +port ${grpcPort} of 127\\.0\\.0\\.1, where Nacos serves gRPC .*\\(ECONNREFUSED\\)\\n +→ open port ${grpcPort}`, 'm'),
    );
    expect(stdout).not.toMatch(/^ok/m);
  });
});

function installAgentPath(): string {
  return join(folder, 'tools/lane-agent/register.js');
}

/** An agent in a folder with spaces. */
function installAgent(): string {
  mkdirSync(join(folder, 'tools/lane-agent'), { recursive: true });
  writeFileSync(join(folder, 'tools/lane-agent/package.json'), '{"name":"@lane/agent","version":"9.9.9"}');
  writeFileSync(installAgentPath(), '');
  return installAgentPath();
}

describe('invalid arguments', () => {
  test.each([
    [['--pid', '0'], /Must be the number of a process/],
    [['--pid', '999999999'], /there is no process 999999999/],
    [['--admin', '9464'], /Must be host:port/],
    [['--env', 'LANE_TAG=gray', '--pid', '1'], /cannot be used with/],
  ])('%j is refused', async (args, message) => {
    const { code, stdout, stderr } = await lane(['doctor', ...args]);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([2, '']);
  });

  test('an agent that does not answer is a finding', async () => {
    const { code, stdout } = await lane(['doctor', '--admin', '127.0.0.1:9']);
    expect(stdout).toMatch(/^error +agent +nothing answers at 127\.0\.0\.1:9 \(ECONNREFUSED\)$/m);
    expect(code).toBe(1);
  });

  test.each([
    [101, 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n'],
    [404, 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'],
  ])('a server that answers with %i is not an agent', async (status, answer) => {
    const server = createServer((socket) => socket.on('error', () => {}).end(answer)).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { code, stdout } = await lane(['doctor', '--admin', address]);
    expect(stdout).toMatch(new RegExp(`^error +agent +${address.replaceAll('.', '\\.')} answers with ${status}: no agent listens there$`, 'm'));
    expect(code).toBe(1);
  });
});

test('NODE_OPTIONS is split as Node does it', async () => {
  const written = String.raw`--require "/a b/c.js" --title="x\"y\\z"  -r ./d.js`;
  expect(wordsOf(written)).toEqual({ words: ['--require', '/a b/c.js', String.raw`--title=x"y\z`, '-r', './d.js'], isClosed: true });
  const { stdout } = await runProgram(process.execPath, ['-p', 'process.title'], { env: { NODE_OPTIONS: String.raw`--title="x\"y\\z"` } });
  expect(stdout).toBe(String.raw`x"y\z` + '\n');
});
