/**
 * Instances that tell their lane by a label of Polaris, which lane groups give to the services of their own only: all that looks at
 * instances has to go by the service and its lane groups, and say the same of them as the agents.
 */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { ADMIN_METADATA_KEY } from '@lane/core/agent';
import { startConsole } from '@lane/console';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { publishLaneGroups } from '@lane/storage';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { askConsole } from '@lane/testing/ask-console';
import { runLane } from '@lane/testing/programs';

/** `version: v2` is gray for the services of one group, blue for those of the other, and nothing for anybody else. */
const GROUPS = [
  { name: 'shop', services: ['a'], lanes: [{ name: 'gray', tag: 'gray', polaris: { key: 'version', values: ['v2'] } }] },
  { name: 'bank', services: ['b'], lanes: [{ name: 'blue', tag: 'blue', polaris: { key: 'version', values: ['v2', 'v3'] } }] },
];

let nacos: EmbeddedNacos;
let connection: NacosConnection;

beforeAll(async () => {
  nacos = await startEmbeddedNacos({ port: 0 });
  connection = connectNacos({ server: nacos.address });
  await publishLaneGroups(connection, JSON.stringify({ version: 1, groups: GROUPS }));
  const figures = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(request.url === '/traffic' ? '{"requests":[{"tag":"gray","source":"inbound","count":1,"errors":0}],"calls":[]}' : '[]');
  }).listen(0, '127.0.0.1');
  await once(figures, 'listening');
  const admin = `127.0.0.1:${(figures.address() as AddressInfo).port}`;
  figures.unref();
  for (const [i, name] of ['a', 'b', 'stranger'].entries()) {
    const metadata = { version: 'v2', ...(name === 'a' ? { [ADMIN_METADATA_KEY]: admin } : {}) };
    await connection.register({ name, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: i + 1, ephemeral: false, metadata });
  }
});
afterAll(async () => {
  await connection.close();
  await nacos.close();
});

/** What a command says as JSON. */
async function say(...args: readonly string[]): Promise<unknown> {
  const { stdout } = await runLane([...args, '--json'], { env: { LANE_NACOS_SERVER: nacos.address } });
  return JSON.parse(stdout);
}

test('console: services, groups, explanations and traffic have each in the lane of its own group', async () => {
  const running = await startConsole({ connection, port: 0 });
  onTestFinished(() => running.close());
  const ask = (path: string, body?: unknown): Promise<unknown> => askConsole(running, path, body);
  const none = { usable: 0, total: 0 };
  const one = { usable: 1, total: 1 };
  expect(await ask('/api/services')).toEqual({
    services: [
      { name: 'a', base: none, tags: [{ tag: 'gray', ...one }] },
      { name: 'b', base: none, tags: [{ tag: 'blue', ...one }] },
      { name: 'stranger', base: one, tags: [] },
    ],
    leftOut: 0,
  });
  expect(await ask('/api/groups')).toMatchObject({
    groups: [
      { status: { services: [{ base: none, lanes: [{ ...one, servedBy: 'lane' }] }] } },
      { status: { services: [{ base: none, lanes: [{ ...one, servedBy: 'lane' }] }] } },
    ],
  });
  expect(await ask('/api/explanations', { group: 'shop', tag: 'gray' })).toMatchObject({ hops: [{ reason: 'in-lane' }] });
  expect(await ask('/api/services/b/hop?tag=blue')).toMatchObject({ hop: { reason: 'in-lane' } });
  expect(await ask('/api/traffic')).toMatchObject({ nodes: [{ service: 'a', tag: 'gray', count: 1 }] });
});

test('lane status and explain have each in the lane of its own group', async () => {
  expect(await say('status')).toMatchObject({
    groups: [
      { services: [{ service: 'a', base: { total: 0 }, lanes: [{ usable: 1, servedBy: 'lane' }] }] },
      { services: [{ service: 'b', base: { total: 0 }, lanes: [{ usable: 1, servedBy: 'lane' }] }] },
    ],
  });
  expect(await say('explain', '--tag', 'gray', '--via', 'a,b,stranger')).toMatchObject({
    hops: [
      { reason: 'in-lane', instances: [{ tag: 'gray' }] },
      { reason: 'none', instances: [{ tag: 'blue' }] },
      { reason: 'lane-not-here', instances: [{ role: 'serves' }] },
    ],
  });
});

test('lane doctor has the tag of its own service by the label, and misses base by it', async () => {
  const variables = ['LANE_TAG=gray', 'LANE_SERVICE=a', `LANE_NACOS_SERVER=${nacos.address}`];
  expect(await say('doctor', ...variables.flatMap((variable) => ['--env', variable]))).toMatchObject({
    findings: expect.arrayContaining([
      expect.objectContaining({ check: 'tag', level: 'ok', message: expect.stringContaining('the tag is gray') as string }),
      expect.objectContaining({ check: 'base', level: 'error', message: expect.stringContaining('a has no usable base instance') as string }),
    ]) as unknown[],
  });
});
