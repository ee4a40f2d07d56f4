/**
 * What a Java hop does with a tag, with OpenTelemetry's agent alone and with the load balancer of examples/java-in-the-middle.
 * test/interop/examples checks the whole chain of that example, base and gray.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Service } from '../../servers/process.js';
import { eventually } from '@lane/testing/eventually';
import { nacosServers, tellLeftOutServers, type RunningNacos } from '../../servers/index.js';
import { buildJava, startSpringBoot } from './start-java.js';

tellLeftOutServers();

const TIMES = 30;

describe.skipIf(!nacosServers().some(({ kind }) => kind === 'real'))('a Spring Cloud service under OpenTelemetry', () => {
  const namespace = `java-${process.pid}`;
  let nacos: RunningNacos;
  const children: ChildProcess[] = [];
  const services: Service[] = [];
  /** B with the load balancer of the example, and without. */
  let choosing: number;
  let plain: number;

  beforeAll(async () => {
    nacos = await (nacosServers().find(({ name }) => name === 'Nacos 2.2.4') as { start(): Promise<RunningNacos> }).start();
    const built = await buildJava('java-b', join(__dirname, '../../../examples/java-in-the-middle/java'));
    await Promise.all([startC('C', {}), startC('Cgray', { LANE_TAG: 'gray' })]);
    [choosing, plain] = (await Promise.all([startB(built, 'choosing', true), startB(built, 'plain', false)])) as [number, number];
    // Nacos may give its first answers before all have registered, and Spring's load balancer keeps an answer for 35 s.
    await eventually(
      async () => {
        expect(await ask(choosing, 'lane=gray')).toContain('Cgray');
        expect(await ask(choosing)).not.toContain('Cgray');
        for (const lane of ['lane=gray', undefined])
          expect(new Set((await asks(plain, lane)).map((answer) => answer.split(' ')[0]))).toEqual(new Set(['C', 'Cgray']));
      },
      { timeoutMs: 150_000 },
    );
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop()));
    for (const child of children) {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    }
  });

  async function startC(name: string, env: Record<string, string>): Promise<void> {
    const child = fork(join(__dirname, 'apps/c.cjs'), {
      cwd: join(__dirname, '../..'),
      execArgv: ['--require', require.resolve('@lane/agent')],
      env: { ...process.env, NODE_OPTIONS: '', NAME: name, NACOS: nacos.address, NAMESPACE: namespace, ...env },
    });
    children.push(child);
    await once(child, 'message');
  }

  async function startB(built: string, name: string, chooses: boolean): Promise<number> {
    const service = await startSpringBoot(
      [
        `-javaagent:${join(built, 'opentelemetry-javaagent.jar')}`,
        ...['traces', 'metrics', 'logs'].map((signal) => `-Dotel.${signal}.exporter=none`),
      ],
      join(built, 'java-b.jar'),
      [`--spring.application.name=${name}`, `--lane.choose=${chooses}`],
      { NACOS_SERVER: nacos.address, NACOS_NAMESPACE: namespace },
    );
    services.push(service);
    return service.port;
  }

  async function ask(port: number, baggage?: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${port}/b`, { headers: baggage === undefined ? {} : { baggage } });
    const [, c = ''] = (await response.text()).split(' -> ');
    return c;
  }

  const asks = (port: number, baggage?: string): Promise<string[]> => Promise.all(Array.from({ length: TIMES }, () => ask(port, baggage)));

  test('carries the tag beside other baggage through OpenFeign', async () => {
    for (const answer of await asks(plain, 'user=42,lane=gray')) {
      expect(answer.split(' with ')[1]?.split(',').sort()).toEqual(['lane=gray', 'user=42']);
    }
    for (const answer of await asks(plain)) expect(answer).toMatch(/ with no baggage$/);
  });

  test('does not choose by it: tagged calls reach base instances, and untagged ones gray instances', async () => {
    const chosen = async (baggage?: string): Promise<unknown> => new Set((await asks(plain, baggage)).map((answer) => answer.split(' ')[0]));
    expect(await chosen('lane=gray')).toEqual(new Set(['C', 'Cgray']));
    expect(await chosen()).toEqual(new Set(['C', 'Cgray']));
  });

  test("chooses as Lane does with the example's load balancer, and falls back to base", async () => {
    for (const answer of await asks(choosing, 'user=42,lane=gray')) expect(answer).toMatch(/^Cgray with /);
    for (const answer of await asks(choosing, 'lane=blue')) expect(answer).toBe('C with lane=blue');
    for (const answer of await asks(choosing)) expect(answer).toBe('C with no baggage');
  });
});
