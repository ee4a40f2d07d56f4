/**
 * Tags that strangers forge in every format, spelled so that this reader does not see a tag while another one may. Nothing of them is left in headers
 * copied to the next call, by the gateway, by a service with `LANE_TRUST=none`, and by the Express plugin.
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { lane, laneHeaders, type LaneRequest } from '@lane/express-plugin';
import type { FormatName } from '@lane/core/model';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApp, type App } from '../../agent/run-app.js';
import { gatewayTo } from '../gateway/support.js';

const FORMATS: readonly FormatName[] = [
  'baggage',
  'mse',
  'polaris',
  'dubbo',
  'asm',
  'nepxion',
  'joylive',
  'opensergo',
  'header(x-canary)',
  'header(x_canary)',
];
const MSE = '%5B%7B%22name%22:%22gray%22%2C%22tag%22:%22gray%22%7D%5D';

/** Lines of a request's head. */
const FORGED: ReadonlyArray<readonly string[]> = [
  // Spellings that Lane reads.
  ['baggage: lane=gray'],
  ['Baggage: user=42', 'bAGGAGE: lane=gray'],
  ['baggage: lane=blue,user=42,lane=gray'],
  [`baggage: __microservice_tag__=${MSE}`],
  ['baggage: x-mse-gray-tag=gray'],
  ['X-MSE-Tag: gray'],
  ['service-lane: shop%2Fgray'],
  ['dubbo.tag: gray', 'dubbo.force.tag: true'],
  ['x-asm-prefer-tag: gray'],
  ['n-d-version: gray'],
  ['x-lane-code: gray', 'x-lane-space-id: shop'],
  ['opensergo-label: gray'],
  ['x-canary: gray'],
  ['x_canary: gray'],
  // Spellings that others read: different ones, ones that appear behind a peer, and those in which Lane reads no tag, or base.
  ['baggage: user=42,%6cane=gray'],
  ['baggage: \u00a0lane=gray'],
  ['baggage: \u00c2\u00a0lane=gray,user=42'],
  ['baggage: ;lane=gray'],
  ['baggage: +lane=gray'],
  ['baggage: %256cane=gray'],
  ['baggage: la ne=gray'],
  ['baggage: %00lane=gray'],
  ['baggage: x=1;p%2Clane=gray'],
  ['baggage: x=a%3Bp%2Clane%3Dgray'],
  ['baggage: lane=gray,lane=%zz'],
  ['baggage: lane=gray,lane='],
  ['baggage: lane=gray', 'baggage: lane=a tag'],
  [`baggage: __microservice_tag__=base,%5F_microservice_tag__=${MSE}`],
  [`baggage: __microservice_tag__=${MSE},__microservice_tag__=%5B%5D`],
  [`baggage: __microservice_tag__=${MSE}`, 'baggage: __microservice_tag__=base'],
  ['baggage: x-mse-gray-tag=base,x-mse%2Dgray-tag=gray'],
  ['baggage: x-mse-gray-tag%20=gray,x-mse-gray-tag=base'],
  ['x-mse-tag: base', 'x-mse-tag: gray'],
  ['x-mse-tag: base, gray'],
  ['x-mse-tag: gr%61y'],
  ['service-lane: gray/'],
  ['dubbo.force.tag: true'],
  ['n-d-version: default', 'n-d-version: gray'],
  ['n-d-version: default, {"b":"gray"}'],
  ['n-d-version: {"b":"gray"}'],
  ['n-d-version: {"a":"default","b":"gray"}'],
  ['n-d-version: {"a":"1.0;gray"}'],
  ['n-d-version: {"a'],
  ['x-lane-space-id: shop'],
  ['x-canary:', 'x-canary: gray'],
];

const OF_LANES = /^(?:baggage|x-mse-tag|service-lane|dubbo\..*|x-asm-prefer-tag|n-d-version|x-lane-.*|opensergo-label|x.canary)$/;

/** The remaining lane headers. */
const leftOf = (headers: Readonly<Record<string, unknown>>): unknown =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => OF_LANES.test(name)));

/** What may remain: other entries of baggage. */
const allowedOf = (lines: readonly string[]): unknown => (lines.some((line) => line.includes('user=42')) ? { baggage: 'user=42' } : {});

/** Sends a head exactly as written here, and returns the JSON answer. */
async function send(port: number, path: string, lines: readonly string[]): Promise<unknown> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  socket.write([`GET ${path} HTTP/1.1`, 'Host: a', 'Connection: close', ...lines, '', ''].join('\r\n'), 'latin1');
  let answer = '';
  for await (const chunk of socket) answer += chunk as string;
  return JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1));
}

/** Answers with the received headers. */
async function startPeer(): Promise<Server> {
  const server = createServer((request, response) => response.end(JSON.stringify({ headers: request.headers, baggage: [] }))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

let peer: Server;
beforeAll(async () => {
  peer = await startPeer();
});
afterAll(() => void peer.close());

test.each<[what: string, formats: readonly FormatName[]]>([
  ['that knows the formats', FORMATS],
  ['that writes another one', ['header(x-canary)', 'header(x_canary)']],
])('through the gateway %s', async (_, formats) => {
  const gateway = await gatewayTo(portOf(peer), { formats });
  const left: unknown[] = [];
  for (const lines of FORGED) {
    const { headers } = (await send(gateway.port, '/', lines)) as { headers: IncomingHttpHeaders };
    left.push([lines, leftOf(headers)]);
  }
  expect(left).toEqual(FORGED.map((lines) => [lines, allowedOf(lines)]));
  await gateway.close();
});

test('no name that CGI-style servers take for such a header gets through the gateway, neither as header nor as trailer', async () => {
  const instance = createServer((request, response) => {
    request
      .resume()
      .on('end', () => response.end(JSON.stringify({ names: [...request.rawHeaders, ...request.rawTrailers].filter((_, i) => i % 2 === 0) })));
  }).listen(0, '127.0.0.1');
  await once(instance, 'listening');
  const gateway = await gatewayTo(portOf(instance), { formats: ['header(x_canary)', 'header(x-mine)'] });
  const names = [
    'X-Canary',
    'X_canary',
    'x_mine',
    'x-Mine',
    'n_d-version',
    'x_mse_tag',
    'BAGGAGE',
    'x_forwarded_for',
    'x_real_ip',
    'transfer_encoding',
  ];
  const got = (await send(gateway.port, '/', [
    'Transfer-Encoding: chunked',
    ...names.filter((name) => name !== 'BAGGAGE').map((name) => `${name}: gray`),
    'x-other_one: 1',
    '',
    '0',
    ...names.map((name) => `${name}: gray`),
    'y-other_one: 1',
  ])) as { names: string[] };
  const written = [
    'Host',
    'Connection',
    'Transfer-Encoding',
    'X-Request-Id',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
    'x-forwarded-port',
  ];
  expect(got.names.filter((name) => !written.includes(name))).toEqual(['x-other_one', 'y-other_one']);
  await gateway.close();
  instance.close();
});

describe('through a service with LANE_TRUST=none', () => {
  test.each<[what: string, env: Record<string, string>]>([
    ['that reads all formats', { LANE_FORMATS: FORMATS.join(',') }],
    ['that writes them all, and reads one', { LANE_FORMATS: FORMATS.join(','), LANE_FORMATS_IN: 'opensergo' }],
  ])('%s', async (_, env) => {
    let app: App | undefined;
    const left: unknown[] = [];
    try {
      app = await startApp({ script: 'echo.cjs', env: { PEER: `http://127.0.0.1:${portOf(peer)}/`, LANE_SERVICE: 'a', LANE_TRUST: 'none', ...env } });
      for (const lines of FORGED) {
        const { lane: own, http } = (await send(app.port, '/?copy&ways=http', lines)) as {
          lane: string | null;
          http: { headers: IncomingHttpHeaders };
        };
        left.push([lines, own, leftOf(http.headers)]);
      }
      expect(left).toEqual(FORGED.map((lines) => [lines, null, allowedOf(lines)]));
    } finally {
      await app?.stop();
    }
  });
});

test.each<[what: string, formatsIn: readonly FormatName[]]>([
  ['that reads all formats', FORMATS],
  ['that writes them all, and reads one', ['opensergo']],
])('through the Express plugin %s', async (_, formatsIn) => {
  const handle = lane({ trust: 'none', service: 'a', formats: FORMATS, formatsIn });
  const server = createServer((request: LaneRequest & IncomingMessage, response) =>
    handle(request, response, () => response.end(JSON.stringify({ lane: request.lane?.tag ?? null, headers: laneHeaders(request.headers) }))),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const left: unknown[] = [];
  for (const lines of FORGED) {
    const { lane: own, headers } = (await send(portOf(server), '/', lines)) as { lane: string | null; headers: IncomingHttpHeaders };
    left.push([lines, own, leftOf(headers)]);
  }
  expect(left).toEqual(FORGED.map((lines) => [lines, null, allowedOf(lines)]));
  server.close();
});
