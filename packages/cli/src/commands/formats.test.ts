/**
 * An instance that tells its tag by Nepxion's `version`, which is read only where the format is listed: all that looks at instances
 * has to know the formats, and say the same of it as the agents.
 */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { ADMIN_METADATA_KEY } from '@lane/core/agent';
import { startConsole } from '@lane/console';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { publishLaneGroups } from '@lane/storage';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { askConsole } from '@lane/testing/ask-console';
import { runLane } from '@lane/testing/programs';

const SHOP = { name: 'shop', services: ['a'], entry: { services: ['a'] }, lanes: [{ name: 'gray', tag: 'gray' }] };

let nacos: EmbeddedNacos;
let connection: NacosConnection;
let admin: number;

beforeAll(async () => {
  nacos = await startEmbeddedNacos({ port: 0 });
  connection = connectNacos({ server: nacos.address });
  await publishLaneGroups(connection, JSON.stringify({ version: 1, groups: [SHOP] }));
  const figures = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(request.url === '/traffic' ? '{"requests":[{"tag":"gray","source":"inbound","count":1,"errors":0}],"calls":[]}' : '[]');
  }).listen(0, '127.0.0.1');
  await once(figures, 'listening');
  admin = (figures.address() as AddressInfo).port;
  figures.unref();
  const metadata = { version: 'gray', [ADMIN_METADATA_KEY]: `127.0.0.1:${admin}` };
  await connection.register({ name: 'a', group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: 1, ephemeral: false, metadata });
});
afterAll(async () => {
  await connection.close();
  await nacos.close();
});

/** What a command says, with exit code and all. */
async function say(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { stdout, stderr } = await runLane(args, { env: { LANE_NACOS_SERVER: nacos.address, ...env } });
  return stdout + stderr;
}

/** As an option, and as the agents have it. */
const LISTED = [
  ['--formats', [['--formats', 'nepxion'], {}]],
  ['LANE_FORMATS', [[], { LANE_FORMATS: 'baggage, Nepxion' }]],
] as const;

describe.each(LISTED)('listed by %s', (_, [option, env]) => {
  test('lane status: base is empty, and the lane has one', async () => {
    const { groups } = JSON.parse(await say(['status', '--json', ...option], env)) as { groups: Array<{ services: unknown[] }> };
    expect(groups[0]?.services).toMatchObject([{ service: 'a', base: { total: 0 }, lanes: [{ usable: 1, servedBy: 'lane' }] }]);
  });

  test('lane explain: it serves its lane, and no untagged call, also where no lane group has its service', async () => {
    const hops = async (...args: string[]): Promise<unknown> =>
      (JSON.parse(await say(['explain', '--json', ...args, ...option], env)) as { hops: unknown }).hops;
    expect(await hops('--tag', 'gray')).toMatchObject([{ reason: 'in-lane', instances: [{ tag: 'gray', role: 'serves' }] }]);
    expect(await hops()).toMatchObject([{ reason: 'none', instances: [{ tag: 'gray', role: 'other-lane' }] }]);
    await connection.register(
      { name: 'stranger', group: 'DEFAULT_GROUP' },
      { ip: '127.0.0.1', port: 2, ephemeral: false, metadata: { version: 'gray' } },
    );
    expect(await hops('--via', 'stranger')).toMatchObject([{ reason: 'none', instances: [{ tag: 'gray' }] }]);
  });

  test('lane explain: a header that names a version for each service holds hop by hop', async () => {
    const header = `n-d-version=${JSON.stringify({ b: 'gray', a: 'blue' })}`;
    const { tag, hops } = JSON.parse(await say(['explain', '/', '--json', '--header', header, '--via', 'b,a,c', ...option], env)) as {
      tag: string;
      hops: ReadonlyArray<{ tag?: string }>;
    };
    expect({ tag, hops: hops.map((hop) => hop.tag) }).toEqual({ tag: 'blue', hops: ['gray', 'blue', undefined] });
  });

  test('lane gateway export: it is in no base upstream', async () => {
    const exported = (...more: readonly string[]): string[] => ['gateway', 'export', 'nginx', '--route', '*=a', ...more];
    expect(await say(exported('--formats', 'baggage'), env)).toContain('127.0.0.1:1');
    expect(await say(exported(...option), env)).not.toContain('127.0.0.1:1');
  });
});

test('lane doctor: its base is missing, and its tag is right', async () => {
  const variables = ['LANE_FORMATS=nepxion', 'LANE_TAG=gray', 'LANE_SERVICE=a', `LANE_NACOS_SERVER=${nacos.address}`];
  const { findings } = JSON.parse(await say(['doctor', '--json', ...variables.flatMap((variable) => ['--env', variable])])) as {
    findings: ReadonlyArray<{ check: string; level: string; message: string }>;
  };
  expect(findings).toContainEqual(expect.objectContaining({ check: 'base', level: 'error' }));
  expect(findings).toContainEqual(expect.objectContaining({ check: 'tag', level: 'ok', message: expect.stringContaining('gray') as string }));
});

test('console: services, groups, explanations and traffic have it in its lane', async () => {
  const running = await startConsole({ connection, port: 0, formats: ['nepxion'] });
  onTestFinished(() => running.close());
  const ask = (path: string, body?: unknown): Promise<unknown> => askConsole(running, path, body);
  expect(await ask('/api/services')).toMatchObject({
    services: expect.arrayContaining([
      expect.objectContaining({ name: 'a', base: { usable: 0, total: 0 }, tags: [{ tag: 'gray', usable: 1, total: 1 }] }),
    ]) as unknown[],
  });
  expect(await ask('/api/traffic')).toMatchObject({ nodes: [{ service: 'a', tag: 'gray', count: 1 }] });
  expect(await ask('/api/explanations', { group: 'shop', tag: 'gray' })).toMatchObject({ hops: [{ reason: 'in-lane' }] });
});

test('an unknown format is rejected, also in the variable', async () => {
  expect(await say(['status', '--formats', 'magic'])).toContain('"magic" is not a format: must be one of baggage');
  expect(await say(['status'], { LANE_FORMATS: 'magic' })).toMatch(/LANE_FORMATS.*"magic" is not a format/);
});
