/**
 * Nepxion Discovery and Lane on one Nacos: A (Node) -> B (Spring Cloud under Nepxion) -> C (Node). Lane chooses B's instances, Nepxion
 * chooses C's, by the format `nepxion`: header `n-d-version`, instance metadata `version`.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Service } from '../../servers/process.js';
import { eventually } from '@lane/testing/eventually';
import { nacosServers, tellLeftOutServers, type RunningNacos } from '../../servers/index.js';
import { buildJava, startSpringBoot } from '../java/start-java.js';

tellLeftOutServers();

const TIMES = 30;
/** Spring Boot 2.3 on Java 17. */
const OPENED = ['java.lang', 'java.util', 'java.lang.reflect'].flatMap((name) => ['--add-opens', `java.base/${name}=ALL-UNNAMED`]);

describe.skipIf(!nacosServers().some(({ kind }) => kind === 'real'))('Nepxion Discovery and Lane', () => {
  const namespace = `nepxion-${process.pid}`;
  let nacos: RunningNacos;
  const children: ChildProcess[] = [];
  const services: Service[] = [];
  let a: number;
  let b: number;

  beforeAll(async () => {
    nacos = await (nacosServers().find(({ name }) => name === 'Nacos 2.2.4') as { start(): Promise<RunningNacos> }).start();
    const built = await buildJava('nepxion-b', join(__dirname, 'java'));
    const [base, gray, atA] = await Promise.all([
      startB(built, { NAME: 'B' }),
      startB(built, { NAME: 'Bgray', SPRING_CLOUD_NACOS_DISCOVERY_METADATA_VERSION: 'gray' }),
      startNode({ SERVICE: 'spring-cloud-a', NAME: 'A', NEXT: 'spring-cloud-b' }),
      startNode({ SERVICE: 'spring-cloud-c', NAME: 'C' }),
      startNode({ SERVICE: 'spring-cloud-c', NAME: 'Cgray', LANE_TAG: 'gray' }),
    ]);
    services.push(base, gray);
    a = atA;
    b = base.port;
    // Nacos may give its first answers before all have registered, and Ribbon keeps an answer for 30 s: in each instance of B its own.
    await eventually(
      async () => {
        expect(await ask(a, 'gray')).toBe('A -> Bgray -> Cgray(gray)');
        expect(await ask(a)).toBe('A -> B -> C()');
        expect(await ask(b, 'gray')).toBe('B -> Cgray(gray)');
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

  const startB = (built: string, env: Record<string, string>): Promise<Service> =>
    startSpringBoot(OPENED, join(built, 'nepxion-b.jar'), [], { NACOS_SERVER: nacos.address, NACOS_NAMESPACE: namespace, ...env });

  async function startNode(env: Record<string, string>): Promise<number> {
    const child = fork(join(__dirname, 'apps/service.cjs'), {
      cwd: join(__dirname, '../..'),
      execArgv: ['--require', require.resolve('@lane/agent')],
      env: { ...process.env, NODE_OPTIONS: '', NACOS: nacos.address, NAMESPACE: namespace, LANE_FORMATS: 'nepxion', ...env },
    });
    children.push(child);
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return port;
  }

  async function ask(port: number, version?: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${port}/b`, { headers: version === undefined ? {} : { 'n-d-version': version } });
    return response.text();
  }

  const asks = async (port: number, version?: string): Promise<string[]> => [
    ...new Set(await Promise.all(Array.from({ length: TIMES }, () => ask(port, version)))),
  ];

  test('each chooses the gray instances of the other', async () => {
    expect(await asks(a, 'gray')).toEqual(['A -> Bgray -> Cgray(gray)']);
  });

  test('each chooses the base instances of the other, which have no version', async () => {
    expect(await asks(a)).toEqual(['A -> B -> C()']);
  });

  test('each falls back to base if there is no such version, and forwards it', async () => {
    expect(await asks(a, 'blue')).toEqual(['A -> B -> C(blue)']);
  });

  test("Nepxion's base instance sends gray requests to our gray ones", async () => {
    expect(await asks(b, 'gray')).toEqual(['B -> Cgray(gray)']);
  });
});
