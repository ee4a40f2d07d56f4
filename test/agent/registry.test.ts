/** Services called by name: the first call, and third-party registries. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { publishLaneGroups } from '@lane/storage';
import { createServer } from 'node:net';
import { listen } from '@lane/testing/ports';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, type Peer } from './peer.js';
import { startRegisteredInstance } from './registered-instance.js';
import { runApp, type App } from './run-app.js';

const KEY = { name: 'stock', group: 'DEFAULT_GROUP' };
let nacos: EmbeddedNacos;
let connection: NacosConnection;
let base: Peer;
let gray: Peer;
/** A service that speaks more than HTTP/1. */
let instance: App;

beforeAll(async () => {
  [nacos, base, gray] = await Promise.all([startEmbeddedNacos({ port: 0 }), startPeer('base'), startPeer('gray')]);
  connection = connectNacos({ server: nacos.address });
  await connection.register(KEY, { ip: '127.0.0.1', port: base.port });
  await connection.register(KEY, { ip: '127.0.0.1', port: gray.port, metadata: { lane: 'gray' } });
  instance = await startRegisteredInstance(connection, ['stock-h2', 'stock-rpc'], 'instance', {});
  const shop = { name: 'shop', services: ['stock'], lanes: [{ name: 'gray', tag: 'gray' }] };
  await publishLaneGroups(connection, JSON.stringify({ version: 1, groups: [shop] }));
});
afterAll(async () => {
  await connection?.close();
  await instance?.stop();
  await Promise.all([nacos?.close(), base?.close(), gray?.close()]);
});

describe.each(nodeVersions())('$name', ({ path: node }) => {
  const ask = (env: Record<string, string>, cwd?: string): Promise<{ code: number | null; stdout: string; stderr: string }> =>
    runApp({ node, script: 'first-call.cjs', ...(cwd === undefined ? {} : { cwd }), env: { LANE_SERVICES: 'stock', CALL: 'http://stock/', ...env } });

  test.each([
    ['in the first tick', {}],
    ['later, with nothing else alive', { LATER: '300' }],
  ])('the first call by name, %s, waits for the registry, and the process with it', async (_, env) => {
    const { code, stdout, stderr } = await ask({ LANE_NACOS_SERVER: nacos.address, ...env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ name: 'base' });
  });

  test.each([
    ['http2', 'stock-h2', {}],
    ['http2', 'stock-h2', { LATER: '300' }],
    ['grpc', 'stock-rpc', {}],
    ['grpc', 'stock-rpc', { LATER: '300' }],
  ])('a process whose only work is a call by %s to %s gets the answer before it ends, %j', async (way, service, env) => {
    const { code, stdout, stderr } = await ask({
      LANE_NACOS_SERVER: nacos.address,
      LANE_SERVICES: service,
      CALL: `http://${service}/`,
      WAY: way,
      ...env,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ name: 'instance' });
  });

  test.each([
    ['fetch', {}],
    ['fetch', { LANE_TAG: 'gray', LANE_BACKGROUND: 'own' }],
    ['http', {}],
    ['undici', { LANE_TAG: 'gray', LANE_BACKGROUND: 'own' }],
  ])('a call by %s in the first tick waits for the lane groups if only they name its service, %j', async (way, env) => {
    const { code, stdout, stderr } = await ask({ LANE_SERVICES: '', LANE_NACOS_SERVER: nacos.address, WAY: way, ...env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ name: 'LANE_TAG' in env ? 'gray' : 'base' });
  });

  test.each([
    ['the lane groups', 'before', { LANE_SERVICES: '', LATER: '1', BLOCKED_BEFORE: '3500' }],
    ['the lane groups', 'after', { LANE_SERVICES: '', BLOCKED_AFTER: '3500' }],
    ['the service', 'after', { BLOCKED_AFTER: '3500' }],
  ])('a call waits for %s even if the app blocks the process for longer %s it', async (_what, _when, env) => {
    const { code, stdout, stderr } = await ask({ LANE_NACOS_SERVER: nacos.address, ...env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ name: 'base' });
  });

  test('a third-party registry is loaded from its package, and keeps lanes apart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lane-third-party-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    cpSync(join(__dirname, '../../examples/registry-from-files'), join(folder, 'node_modules/@acme/lane-files'), { recursive: true });
    writeFileSync(
      join(folder, 'stock.json'),
      JSON.stringify([
        { ip: '127.0.0.1', port: base.port },
        { ip: '127.0.0.1', port: gray.port, metadata: { lane: 'gray' } },
      ]),
    );
    for (const [tag, name] of [
      [undefined, 'base'],
      ['gray', 'gray'],
    ] as const) {
      const { code, stdout, stderr } = await ask(
        { LANE_REGISTRY: '@acme/lane-files', FILES_REGISTRY: folder, ...(tag === undefined ? {} : { LANE_TAG: tag }) },
        folder,
      );
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(JSON.parse(stdout)).toMatchObject({ name });
    }
  });

  test('a registry that cannot be loaded is reported with the remedy, and the app runs', async () => {
    const { code, stdout, stderr } = await ask({ LANE_REGISTRY: '@acme/nowhere' });
    expect(code).toBe(0);
    expect(stdout).toMatch(/failed: (ENOTFOUND|EAI_AGAIN)/);
    expect(stderr).toMatch(/LANE_REGISTRY=@acme\/nowhere can't be used: .*exports createRegistry/);
  });
});

test('the agent waits only once for lane groups that do not arrive: the call goes to DNS, and later ones do so at once', async () => {
  const silent = createServer((socket) => onTestFinished(() => void socket.destroy()));
  onTestFinished(() => void silent.close());
  const env = { LANE_NACOS_SERVER: `127.0.0.1:${await listen(silent)}`, LANE_LOG: 'off', LANE_SERVICES: '', CALL: 'http://stock/', TIMES: '2' };
  const { code, stdout } = await runApp({ script: 'first-call.cjs', env });
  expect(code).toBe(0);
  const [first = '', second = ''] = stdout.trim().split('\n');
  expect(first).toMatch(/^failed: (ENOTFOUND|EAI_AGAIN)$/);
  expect(second).toBe(`${first}, without a timer of the agent's`);
});
