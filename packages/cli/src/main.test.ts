/** The `lane` command as people use it: what it says, where it listens, and how it ends. What goes wrong with Nacos is in test/e2e. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { connect as connectSocket, createServer as createSocketServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { publishLaneGroups } from '@lane/storage';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { describe, expect, onTestFinished, test } from 'vitest';
import { version } from '../package.json';
import { ask as send, CLEAN, eventually, freePort, listen, temporaryFolder, type Result } from '@lane/testing';
import { LANE, runLane } from '@lane/testing/programs';

const lane = (args: readonly string[], env: Record<string, string> = {}): Promise<Result> => runLane(args, { env });

/** Starts a command that serves; gives the first line that it prints. */
async function start(args: readonly string[], env: Record<string, string> = {}): Promise<{ child: ChildProcess; line: string; said: string[] }> {
  const child = spawn(process.execPath, [LANE, ...args], { env: { ...CLEAN, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said: string[] = [];
  createInterface(child.stderr).on('line', (line) => said.push(line));
  const printed = (await Promise.race([once(createInterface(child.stdout), 'line'), once(child, 'exit').then(() => [undefined])])) as [
    string | undefined,
  ];
  if (printed[0] === undefined) throw new Error(`it ended before it served: ${said.join('\n')}`);
  return { child, line: printed[0], said };
}

async function startNacos(): Promise<EmbeddedNacos> {
  const nacos = await startEmbeddedNacos({ port: 0 });
  onTestFinished(() => nacos.close());
  return nacos;
}

function connect(nacos: EmbeddedNacos): NacosConnection {
  const connection = connectNacos({ server: nacos.address });
  onTestFinished(() => connection.close());
  return connection;
}

/** A service of one instance, which answers with its name and the baggage it was sent. */
async function startService(nacos: EmbeddedNacos, service: string, name: string, tag?: string): Promise<void> {
  const server = http.createServer((request, response) => response.end(`${name} ${request.headers['baggage'] ?? '-'}`));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const port = await listen(server);
  const metadata: Record<string, string> = tag === undefined ? {} : { lane: tag };
  await connect(nacos).register({ name: service, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port, metadata });
}

async function ask(url: string | undefined, host: string, path = '/', headers: Record<string, string> = {}): Promise<string> {
  const { status, body } = await send(Number(new URL(url as string).port), { path, headers: { host, ...headers } });
  return status === 200 ? body : `${status} ${body}`;
}

const urlIn = (line: string): string | undefined => /http:\/\/[\d.]+:\d+/.exec(line)?.[0];

describe('help', () => {
  test.each([
    [[], 'Usage: lane [options] [command]', ['demo', 'nacos', 'gateway', '--version']],
    [
      ['demo'],
      'Usage: lane demo',
      ['--check', '--without', '--entry', '--ports', '--replicas', '--nacos ', '--nacos-username', '--nacos-password', '--namespace', '--json'],
    ],
    [['nacos'], 'Usage: lane nacos', ['--port', '--host']],
    [
      ['gateway'],
      'Usage: lane gateway',
      [
        '--port',
        '--host',
        '--nacos ',
        'LANE_NACOS_SERVER',
        '--namespace',
        '--nacos-username',
        '--nacos-password',
        '--entry',
        '--route',
        '--trust',
        '--max-connections-per-client',
        '--max-requests-per-instance',
      ],
    ],
  ])('lane %j --help tells of everything, and nothing is started', async (command, usage, told) => {
    const { code, stdout, stderr } = await lane([...command, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(usage);
    for (const word of told) expect(stdout).toContain(word);
  });

  test('is printed without a command, which counts as a failure', async () => {
    const { code, stdout, stderr } = await lane([]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('Usage: lane [options] [command]');
  });

  test('prints the version', async () => {
    expect(await lane(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });
});

describe('invalid arguments', () => {
  test.each([
    [['nacos', '--port', '65536'], /a port is a number from 0 to 65535/],
    [['nacos', '--port', '-1'], /a port is a number from 0 to 65535/],
    [['nacos', '--port', '80.5'], /a port is a number from 0 to 65535/],
    [['nacos', '8848'], /too many arguments/],
    [['demo', '--replicas', '21'], /Must be a number from 1 to 20/],
    [['demo', '--without', 'b,x'], /There is no service x: must be one of a, b, c/],
    [['demo', '--ports', 'any'], /Allowed choices are default, auto/],
    [['demo', '--chek'], /unknown option '--chek'.*\n?.*--check/],
    [['gateway', '--entry', 'magic', '--route', '*=a'], /Allowed choices are hosts, rules/],
    [['gateway', '--route', 'www.example.com'], /a route is host\[\/path\]=service\[:tag\], such as/],
    [['gateway', '--route', '=a'], /a route is host/],
    [['gateway', '--route', '*='], /a route is host/],
    [['gateway', '--route', '*=a:'], /a route is host/],
    [['gateway', '--route', '*=a:gr ay'], /a route is host/],
    [['gateway', '--route', `*=a:${'x'.repeat(65)}`], /a route is host/],
    [['gateway', '--route', '*=a', '--route', 'nonsense'], /a route is host/],
    [
      ['gateway', '--route', '*=a', '--trust', '10.0.0.0/8,10.0.0.0/33'],
      /"10\.0\.0\.0\/33" is not a network: must be none, all, or a comma-separated list/,
    ],
    [['gateway', '--route', '*=a', '--trust', ''], /"" is not a network/],
  ])('%j is refused with the remedy, before anything is started', async (args, message) => {
    const { code, stdout, stderr } = await lane(args);
    expect(stderr).toMatch(message);
    expect(stderr).toContain('--help');
    expect(stderr).not.toContain('    at ');
    expect([code, stdout]).toEqual([2, '']);
  });

  test.each([
    [['demo', '--ports', 'auto', '--nacos', 'no such'], /^lane: "no such" is not the address of a Nacos server: .*host:port.*\n$/],
    // An address for documentation (RFC 5737): nobody's.
    [['nacos', '--port', '0', '--host', '192.0.2.1'], /^lane: (?:bind|listen) EADDRNOTAVAIL.*192\.0\.2\.1.*: choose another --port or --host\n$/],
  ])('%j ends with one line', async (args, message) => {
    expect(await lane(args)).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(message) });
  });
});

describe('Kubernetes as registry', () => {
  const NONE = { KUBERNETES_SERVICE_HOST: '' };
  const NOBODY = ['--registry', 'kubernetes', '--kubernetes', 'http://127.0.0.1:9'];
  test.each([
    [['status', '--registry', 'kubernetes'], 2, /needs a cluster, .* run kubectl proxy, and pass --kubernetes http:/],
    [['status', '--registry', 'kubernetes', '--kubernetes', '10.0.0.1:6443'], 2, /10\.0\.0\.1:6443 is not a URL: give one such as http:/],
    [['status', '--registry', 'kubernetes', '--kubernetes', 'https://127.0.0.1:9'], 1, /no service account to authenticate to .* kubectl proxy/],
    [['status', ...NOBODY], 2, /lane groups need a source: --rules FILE, or --nacos HOST:PORT/],
    [['explain', '/', '--rules', 'RULES', '--via', 'a', ...NOBODY], 1, /Kubernetes at http:\/\/127\.0\.0\.1:9 can't be reached: .*ECONNREFUSED/],
    [['gateway', '--port', '0', '--route', '*=a', '--entry', 'rules', ...NOBODY], 2, /lane groups need a source: --rules FILE/],
    [
      ['gateway', '--port', '0', '--route', '*=a.b.c', ...NOBODY],
      2,
      /a\.b\.c is not a Service: must be name, name\.namespace or name\.namespace\.svc/,
    ],
    [['gateway', '--port', '0', '--ingress', 'x.yaml', ...NOBODY], 2, /--ingress routes to services in Nacos: .* --route host=service/],
  ])('%j ends with %i and the remedy', async (args, exit, message) => {
    const rules = join(temporaryFolder(), 'lane-groups.json');
    writeFileSync(rules, '{"version":1,"groups":[]}');
    const { code, stdout, stderr } = await lane(
      args.map((arg) => (arg === 'RULES' ? rules : arg)),
      NONE,
    );
    expect(stderr).toMatch(message);
    expect([code, stdout, stderr.trim().split('\n').length]).toEqual([exit, '', 1]);
  });
});

/** Takes a port that the demo would; whoever has it already does as well. */
async function take(port: number): Promise<void> {
  const server = createSocketServer().listen(port, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening').catch((error: NodeJS.ErrnoException) => expect(error.code).toBe('EADDRINUSE'));
}

describe('--json', () => {
  test('servers print their address', async () => {
    const nacos = await start(['nacos', '--port', '0', '--json']);
    const { address, port } = JSON.parse(nacos.line) as { address: string; port: number };
    expect(address).toBe(`127.0.0.1:${port}`);
    const gateway = await start(['gateway', '--port', '0', '--json', '--nacos', address, '--route', '*=a']);
    expect(JSON.parse(gateway.line)).toEqual({ url: urlIn(gateway.line), port: expect.any(Number) as number, entry: 'hosts' });
  });

  test.each([
    [['status', '--jsn', '--json'], 2, 'ELANE_USAGE', /unknown option '--jsn'/],
    [['status', '--json', '--nacos', '127.0.0.1:9'], 1, 'ELANE_NACOS_UNREACHABLE', /127\.0\.0\.1:9/],
    [['nacos', '--json', '--port', '0', '--host', '192.0.2.1'], 1, 'EADDRNOTAVAIL', /192\.0\.2\.1/],
  ])('%j: what is wrong is told as JSON on stdout, and as text on stderr', async (args, exit, errorCode, message) => {
    const { code, stdout, stderr } = await lane(args);
    expect(JSON.parse(stdout)).toEqual({ ok: false, code: errorCode, message: expect.stringMatching(message) as string });
    expect(code).toBe(exit);
    expect(stderr).toMatch(message);
  });
});

describe('ports', () => {
  test('0 takes a free one, and the first line says which', async () => {
    const [first, second] = await Promise.all([start(['nacos', '--port', '0']), start(['nacos', '--port', '0'])]);
    const ports = [first, second].map(({ line }) => /^embedded Nacos on 127\.0\.0\.1:(\d+), /.exec(line)?.[1]);
    expect(new Set(ports).size).toBe(2);
    for (const port of ports) expect((await fetch(`http://127.0.0.1:${port}/nacos/v1/ns/service/list?pageNo=1&pageSize=1`)).status).toBe(200);
    for (const { child, said } of [first, second]) {
      child.kill('SIGTERM');
      expect(await once(child, 'exit')).toEqual([0, null]);
      expect(said).toEqual([]);
    }
  });

  test('a signal that comes as soon as the first line is printed ends a server gracefully', async () => {
    const impatient = join(temporaryFolder(), 'impatient.cjs');
    writeFileSync(
      impatient,
      "const { write } = process.stdout; process.stdout.write = (...given) => (write.apply(process.stdout, given), process.kill(process.pid, 'SIGTERM'));",
    );
    const { code, stdout } = await lane(['nacos', '--port', '0'], { NODE_OPTIONS: `--require ${JSON.stringify(impatient)}` });
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^embedded Nacos on /)]);
  });

  test('of the demo that are in use: the error names the port, its use, and the remedies', async () => {
    await take(8848);
    expect(await lane(['demo'])).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'lane: port 8848, which the embedded Nacos needs, is in use: stop what listens there, or pass --ports auto for free ports, or --nacos host:port to use the Nacos that runs there\n',
    });
    await take(8000);
    // With a Nacos of one's own, 8848 may be taken.
    expect(await lane(['demo', '--nacos', '127.0.0.1:8848'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'lane: port 8000, which the gateway needs, is in use: stop what listens there, or pass --ports auto for free ports\n',
    });
  });
});

describe('lane gateway', () => {
  test('routes by host, path and lane, and shuts down gracefully', async () => {
    const nacos = await startNacos();
    await startService(nacos, 'a', 'A');
    await startService(nacos, 'a', 'Agray', 'gray');
    await startService(nacos, 'b', 'B');
    const routes = ['--route', 'www.aliyundoc.com=a', '--route', 'www.example.com=a:gray', '--route', 'www.example.com/b=b'];
    const { child, line, said } = await start(['gateway', '--port', '0', ...routes], { LANE_NACOS_SERVER: nacos.address });
    expect(line).toMatch(/^gateway on http:\/\/127\.0\.0\.1:\d+, entry by hosts; Ctrl-C ends it$/);
    const url = urlIn(line);
    expect(await ask(url, 'www.aliyundoc.com', '/', { baggage: 'lane=gray' })).toBe('A -');
    expect(await ask(url, 'www.example.com')).toBe('Agray -');
    expect(await ask(url, 'www.example.com', '/b/1')).toBe('B -');
    expect(await ask(url, 'www.elsewhere.com')).toMatch(/^404 no route for host www\.elsewhere\.com/);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(said).toEqual([]);
  });

  test('with --rules, tags by the lane groups of a YAML file, and after an invalid change by the last valid ones', async () => {
    const nacos = await startNacos();
    await startService(nacos, 'a', 'A');
    await startService(nacos, 'a', 'Agray', 'gray');
    const file = join(temporaryFolder(), 'lane-groups.yaml');
    const group = (host: string): string =>
      `name: shop\nservices: [a]\nentry: { services: [lane-gateway] }\nlanes:\n  - { name: gray, tag: gray, rules: [{ name: r, match: { host: { exact: ${host} } } }] }\n`;
    // At once, so that nobody reads half of it.
    const replace = (text: string): void => {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    };
    replace(group('one.example.com'));
    const args = ['gateway', '--port', '0', '--nacos', nacos.address, '--entry', 'rules', '--route', '*=a', '--rules', file];
    const { line, said } = await start(args);
    const url = urlIn(line);
    expect(await ask(url, 'one.example.com')).toBe('Agray lane=gray');
    replace('name: [');
    const refused = [
      expect.stringMatching(/^error: the file .*lane-groups\.yaml is invalid and ignored; the last valid one stays in force/) as string,
    ];
    await eventually(() => expect(said).toEqual(refused));
    expect(await ask(url, 'one.example.com')).toBe('Agray lane=gray');
    replace(group('two.example.com'));
    await eventually(async () => expect(await ask(url, 'two.example.com')).toBe('Agray lane=gray'));
    expect(await ask(url, 'one.example.com')).toBe('A -');
  });

  test('applies limits: one connection per address, one request per instance', async () => {
    const nacos = await startNacos();
    await startService(nacos, 'a', 'A');
    const args = ['gateway', '--port', '0', '--nacos', nacos.address, '--route', '*=a', '--max-connections-per-client', '1'];
    const { line, said } = await start(args);
    const port = Number(new URL(urlIn(line) as string).port);
    const first = connectSocket(port, '127.0.0.1');
    onTestFinished(() => void first.destroy());
    await once(first, 'connect');
    const second = connectSocket(port, '127.0.0.1').on('error', () => {});
    await once(second, 'close');
    await eventually(() => expect(said).toEqual([expect.stringMatching(/^warning: 127\.0\.0\.1 has 1 connections open: .*add it to trust/)]));
  });

  test.each([
    ['--max-connections-per-client', '0'],
    ['--max-connections-per-client', 'many'],
    ['--max-requests-per-instance', '-1'],
    ['--max-requests-per-instance', '1e9'],
  ])('%s %s is refused with what is taken', async (option, value) => {
    const { code, stdout, stderr } = await lane(['gateway', '--port', '0', '--route', '*=a', option, value]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(option);
    expect(stderr).toContain('Must be a number from 1 to 1000000.');
  });

  test.each(['--rules', '--ingress'])('a YAML bomb in %s is one line of error, and nothing starts', async (option) => {
    const file = join(temporaryFolder(), 'bomb.yaml');
    const lines = Array.from(
      { length: 12 },
      (_, i) => `a${i}: &a${i} [${Array.from({ length: 9 }, () => (i === 0 ? 'x' : `*a${i - 1}`)).join(', ')}]`,
    );
    writeFileSync(file, `${lines.join('\n')}\nkind: Ingress\n`);
    const { code, stdout, stderr } = await lane(['gateway', '--port', '0', ...(option === '--rules' ? ['--route', '*=a'] : []), option, file]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/bomb\.yaml:1(?::1)?[: ].*Excessive alias count .*write it without aliases/);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });

  test('with --entry rules, tags by the lane groups in Nacos, and trusts the peers of --trust', async () => {
    const nacos = await startNacos();
    await startService(nacos, 'a', 'A');
    await startService(nacos, 'a', 'Agray', 'gray');
    await publishLaneGroups(
      connect(nacos),
      JSON.stringify({
        version: 1,
        groups: [
          {
            name: 'shop',
            services: ['a'],
            entry: { services: ['lane-gateway'] },
            lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'by-domain', match: { host: { exact: 'www.example.com' } } }] }],
          },
        ],
      }),
    );
    const args = ['gateway', '--port', '0', '--nacos', nacos.address, '--entry', 'rules', '--route', '*=a'];
    const [strict, trusting] = await Promise.all([start(args), start([...args, '--trust', '10.0.0.0/8, 127.0.0.1'])]);
    expect(strict.line).toContain('entry by rules');
    for (const { line } of [strict, trusting]) {
      expect(await ask(urlIn(line), 'www.example.com')).toBe('Agray lane=gray');
      expect(await ask(urlIn(line), 'www.aliyundoc.com')).toBe('A -');
    }
    expect(await ask(urlIn(strict.line), 'www.aliyundoc.com', '/', { baggage: 'lane=gray' })).toBe('A -');
    expect(await ask(urlIn(trusting.line), 'www.aliyundoc.com', '/', { baggage: 'lane=gray' })).toBe('Agray lane=gray');
  });

  test('without a Nacos says so, and answers with 503', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const { line, said } = await start(['gateway', '--port', '0', '--nacos', address, '--route', '*=a']);
    expect(await ask(urlIn(line), 'www.example.com')).toMatch(/^503 .*service a /);
    await eventually(() =>
      expect(said.join('\n')).toMatch(
        new RegExp(`^lane gateway: Nacos at ${address} can't be reached .*; requests get 503 until this is fixed$`, 'm'),
      ),
    );
  });
});
