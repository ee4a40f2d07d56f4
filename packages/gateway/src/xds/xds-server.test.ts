/** What is asked of the server itself, by whomever; real Envoys ask it in test/interop/entries. */
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { instanceAt, RecordingLog } from '@lane/testing';
import { closing } from '@lane/testing/cleanup';
import { ask, type RawAnswer, type RawRequest } from '@lane/testing/raw-http';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { LaneGroupsDocument } from '@lane/core/rules';
import type { Instance } from '@lane/core/model';
import type { ExportSource } from '../export/plan.js';
import { xdsResources } from './resources.js';
import { startXdsServer, type XdsServer } from './xds-server.js';

const DOCUMENT: LaneGroupsDocument = {
  version: 1,
  groups: [
    {
      name: 'shop',
      services: ['a'],
      entry: { services: ['lane-gateway'] },
      lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'by-host', match: { host: { exact: 'www.example.com' } } }] }],
    },
  ],
};
const source = (instances: readonly Instance[], document: LaneGroupsDocument | undefined = DOCUMENT): ExportSource => ({
  document,
  formats: ['baggage'],
  routes: [{ host: '*', service: 'a' }],
  instancesOf: () => instances,
});
const INSTANCES = [instanceAt(20001), instanceAt(20002, 'gray')];

async function started(log = new RecordingLog()): Promise<XdsServer> {
  return closing(await startXdsServer({ port: 0, log }));
}

interface Discovery {
  readonly version_info: string;
  readonly type_url: string;
  readonly resources: ReadonlyArray<Record<string, unknown>>;
}

function send({ port }: XdsServer, { headers, ...more }: RawRequest = {}): Promise<RawAnswer> {
  const usual = { host: 'lane_xds', 'content-type': 'application/json' };
  return ask(port, { method: 'POST', path: '/v3/discovery:clusters', body: '{}', headers: { ...usual, ...headers }, ...more });
}

async function discover(server: XdsServer, kind: string, request: object = {}): Promise<Discovery> {
  const body = JSON.stringify({ node: { id: 'one' }, ...request });
  const answer = await send(server, { path: `/v3/discovery:${kind}`, body });
  expect(answer.status).toBe(200);
  return JSON.parse(answer.body) as Discovery;
}

test('sends clusters and endpoints first; routes wait until the Envoy confirms both', async () => {
  const server = await started();
  server.serve(xdsResources(source(INSTANCES)));
  let hasRoutes = false;
  const routes = discover(server, 'routes', { resource_names: ['lane'] }).finally(() => (hasRoutes = true));
  const clusters = await discover(server, 'clusters');
  expect(clusters.resources.map((one) => [one['@type'], one['name'], one['type']])).toEqual([
    ['type.googleapis.com/envoy.config.cluster.v3.Cluster', 'a', 'EDS'],
    ['type.googleapis.com/envoy.config.cluster.v3.Cluster', 'a:gray', 'EDS'],
  ]);
  const held = [discover(server, 'clusters', { version_info: clusters.version_info })];
  for (const name of ['a', 'a:gray']) {
    expect(hasRoutes).toBe(false);
    const { version_info, resources } = await discover(server, 'endpoints', { resource_names: [name] });
    expect(JSON.stringify(resources)).toContain(name === 'a' ? '20001' : '20002');
    held.push(discover(server, 'endpoints', { version_info, resource_names: [name] }));
  }
  expect(JSON.stringify(await routes)).toContain('"cluster":"a:gray"');
  // Those that wait are told of a change, and it alone.
  server.serve(xdsResources(source([...INSTANCES, instanceAt(20003)])));
  expect(JSON.stringify(await held[1])).toContain('20003');
  const settled = Promise.allSettled(held);
  await server.close();
  expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected']);
});

test('a restarted server sends the same versions', async () => {
  const versions: string[] = [];
  for (let i = 0; i < 2; i++) {
    const server = await started();
    server.serve(xdsResources(source(i === 0 ? INSTANCES : [...INSTANCES].reverse())));
    versions.push((await discover(server, 'clusters')).version_info);
  }
  expect(versions[1]).toBe(versions[0]);
  expect(versions[0]).toMatch(/^[0-9a-f]{16}$/);
});

test('the Envoy resolves an instance given by host name', () => {
  const { clusters, endpoints } = xdsResources(source([{ ...instanceAt(20001), ip: 'a.internal' }], undefined));
  expect(endpoints.size).toBe(0);
  expect(clusters.get('a')?.content).toMatchObject({ type: 'STRICT_DNS' });
});

test('a rejection by an Envoy is one line in the log', async () => {
  const log = new RecordingLog();
  const server = await started(log);
  server.serve(xdsResources(source(INSTANCES)));
  const refusing = { version_info: 'before', resource_names: ['a'], error_detail: { message: 'bad\nendpoints' } };
  await discover(server, 'endpoints', refusing);
  await discover(server, 'endpoints', refusing);
  expect(log.lines).toHaveLength(1);
  expect(log.lines[0]).toMatch(
    /^warn: Envoy "one": it rejected the endpoints of a of version [0-9a-f]{16} and keeps those of version before: bad\\nendpoints$/,
  );
});

describe('access control', () => {
  test.each<[who: string, request: RawRequest, status: number]>([
    ['a page of another site', { headers: { origin: 'http://evil.example' } }, 403],
    ['a page, whatever it says of itself', { headers: { 'sec-fetch-site': 'same-origin' } }, 403],
    ['a page whose name leads here', { headers: { host: 'evil.example:8910' } }, 403],
    ['a name with more behind it', { headers: { host: 'lane_xds@evil.example' } }, 403],
    ['a form', { headers: { 'content-type': 'text/plain' } }, 415],
    ['GET', { method: 'GET', body: '' }, 405],
    ['a preflight', { method: 'OPTIONS', body: '' }, 405],
    ['for something else', { path: '/v3/discovery:secrets' }, 404],
    ['in another spelling', { path: '/v3/discovery%3Aclusters' }, 404],
    ['without JSON', { body: '{' }, 400],
    ['with null', { body: 'null' }, 400],
    ['with a number for a version', { body: '{"version_info":1}' }, 400],
    ['for endpoints of nothing', { path: '/v3/discovery:endpoints' }, 400],
    ['for endpoints of an object', { path: '/v3/discovery:endpoints', body: '{"resource_names":[{}]}' }, 400],
    ['with more than a megabyte', { body: `{"node":{"id":"${'x'.repeat(1_100_000)}"}}` }, 413],
    ['with a name that is too long to keep', { body: `{"node":{"id":"${'x'.repeat(2_000)}"}}` }, 400],
  ])('%s is refused', async (_who, request, status) => {
    const server = await started();
    server.serve(xdsResources(source(INSTANCES)));
    const answer = await send(server, request);
    expect(answer.status).toBe(status);
    expect(answer.body).not.toContain('20001');
    expect((await discover(server, 'clusters')).resources).toHaveLength(2);
  });

  test.each(['lane_xds', '127.0.0.1:8910', '[::1]:8910', 'localhost'])('by the name %s is answered', async (host) => {
    const server = await started();
    server.serve(xdsResources(source(INSTANCES)));
    expect((await send(server, { headers: { host } })).status).toBe(200);
  });
});

test('a client that sends requests without waiting for answers loses the connection, and an Envoy is answered in the meantime', async () => {
  const server = await started();
  server.serve(xdsResources(source(INSTANCES)));
  const flood = connect(server.port, '127.0.0.1');
  flood.on('error', () => {}).resume();
  const closed = new Promise((resolve) => flood.once('close', resolve));
  for (let i = 0; i < 2_000; i++) {
    const body = JSON.stringify({ node: { id: 'flood' }, resource_names: [`made-up-${i}`] });
    flood.write(
      `POST /v3/discovery:endpoints HTTP/1.1\r\nHost: lane_xds\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  }
  expect((await discover(server, 'clusters')).resources).toHaveLength(2);
  await closed;
  await server.close();
});

test('made-up Envoys at one address with made-up clusters do not evict others, and evicted ones may ask again at once', async () => {
  const server = closing(await startXdsServer({ port: 0, maxRememberedBytes: 100_000 }));
  server.serve(xdsResources(source(INSTANCES)));
  const agent = new Agent();
  onTestFinished(() => agent.destroy());
  const wait = (localAddress: string, id: string, name: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const call = request({
        port: server.port,
        host: '127.0.0.1',
        localAddress,
        agent,
        method: 'POST',
        path: '/v3/discovery:endpoints',
        headers: { host: 'lane_xds', 'content-type': 'application/json' },
      });
      call.on('error', reject).on('response', (answer) => resolve(answer.resume().statusCode as number));
      call.end(JSON.stringify({ node: { id }, resource_names: [name], version_info: '1' }));
    });
  let isSentAway = false;
  void wait('127.0.0.1', 'real', 'a cluster of another controller').then(
    () => (isSentAway = true),
    () => {},
  );
  const strangers = Array.from({ length: 100 }, (_, i) => wait('127.0.0.2', `made-up-${i}`, 'x'.repeat(900)));
  for (const one of strangers) one.catch(() => {});
  expect(await Promise.race(strangers)).toBe(304);
  expect(isSentAway).toBe(false);
});

test('reports a port in use', async () => {
  const { port } = await started();
  await expect(startXdsServer({ port })).rejects.toMatchObject({ code: 'ELANE_PORT_IN_USE' });
});
