/** `lane gateway` as users start it, in front of the scenario's services: from the scenario's manifests, with TLS, with a log, exported, and stopped. */
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { BASE_HOST, GRAY_HOST, ManagedProcess, startDemo, type Demo } from '@lane/cli';
import { connectNacos } from '@lane/nacos-registry';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ask as send, eventually } from '@lane/testing';
import { LANE, runLane as lane } from '@lane/testing/programs';

const MANIFESTS = join(__dirname, '../../packages/gateway/src/testing/scenario');
const TLS = join(__dirname, '../agent/tls');
const OTHER_TLS = join(__dirname, '../../packages/gateway/src/testing');

let demo: Demo;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lane-gateway-command-'));
  demo = await startDemo({ ports: 'auto', replicas: 1 });
});
afterAll(async () => {
  await demo?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface RunningGateway {
  readonly url: string;
  readonly process: ManagedProcess;
  /** Its output. */
  readonly said: string[];
}

async function startGateway(args: readonly string[]): Promise<RunningGateway> {
  const said: string[] = [];
  const gateway = new ManagedProcess({
    name: 'the gateway',
    script: LANE,
    args: ['gateway', '--port', '0', '--nacos', demo.nacosAddress, ...args],
    onLine: (line) => said.push(line),
  });
  onTestFinished(() => gateway.stop());
  const [, url] = await gateway.line(/gateway on (\S+),/);
  return { url: url as string, process: gateway, said };
}

async function ask({ url }: RunningGateway, host: string, path = '/a'): Promise<string> {
  const { status, body } = await send(Number(new URL(url).port), { path, headers: { host } });
  return status === 200 ? body : `${status} ${body}`;
}

describe('the scenario’s own manifests', () => {
  const ingress = (file: string): string[] => [file, 'services.yaml', 'deployments.yaml'].flatMap((name) => ['--ingress', join(MANIFESTS, name)]);

  test.each(['gray-ingress.yaml', 'gray-ingress-v1beta1.yaml'])(
    'with %s and --mend, both of its requests stay in their lane all the way',
    async (file) => {
      const gateway = await startGateway([...ingress(file), '--mend']);
      for (let i = 0; i < 10; i++) for (const host of [BASE_HOST, GRAY_HOST]) expect(await ask(gateway, host)).toMatch(demo.expected(host));
      expect(gateway.said).toContainEqual(
        expect.stringMatching(/gray-ingress.*\.yaml:\d+: warning: .*spring-clud-a-base, which is not in the given files: using spring-cloud-a-base/),
      );
      expect(await ask(gateway, 'aliyundoc.base.com')).toMatch(/^404 no route for host aliyundoc\.base\.com/);
    },
  );

  test('corrected, and named by their folder', async () => {
    const gateway = await startGateway(['--ingress', join(__dirname, '../../examples/kubernetes')]);
    for (const host of [BASE_HOST, GRAY_HOST]) expect(await ask(gateway, host)).toMatch(demo.expected(host));
  });

  test('unchanged: the correct route serves, and the other one is reported with its problem', async () => {
    const gateway = await startGateway(ingress('gray-ingress-v1beta1.yaml'));
    expect(await ask(gateway, GRAY_HOST)).toMatch(demo.expected(GRAY_HOST));
    expect(await ask(gateway, BASE_HOST)).toMatch(/^503 .*spring-clud-a-base, which is not in the given files: did you mean spring-cloud-a-base\?/);
  });

  test('without any working route, or without a file, nothing starts', async () => {
    const wrong = await lane(['gateway', '--nacos', demo.nacosAddress, ...ingress('gray-ingress.yaml')]);
    expect([wrong.code, wrong.stdout]).toEqual([1, '']);
    expect(wrong.stderr).toMatch(/gray-ingress\.yaml:26: error: .*did you mean spring-cloud-a-gray\?/);
    expect(wrong.stderr).toMatch(/^lane: no route of the Ingress can be used: fix the problems above$/m);
    const absent = await lane(['gateway', '--ingress', 'nowhere.yaml']);
    expect([absent.code, absent.stderr]).toEqual([2, expect.stringMatching(/^lane: --ingress nowhere\.yaml can't be read/)]);
  });
});

describe('entry rules of a file', () => {
  const rules = (header: string): string =>
    JSON.stringify({
      version: 1,
      groups: [
        {
          name: 'shop',
          services: ['spring-cloud-a', 'spring-cloud-b', 'spring-cloud-c'],
          entry: { services: ['lane-gateway'] },
          lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'staff', match: { header, exact: 'alice' } }] }],
        },
      ],
    });

  test('are in force at once, and so is each change; an invalid file leaves the last ones in force', async () => {
    const file = join(folder, 'lanes.json');
    writeFileSync(file, rules('x-user'));
    const gateway = await startGateway(['--entry', 'rules', '--route', '*=spring-cloud-a', '--rules', file]);
    const answer = async (header: string): Promise<string> => {
      const request = http.get(`${gateway.url}/a`, { agent: false, headers: { host: 'any', [header]: 'alice' } });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      let body = '';
      for await (const chunk of response.setEncoding('utf8')) body += chunk as string;
      return body;
    };
    expect(await answer('x-user')).toMatch(demo.expected(GRAY_HOST));
    expect(await answer('x-who')).toMatch(demo.expected(BASE_HOST));
    writeFileSync(file, rules('x-who'));
    await eventually(async () => expect(await answer('x-who')).toMatch(demo.expected(GRAY_HOST)));
    expect(await answer('x-user')).toMatch(demo.expected(BASE_HOST));
    writeFileSync(file, 'nonsense');
    await eventually(() => expect(gateway.said.join('\n')).toMatch(/error: the file .*lanes\.json is invalid and ignored/));
    expect(await answer('x-who')).toMatch(demo.expected(GRAY_HOST));
    const refused = await lane(['gateway', '--entry', 'rules', '--route', '*=spring-cloud-a', '--rules', file]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/^lane: .*lanes\.json has no valid lane groups:\n  .*lanes\.json:1:1  /),
    ]);
  });
});

describe('TLS and the access log', () => {
  test('serves HTTP/2 with the certificate of the files, and with each replacement; logs each request in a line with its lane', async () => {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    copyFileSync(join(TLS, 'cert.pem'), cert);
    copyFileSync(join(TLS, 'key.pem'), key);
    const gateway = await startGateway(['--route', `${GRAY_HOST}=spring-cloud-a:gray`, '--tls-cert', cert, '--tls-key', key, '--access-log', 'json']);
    const session = http2.connect(gateway.url, { rejectUnauthorized: false });
    onTestFinished(() => session.destroy());
    const stream = session.request({ ':path': '/a?secret=1', ':authority': GRAY_HOST });
    let body = '';
    for await (const chunk of stream.setEncoding('utf8')) body += chunk as string;
    expect(body).toMatch(demo.expected(GRAY_HOST));
    const entry = await eventually(() => JSON.parse(gateway.said.find((line) => line.startsWith('{')) ?? '') as Record<string, unknown>);
    expect(entry).toMatchObject({ httpVersion: '2.0', host: GRAY_HOST, path: '/a', status: 200, lane: 'gray', service: 'spring-cloud-a' });

    const served = async (): Promise<string> => {
      const { port } = new URL(gateway.url);
      const socket = connectTls({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return fingerprint256;
    };
    const before = await served();
    copyFileSync(join(OTHER_TLS, 'other-key.pem'), key);
    copyFileSync(join(OTHER_TLS, 'other-cert.pem'), cert);
    await eventually(async () => expect(await served()).not.toBe(before));
  });

  test('an invalid certificate, or one without its key, is rejected with the remedy', async () => {
    const alone = await lane(['gateway', '--route', '*=a', '--tls-cert', join(TLS, 'cert.pem')]);
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining('--tls-cert and --tls-key belong together')]);
    const mixed = await lane(['gateway', '--route', '*=a', '--tls-cert', join(TLS, 'cert.pem'), '--tls-key', join(OTHER_TLS, 'other-key.pem')]);
    expect([mixed.code, mixed.stderr]).toEqual([
      1,
      expect.stringMatching(/^lane: .*are no certificate and its key.*give PEM files that belong together/),
    ]);
  });
});

describe('shutdown', () => {
  test('health answers 503 at once, requests in flight are answered, and then it exits', async () => {
    const held: Socket[] = [];
    const arrived = new Promise<void>((resolve) => {
      const slow = createServer((socket) => void socket.on('error', () => {}).once('data', () => (held.push(socket), resolve()))).listen(
        0,
        '127.0.0.1',
        () => {
          void connection.register(
            { name: 'slow', group: 'DEFAULT_GROUP' },
            { ip: '127.0.0.1', port: (slow.address() as AddressInfo).port, metadata: {} },
          );
        },
      );
      onTestFinished(() => void slow.close());
    });
    const connection = connectNacos({ server: demo.nacosAddress });
    onTestFinished(() => connection.close());
    await eventually(async () => expect(await connection.list({ name: 'slow', group: 'DEFAULT_GROUP' })).toHaveLength(1));
    const options = ['--health-path', '/healthz', '--drain-delay', '8s', '--drain-timeout', '20s'];
    const gateway = await startGateway(['--route', 'slow.test=slow', '--route', `${BASE_HOST}=spring-cloud-a`, ...options]);
    expect(await ask(gateway, 'any', '/healthz')).toBe('ok\n');
    const answer = ask(gateway, 'slow.test');
    await arrived;
    const exited = gateway.process.kill('SIGTERM');
    await eventually(async () => expect(await ask(gateway, 'any', '/healthz')).toBe('503 draining\n'), { intervalMs: 5 });
    expect(await ask(gateway, BASE_HOST)).toMatch(demo.expected(BASE_HOST));
    await eventually(() => expect(ask(gateway, BASE_HOST)).rejects.toThrow('ECONNREFUSED'));
    held[0]?.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nto the end');
    expect(await answer).toBe('to the end');
    await exited;
  });
});

describe('lane gateway export', () => {
  test('writes the lane groups in force and the addresses in Nacos', async () => {
    const { code, stdout, stderr } = await lane(['gateway', 'export', 'nginx', '--nacos', demo.nacosAddress, '--listen', '8080']);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^note: /)]);
    expect(stdout).toContain('listen 8080 default_server;');
    for (const { name, lane: of, address } of demo.services)
      if (name === 'A') expect(stdout).toContain(`upstream spring-cloud-a${of === 'gray' ? '--gray' : ''} {\n    server ${address};`);
      else expect(stdout).not.toContain(address);
  });

  test('takes routes from an Ingress, and addresses and lane groups from arguments, and then needs no Nacos', async () => {
    const file = join(folder, 'groups.yaml');
    writeFileSync(file, 'name: g\nservices: [spring-cloud-a]\nlanes: [{ name: gray, tag: gray }]\n');
    const manifests = ['gray-ingress.yaml', 'services.yaml', 'deployments.yaml'].flatMap((name) => ['--ingress', join(MANIFESTS, name)]);
    const addresses = ['--upstream', 'spring-cloud-a=10.0.0.1:20001,10.0.0.2:20001', '--upstream', 'spring-cloud-a:gray=10.0.0.3:20001'];
    const args = ['--nacos', '127.0.0.1:1', '--rules', file, ...manifests, '--mend', ...addresses, '--json'];
    const { code, stdout } = await lane(['gateway', 'export', 'haproxy', ...args]);
    expect(code).toBe(0);
    const { text, remarks } = JSON.parse(stdout) as { text: string; remarks: object[] };
    expect(remarks).toEqual([]);
    expect(text).toMatch(/str\(gray\) if .*\n/);
    for (const line of [
      'backend spring-cloud-a from lane',
      'server s2 10.0.0.2:20001',
      'backend spring-cloud-a--gray from lane',
      'server s1 10.0.0.3:20001',
    ])
      expect(text).toContain(line);
  });

  test('fails with --strict if something cannot be expressed; for Kubernetes, names of Services suffice', async () => {
    const file = join(folder, 'sticky.yaml');
    const rule = '{ name: some, percent: 5, by: { cookie: uid } }';
    writeFileSync(file, `name: g\nservices: [a]\nentry: { services: [a] }\nlanes: [{ name: gray, tag: gray, rules: [${rule}] }]\n`);
    for (const [more, code] of [
      [[], 0],
      [['--strict'], 1],
    ] as const) {
      const result = await lane(['gateway', 'export', 'istio', '--rules', file, ...more]);
      expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(/^not expressed: rule g\/gray\/some: a sticky share/m)]);
      expect(result.stdout).toContain('kind: VirtualService');
    }
  });

  test('accepts a package that exports a target, and reports what is wrong with one that does not', async () => {
    const package_ = join(folder, 'node_modules', '@acme', 'lane-target');
    mkdirSync(package_, { recursive: true });
    writeFileSync(join(package_, 'package.json'), '{ "name": "@acme/lane-target", "version": "1.0.0", "main": "target.cjs" }');
    writeFileSync(
      join(package_, 'target.cjs'),
      `exports.exportTarget = { name: 'acme', title: 'Acme 1', output: 'acme.json', file: 'acme.json', needsAddresses: true,
        comment: '//', write: (plan) => JSON.stringify(plan.upstreams.map(({ name }) => name)) };`,
    );
    writeFileSync(join(folder, 'no-target.cjs'), 'module.exports = { write() {} };');
    const rules = join(folder, 'acme.yaml');
    writeFileSync(rules, 'name: g\nservices: [a]\nlanes: []\n');
    const args = ['--rules', rules, '--upstream', 'a=10.0.0.1:80'];
    const good = await lane(['gateway', 'export', '@acme/lane-target', ...args], { cwd: folder });
    expect([good.code, good.stdout.split('\n')]).toEqual([0, [expect.stringMatching(/^\/\/ Lane: .* for Acme 1/), '["a"]']]);
    const bad = await lane(['gateway', 'export', './no-target.cjs', ...args], { cwd: folder });
    expect([bad.code === 0, bad.stderr]).toEqual([false, expect.stringContaining("./no-target.cjs can't be used")]);
  });

  test.each([
    [['ngnix'], /"ngnix" is not a gateway: did you mean nginx\?/],
    [['traefik'], /Allowed choices are nginx, haproxy, envoy, spring-cloud-gateway, istio, higress, apisix/],
    [['nginx', '--upstream', 'a=10.0.0.1'], /"10\.0\.0\.1" is not an address: must be host:port/],
    [['nginx', '--upstream', 'a:x y=10.0.0.1:80'], /addresses are service\[:tag\]=host:port/],
    [['nginx', '--formats', 'magic'], /"magic" is not a format: must be one of baggage/],
    [['nginx', '--rules', 'nowhere.yaml'], /nowhere\.yaml can't be read/],
  ])('%j is rejected with the remedy', async (args, message) => {
    const { code, stdout, stderr } = await lane(['gateway', 'export', ...args]);
    expect(stderr).toMatch(message);
    expect([code === 0, stdout]).toEqual([false, '']);
  });
});
