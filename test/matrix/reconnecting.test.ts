/**
 * Reconnections by a client itself, or by its app in a handler: the first connection, while the service is being learnt, and later ones stay in the lane
 * of the request that started them. Tests SockJS over each of its transports, and the EventSource of undici and of Node.
 */
import http from 'node:http';
import { createRequire } from 'node:module';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos } from '@lane/nacos-registry';
import { listen } from '@lane/testing/ports';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from '../agent/nodes.js';
import { openRequest, startApp } from '../agent/run-app.js';

interface SockJsServer {
  on(event: 'connection', listener: (connection: { pathname: string; write(text: string): void; close(): void }) => void): void;
  installHandlers(server: http.Server, options: object): void;
}
const sockjs = createRequire(__filename)('sockjs') as { createServer(options: object): SockJsServer };

const SERVICE = 'shop';
const LANES = ['base', 'gray', 'blue'] as const;
const REQUESTS = 51;

/** Tells each client its own name and the lane of the request, and ends the connection. */
async function startInstance(name: string): Promise<{ readonly server: http.Server; readonly port: number }> {
  const baggages = new Map<string, Set<string>>();
  const note = ({ url = '', headers }: http.IncomingMessage): void => {
    const session = url.split('/')[3] ?? '';
    baggages.set(session, (baggages.get(session) ?? new Set()).add(String(headers['baggage'] ?? '')));
  };
  const server = http.createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`retry: 1\ndata: ${JSON.stringify([name, request.headers['baggage'] ?? ''])}\n\n`);
  });
  const echo = sockjs.createServer({ log() {} });
  echo.on('connection', (connection) => {
    connection.write(JSON.stringify([name, ...(baggages.get(connection.pathname.split('/')[3] ?? '') ?? [])]));
    connection.close();
  });
  echo.installHandlers(server, { prefix: '/sockjs' });
  server.prependListener('request', note);
  server.prependListener('upgrade', note);
  return { server, port: await listen(server) };
}

let nacos: EmbeddedNacos;
let instances: Awaited<ReturnType<typeof startInstance>>[];
let connection: ReturnType<typeof connectNacos>;
beforeAll(async () => {
  nacos = await startEmbeddedNacos({ port: 0 });
  instances = await Promise.all(LANES.map(startInstance));
  connection = connectNacos({ server: nacos.address });
  for (const [i, lane] of LANES.entries()) {
    const metadata: Record<string, string> = lane === 'base' ? {} : { lane };
    await connection.register({ name: SERVICE, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: instances[i]?.port as number, metadata });
  }
});
afterAll(async () => {
  await connection?.close();
  await nacos?.close();
  for (const { server } of instances ?? []) {
    server.close();
    server.closeAllConnections();
  }
});

const CLIENTS = ['sockjs, websocket', 'sockjs, xhr-streaming', 'sockjs, xhr-polling', 'undici', 'node'];

describe.each(nodeVersions())('$name', ({ path: node, major }) => {
  test.each(CLIENTS.filter((client) => client !== 'node' || major >= 22))('%s', async (client) => {
    const app = await startApp({
      node,
      nodeArgs: client === 'node' ? ['--experimental-eventsource', '--disable-warning=ExperimentalWarning'] : [],
      script: '../../matrix/apps/reconnecting.cjs',
      args: client.split(', '),
      env: { LANE_SERVICES: SERVICE, LANE_NACOS_SERVER: nacos.address },
    });
    try {
      const kinds = Array.from({ length: REQUESTS }, (_, i) => ['gray', 'blue', undefined][i % 3]);
      const requests = kinds.map((tag) => openRequest(app.port, `/?url=http://${SERVICE}`, tag === undefined ? {} : { baggage: `lane=${tag}` }));
      await app.heard('request', REQUESTS);
      const heard = await Promise.all(requests.map(async (request) => (await request.end()).body));
      const once = (tag: string | undefined): string => JSON.stringify([tag ?? 'base', tag === undefined ? '' : `lane=${tag}`]);
      expect(heard).toEqual(kinds.map((tag) => [once(tag), once(tag), once(tag)].join(' ')));
      expect(app.stderr()).toBe('');
    } finally {
      await app.stop();
    }
  });
});
