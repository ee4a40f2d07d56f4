/** `lane injector` as a command: what it says, and how it starts and ends. What it does to pods is in test/interop/kubernetes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { nextState } from '@lane/kubernetes/injector';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { CLEAN, type Result } from '@lane/testing';
import { LANE, runLane } from '@lane/testing/programs';

const folder = mkdtempSync(join(tmpdir(), 'lane-injector-'));
const at = (name: string): string => join(folder, name);
const TLS = ['--tls-cert', at('tls.crt'), '--tls-key', at('tls.key')];
const FREE_PORTS = ['--host', '127.0.0.1', '--port', '0', '--metrics-port', '0'];
/** No cluster, whatever the tests themselves run in. */
const ENV = { ...CLEAN, KUBERNETES_SERVICE_HOST: '', LANE_KUBERNETES_ACCOUNT: at('account') };

let ca: string;
beforeAll(async () => {
  const { serving, trusted } = await nextState(undefined, ['127.0.0.1'], Date.now());
  const other = await nextState(undefined, ['127.0.0.1'], Date.now());
  ca = trusted.join('\n');
  writeFileSync(at('tls.crt'), serving.certificate);
  writeFileSync(at('tls.key'), serving.key);
  writeFileSync(at('other.key'), other.serving.key);
  writeFileSync(at('none.pem'), 'nothing of the kind\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

const injector = (args: readonly string[], env: Record<string, string> = {}): Promise<Result> =>
  runLane(['injector', ...args], { env: { ...ENV, ...env } });

const IMAGE = ['--image', 'lane-agent:1'];

describe('lane injector', () => {
  test('prints its address as JSON, answers there, and shuts down gracefully', async () => {
    const child = spawn(process.execPath, [LANE, 'injector', ...FREE_PORTS, ...IMAGE, ...TLS, '--json'], {
      env: ENV,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const said: string[] = [];
    createInterface(child.stderr).on('line', (line) => said.push(line));
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { url, port, metricsPort } = JSON.parse(line) as { url: string; port: number; metricsPort: number };
    expect(url).toBe(`https://127.0.0.1:${port}`);
    expect((await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).status).toBe(200);
    const pod = { spec: { containers: [{ name: 'app', image: 'node:22' }] } };
    const review = { request: { uid: 'u-1', kind: { group: '', version: 'v1', kind: 'Pod' }, operation: 'CREATE', object: pod } };
    expect(await post(`${url}/inject/namespace`, review)).toMatchObject({ response: { uid: 'u-1', allowed: true, patchType: 'JSONPatch' } });
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(said).toEqual([]);
  });

  test.each([
    [[], /required option '--image <image>' not specified/],
    [['--image', ''], /expected the name of an image/],
    [[...IMAGE, '--port', '65536'], /a port is a number/],
    [[...IMAGE, '--delivery', 'mail'], /Allowed choices are init, image/],
    [[...IMAGE, '--env', 'LANE_LOG'], /expected NAME=value/],
    [[...IMAGE, '--env', 'LANE LOG=debug'], /expected NAME=value/],
    [[...IMAGE, '--cpu', 'half'], /expected a Kubernetes quantity, such as 50m/],
    [[...IMAGE, '--memory', '32MB'], /expected a Kubernetes quantity, such as 50m or 32Mi/],
    [[...IMAGE, '--governance-namespace', 'prod'], /expected name=value/],
    [[...IMAGE, '--tls-cert', at('tls.crt')], /--tls-cert and --tls-key belong together: give both/],
  ])('%j is refused with the remedy: pods would be, later', async (args, message) => {
    const { code, stdout, stderr } = await injector(args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('    at ');
    expect([code, stdout]).toEqual([2, '']);
  });

  test.each([
    ['a certificate that is not there', ['absent.pem', 'tls.key'], /ENOENT/],
    ['a file that is no certificate', ['none.pem', 'tls.key'], /no start line/],
    ['a key of another certificate', ['tls.crt', 'other.key'], /key values mismatch/],
  ])('%s is told with what to give', async (_name, [certificate, key], message) => {
    const files = ['--tls-cert', at(certificate as string), '--tls-key', at(key as string)];
    const { code, stdout, stderr } = await injector([...FREE_PORTS, ...IMAGE, ...files, '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: 'ELANE_CERTIFICATE' });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^lane: .*; give PEM files that belong together\n$/);
  });

  test.each([
    ['--port', '--metrics-port', /: choose another --port or --host\n$/],
    ['--metrics-port', '--port', /: choose another --metrics-port\n$/],
  ])('a %s that is taken is told by its name', async (taken, free, message) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const result = await injector(['--host', '127.0.0.1', taken, String(port), free, '0', ...IMAGE, ...TLS]);
    expect(result).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(message) as string });
  });

  test('without certificates, outside a cluster or without a service account, it says what to do', async () => {
    const outside = await injector([...FREE_PORTS, ...IMAGE]);
    expect(outside.stderr).toMatch(/^lane: certificates can be generated only in a cluster: .*--tls-cert and --tls-key\n$/);
    const inside = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '1' };
    const unknown = await injector([...FREE_PORTS, ...IMAGE], inside);
    expect(unknown.stderr).toMatch(/^lane: the pod has no service account .*; set automountServiceAccountToken: true, .*\n$/);
    mkdirSync(at('account'));
    for (const [name, text] of [
      ['token', 'token'],
      ['ca.crt', ca],
      ['namespace', 'lane-system'],
    ] as const)
      writeFileSync(join(at('account'), name), text);
    const unreachable = await injector([...FREE_PORTS, ...IMAGE], inside);
    expect(unreachable.stderr).toMatch(/^lane: Kubernetes at https:\/\/127\.0\.0\.1:1 can't be reached: .*ECONNREFUSED.*\n$/);
    expect([outside.code, unknown.code, unreachable.code]).toEqual([1, 1, 1]);
  });
});

async function post(url: string, body: object): Promise<unknown> {
  const call = request(url, { method: 'POST', ca, agent: false, headers: { 'content-type': 'application/json' } });
  call.end(JSON.stringify(body));
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
  return JSON.parse(text);
}
