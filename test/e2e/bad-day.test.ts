/** What an operator sees on a bad day: an app under the agent still serves, and one clear line says what is wrong. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManagedProcess, startDemo } from '@lane/cli';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually, freePort, listen, type Result } from '@lane/testing';
import { LANE, runLane } from '@lane/testing/programs';

const SHOP = join(__dirname, '../../examples/shop');

let folder: string;
const opened: Array<{ stop?(): Promise<void>; close?(): Promise<void> }> = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lane-bad-day-'));
});
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await (one.stop?.() ?? one.close?.());
});
afterAll(() => rm(folder, { recursive: true }));

function startShop(letter: string, env: Record<string, string>): { process: ManagedProcess; said: string[]; port: Promise<number> } {
  const said: string[] = [];
  const shop = new ManagedProcess({
    name: letter,
    script: join(SHOP, `${letter}.js`),
    cwd: SHOP,
    preload: [require.resolve('@lane/agent')],
    env: { LANE_SNAPSHOT_DIR: join(folder, 'snapshots'), ...env },
    onLine: (line) => said.push(line),
  });
  opened.push(shop);
  const port = shop.line(/registered as \S*:(\d+)/).then(([, text]) => Number(text));
  // Not every test awaits it.
  port.catch(() => {});
  return { process: shop, said, port };
}

async function startNacos(options: Parameters<typeof startEmbeddedNacos>[0] = {}): Promise<EmbeddedNacos> {
  const nacos = await startEmbeddedNacos({ port: 0, ...options });
  opened.push(nacos);
  return nacos;
}

async function takenPort(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  const port = await listen(server);
  opened.push({ close: () => new Promise((resolve) => server.close(() => resolve())) });
  return { server, port };
}

const body = async (url: string): Promise<string> => (await fetch(url)).text();
const laneLines = (said: readonly string[]): string[] => said.filter((line) => line.startsWith('lane '));

describe('Nacos', () => {
  test('that cannot be reached at start: the app serves, one line says so, and it registers once Nacos is there', async () => {
    const nacosPort = await freePort();
    const port = await freePort();
    const shop = startShop('c', { NACOS_SERVER: `127.0.0.1:${nacosPort}`, PORT: String(port) });
    await eventually(async () => expect(await body(`http://127.0.0.1:${port}/c`)).toBe(`C[127.0.0.1:${port}]`));
    await eventually(() =>
      expect(laneLines(shop.said)).toEqual([
        expect.stringMatching(new RegExp(`^lane warn: .*127\\.0\\.0\\.1:${nacosPort}.*ECONNREFUSED.*LANE_NACOS_SERVER`)),
      ]),
    );

    const nacos = await startNacos({ port: nacosPort });
    await eventually(
      async () => expect(await body(`http://${nacos.address}/nacos/v1/ns/instance/list?serviceName=spring-cloud-c`)).toContain(`"port":${port}`),
      { timeoutMs: 40_000 },
    );
  });

  test('that refuses the password: the app serves, and one line names user and remedy', async () => {
    const nacos = await startNacos({ auth: { username: 'lane', password: 'right' } });
    const port = await freePort();
    const shop = startShop('c', { NACOS_SERVER: nacos.address, NACOS_USERNAME: 'lane', NACOS_PASSWORD: 'wrong', PORT: String(port) });
    await eventually(async () => expect(await body(`http://127.0.0.1:${port}/c`)).toBe(`C[127.0.0.1:${port}]`));
    await eventually(() =>
      expect(laneLines(shop.said)).toEqual([expect.stringMatching(/^lane warn: .*lane.*(LANE_NACOS_USERNAME|LANE_NACOS_PASSWORD)/)]),
    );
    expect(shop.said.join('\n')).not.toContain('wrong');
  });

  test('that is down when a service restarts: it still finds its peers', async () => {
    // A port that nobody else gets once it is down.
    const nacos = await startNacos({ port: await freePort() });
    const env = { NACOS_SERVER: nacos.address };
    const [b, c] = [startShop('b', env), startShop('c', env)];
    await Promise.all([b.port, c.port]);
    const port = await freePort();
    const first = startShop('a', { ...env, PORT: String(port) });
    const answer = /^A\[.*\] -> B\[.*\] -> C\[.*\]$/;
    await first.port;
    await eventually(async () => expect(await body(`http://127.0.0.1:${port}/a`)).toMatch(answer));
    // The snapshot is written a moment later.
    await eventually(async () => expect(await snapshotsOf('spring-cloud-b')).toBeGreaterThan(0));

    await first.process.kill();
    await nacos.close();
    const second = startShop('a', { ...env, PORT: String(port) });
    await eventually(async () => expect(await body(`http://127.0.0.1:${port}/a`)).toMatch(answer));
    expect(laneLines(second.said).join('\n')).toMatch(/using the 1 instances of a snapshot/);
  });
});

async function snapshotsOf(service: string): Promise<number> {
  const { readdir } = await import('node:fs/promises');
  return (await readdir(join(folder, 'snapshots'), { recursive: true })).filter((name) => name.includes(service) && !name.includes('/.')).length;
}

describe('the command', () => {
  const run = async (...args: string[]): Promise<Pick<Result, 'code' | 'stderr'>> => {
    const { code, stderr } = await runLane(args);
    return { code, stderr };
  };

  test('names the port in use, and the remedy', async () => {
    const { port } = await takenPort();
    const said = `lane: port ${port} of 127.0.0.1 is in use: stop what listens there, or choose another port (0 takes a free one)\n`;
    expect(await run('nacos', '--port', String(port))).toEqual({ code: 1, stderr: said });
    const nacos = await startNacos();
    expect(await run('gateway', '--port', String(port), '--nacos', nacos.address, '--route', '*=a')).toEqual({ code: 1, stderr: said });
  });

  test('reports that its Nacos cannot be reached, or rejects it', async () => {
    const port = await freePort();
    const unreachable = await run('demo', '--check', '--ports', 'auto', '--nacos', `127.0.0.1:${port}`);
    expect(unreachable.code).toBe(1);
    expect(unreachable.stderr).toMatch(new RegExp(`^lane: .*127\\.0\\.0\\.1:${port}.*ECONNREFUSED.*\\n$`));
    const nacos = await startNacos({ auth: { username: 'lane', password: 'right' } });
    const refused = await run(
      'demo',
      '--check',
      '--ports',
      'auto',
      '--nacos',
      nacos.address,
      '--nacos-username',
      'lane',
      '--nacos-password',
      'wrong',
    );
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^lane: .*lane.*\n$/);
    expect(refused.stderr).not.toContain('wrong');
  });

  test('does not replace existing lane groups, and removes its own again', async () => {
    const nacos = await startNacos();
    const groups = `http://${nacos.address}/nacos/v1/cs/configs?dataId=lane-groups&group=LANE`;
    const own = '{"version":1,"groups":[]}';
    await fetch(groups, { method: 'POST', body: new URLSearchParams({ content: own }) });
    const refused = await run('demo', '--check', '--ports', 'auto', '--replicas', '1', '--nacos', nacos.address);
    expect(refused).toEqual({ code: 1, stderr: expect.stringMatching(/^lane: .*already has lane groups.*--namespace.*\n$/) });
    expect(await body(groups)).toBe(own);

    await fetch(groups, { method: 'DELETE' });
    expect(await run('demo', '--check', '--ports', 'auto', '--replicas', '1', '--nacos', nacos.address)).toEqual({ code: 0, stderr: '' });
    expect((await fetch(groups)).status).toBe(404);
  });

  // There the kernel lists the children of a process.
  test.skipIf(process.platform !== 'linux').each(['starting', 'Ctrl-C ends everything'])(
    'demo: after Ctrl-C at the line "%s" nothing is left',
    async (line) => {
      const demo = spawn(process.execPath, [LANE, 'demo', '--ports', 'auto', '--replicas', '1'], { stdio: ['ignore', 'pipe', 'inherit'] });
      opened.push({ stop: async () => void demo.kill('SIGKILL') });
      let said = '';
      let children: string[] = [];
      demo.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        if (!said.includes(line) && (said + chunk).includes(line)) {
          children = readFileSync(`/proc/${demo.pid}/task/${demo.pid}/children`, 'utf8').split(' ').filter(Boolean);
          demo.kill('SIGINT');
        }
        said += chunk;
      });
      await once(demo, 'exit');
      expect(children.length).toBeGreaterThan(0);
      for (const pid of children) expect(() => process.kill(Number(pid), 0), pid).toThrow('ESRCH');
      const [, gateway] = /gateway on (\S+)/.exec(said) ?? [];
      if (gateway !== undefined) await expect(fetch(gateway)).rejects.toThrow();
    },
  );

  test.each([
    [['demo', '--without', 'd'], /There is no service d: must be one of a, b, c/],
    [['demo', '--without', 'a'], /--entry rules/],
    [['demo', '--replicas', '0'], /Must be a number from 1 to 20/],
    [['demo', '--entry', 'magic'], /Allowed choices are hosts, rules/],
    [['gateway', '--route', 'nonsense'], /a route is host/],
    [['gateway'], /no route: give --route/],
    [['nacos', '--port', 'many'], /a port is a number/],
    [['nonsense'], /unknown command 'nonsense'/],
  ])('%j is rejected with the remedy', async (args, message) => {
    const { code, stderr } = await run(...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('    at ');
  });
});

test('a process of the demo that dies is reported with its last lines, and the demo leaves nothing behind', async () => {
  const deaths: string[] = [];
  const demo = await startDemo({ ports: 'auto', replicas: 1, onDeath: (description) => deaths.push(description) });
  const { pid } = demo.services[0] ?? { pid: 0 };
  process.kill(pid, 'SIGKILL');
  await eventually(() =>
    expect(deaths).toEqual([
      expect.stringMatching(new RegExp(`^A base 1 \\(pid ${pid}\\) ended by SIGKILL; its last lines:\\n.*spring-cloud-a registered as`, 's')),
    ]),
  );
  const pids = demo.services.map((service) => service.pid);
  await demo.stop();
  for (const one of pids) expect(() => process.kill(one, 0)).toThrow('ESRCH');
  await expect(fetch(demo.gatewayUrl)).rejects.toThrow();
});
