/** The check has to find what is wrong: the real scenario, of one process each, with something wrong in it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Result } from '@lane/testing';
import { runLane } from '@lane/testing/programs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { AGENT_VARIABLES } from '@lane/core/agent';
import { BASE_HOST, checkDemo, GRAY_HOST, startDemo, type Demo, type DemoOptions } from '../dist/index.js';

async function start(options: DemoOptions = {}): Promise<Demo> {
  const demo = await startDemo({ ports: 'auto', replicas: 1, ...options });
  onTestFinished(() => demo.stop());
  return demo;
}

describe('the check', () => {
  test('tells what is right, what is a failure, and what is no answer', async () => {
    const demo = await start();
    const right = await checkDemo(demo);
    expect(right).toEqual([
      { host: BASE_HOST, first: expect.stringMatching(/^A\[.+\] -> B\[.+\] -> C\[.+\]$/), sent: 101, right: 101, wrong: {} },
      { host: GRAY_HOST, first: expect.stringMatching(/^Agray\[.+\] -> Bgray\[.+\] -> Cgray\[.+\]$/), sent: 101, right: 101, wrong: {} },
    ]);
    const [base, gray] = [right[0]?.first ?? '', right[1]?.first ?? ''];
    expect(demo.expected(BASE_HOST).test(gray)).toBe(false);
    expect(demo.expected(GRAY_HOST).test(base)).toBe(false);

    for (const service of demo.services) if (service.name === 'C' && service.lane === 'base') await service.kill();
    const [failing, unharmed] = await checkDemo(demo);
    expect(failing).toMatchObject({ host: BASE_HOST, sent: 101, right: 0 });
    expect(failing?.first).toMatch(/^502 A\[/);
    expect(Object.values(failing?.wrong ?? {}).reduce((sum, times) => sum + times)).toBe(101);
    expect(unharmed).toMatchObject({ host: GRAY_HOST, sent: 101, right: 101, wrong: {} });

    await demo.stop();
    const refused = `no answer: connect ECONNREFUSED ${new URL(demo.gatewayUrl).host}`;
    for (const check of await checkDemo(demo)) expect(check).toMatchObject({ first: refused, sent: 101, right: 0, wrong: { [refused]: 101 } });
  });

  test('expects the base of a service that has no canary, of that service only', async () => {
    const demo = await start({ without: ['b'] });
    expect(demo.services.filter(({ lane }) => lane === 'gray').map(({ name }) => name)).toEqual(['A', 'C']);
    const expected = demo.expected(GRAY_HOST);
    const at = (...names: string[]): string => names.map((name) => `${name}[127.0.0.1:1]`).join(' -> ');
    expect(expected.test(at('Agray', 'B', 'Cgray'))).toBe(true);
    for (const wrong of [
      ['Agray', 'Bgray', 'Cgray'],
      ['Agray', 'B', 'C'],
      ['A', 'B', 'Cgray'],
      ['Agray', 'B'],
      ['Agray', 'B', 'Cgray', 'C'],
    ]) {
      expect(expected.test(at(...wrong)), wrong.join()).toBe(false);
    }
    expect(demo.expected(BASE_HOST).test(at('A', 'B', 'C'))).toBe(true);
    expect((await demo.request(GRAY_HOST)).body).toMatch(expected);
  });
});

describe('lane demo --check', () => {
  let folder: string;
  /** Requests have no lane then, though instances have. Settings of the shell would not get there. */
  let laneLess: Record<string, string>;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'lane-check-demo-'));
    const file = join(folder, 'lane-less.cjs');
    writeFileSync(file, "Object.assign(process.env, { LANE_DISABLE: 'http-server', LANE_BACKGROUND: 'base' });");
    laneLess = { NODE_OPTIONS: `--require ${JSON.stringify(file)}` };
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const check = (args: string[], env: Record<string, string>): Promise<Result> =>
    runLane(['demo', '--check', '--ports', 'auto', '--replicas', '1', ...args], { env });

  test('settings of the shell do not get into the demo', async () => {
    const { code, stdout, stderr } = await check([], {
      // Of Lane: each option, its misspelling, and what else a tag is taken from.
      ...Object.fromEntries(AGENT_VARIABLES.flatMap((name) => [name, `${name}S`, name.toLowerCase()].map((each) => [each, 'garbage']))),
      LANE_TAG: 'blue',
      LANE_DISABLE: 'all',
      LANE_NACOS_NAMESPACE: 'nowhere',
      LANE_TRUST: 'none',
      LANE_REGISTRY: '@acme/none',
      LANE_FORMATS: 'mse',
      'alicloud.service.tag': 'blue',
      MSE_ALICLOUD_SERVICE_TAG: 'blue',
      'profiler.micro.service.tag.trace.enable': 'true',
      pm2_env: '{"LANE_TAG":"blue"}',
      // Of others: what most services read, ours included.
      PORT: '1',
      HOST: '192.0.2.1',
      NAME: 'blue',
      NACOS_SERVER: '192.0.2.1:1',
      NACOS_NAMESPACE: 'nowhere',
      NACOS_USERNAME: 'blue',
      KUBERNETES_SERVICE_HOST: '192.0.2.1',
      HTTP_PROXY: 'http://127.0.0.1:9',
      http_proxy: 'http://127.0.0.1:9',
      NODE_USE_ENV_PROXY: '1',
    });
    expect(stdout).toContain(`${BASE_HOST}: 101 of 101 right`);
    expect(stdout).toContain(`${GRAY_HOST}: 101 of 101 right`);
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });

  test('ends with 1 where requests leave their lane, and shows the wrong answers', async () => {
    const { code, stdout } = await check([], laneLess);
    expect(stdout).toMatch(new RegExp(`^Host: ${GRAY_HOST} +Agray\\[.+\\] -> B\\[.+\\] -> C\\[.+\\]$`, 'm'));
    expect(stdout).toMatch(
      new RegExp(`^${BASE_HOST}: 101 of 101 right\\n${GRAY_HOST}: 0 of 101 right\\n    101 × Agray.+ -> B\\[.+ -> C\\[.+\\n$`, 'm'),
    );
    expect(code).toBe(1);
  });

  test('says the same in JSON, and nothing else on stdout', async () => {
    const { code, stdout, stderr } = await check(['--json'], laneLess);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      checks: [
        { host: BASE_HOST, sent: 101, right: 101, wrong: {} },
        { host: GRAY_HOST, sent: 101, right: 0 },
      ],
    });
    expect(stderr).toContain('starting 6 processes');
    expect(code).toBe(1);
  });
});
