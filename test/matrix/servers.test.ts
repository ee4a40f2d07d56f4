/**
 * Servers. Opens 51 requests of three kinds (two tags and none), and only then sends their bodies; each handler
 * answers with the lane in which it runs and with what a call from there carried, both before and after the body. Then repeats this
 * over kept-alive connections that requests of all kinds share.
 */
import { execFile } from 'node:child_process';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { once, type EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from 'vitest';
import { startPeer, TLS, type Peer } from '../agent/peer.js';
import { openRequest, startApp, type App } from '../agent/run-app.js';
import { matrix, type Row } from './table.js';

/** Opens a request; `end` sends the body and returns the answer. */
interface Opened {
  end(): Promise<string>;
  /** Rejects if the connection fails. */
  readonly answered?: Promise<unknown>;
}
type Ask = (port: number, path: string, headers: Record<string, string>) => Promise<Opened> | Opened;

interface ServerRow extends Row {
  /** A program in apps/servers, and its arguments. */
  readonly app: readonly [string, ...string[]];
  /** The requested paths, and the type of the bodies. */
  readonly paths: readonly string[];
  readonly ask?: Ask;
  /** Returns the app's environment. */
  readonly build?: () => Promise<Record<string, string>>;
}

const BODIES: Readonly<Record<string, readonly [type: string, body: string]>> = {
  '/json': ['application/json', '{"a":1}'],
  '/urlencoded': ['application/x-www-form-urlencoded', 'a=1'],
  '/multipart': ['multipart/form-data; boundary=x', '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'],
  '/raw': ['application/octet-stream', 'bytes'],
};
const PARSED = ['/json', '/urlencoded', '/text', '/raw'];

const agentTls = new https.Agent({ ca: TLS.cert, maxSockets: 100 });
const overHttp =
  (agent?: https.Agent): Ask =>
  (port, path, headers) => {
    const [type, body] = BODIES[path] ?? ['text/plain', 'text'];
    const request = openRequest(port, path, { 'content-type': type, ...headers }, agent);
    return { answered: request.answered, end: async () => (await request.end(body)).body };
  };

const sessions = new Map<string, http2.ClientHttp2Session>();
const overHttp2 =
  (protocol: 'http' | 'https'): Ask =>
  (port, path, headers) => {
    const authority = `${protocol}://127.0.0.1:${port}`;
    let session = sessions.get(authority);
    // A later app may get the port of one that has ended, and its session with it.
    if (session === undefined || session.closed || session.destroyed) {
      session = http2.connect(authority, { ca: TLS.cert });
      session.on('error', () => {});
      sessions.set(authority, session);
    }
    const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
    return {
      async end() {
        stream.end('body');
        let body = '';
        for await (const chunk of stream) body += String(chunk);
        return body;
      },
    };
  };

const load = createRequire(join(__dirname, 'servers.test.ts'));
const overWs: Ask = async (port, _, headers) => {
  const { WebSocket } = load('ws') as { WebSocket: new (url: string, options: object) => EventEmitter & { send(body: string): void; close(): void } };
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers, perMessageDeflate: { threshold: 0 } });
  await once(socket, 'open');
  return {
    async end() {
      socket.send('body');
      const [message] = (await once(socket, 'message')) as [Buffer];
      socket.close();
      return message.toString();
    },
  };
};

const overGrpc: Ask = (port, path, headers) => {
  const grpc = load('@grpc/grpc-js') as typeof import('@grpc/grpc-js');
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  let answered: (error: Error | null, answer?: string) => void;
  const answer = new Promise<string>((resolve, reject) => (answered = (error, body) => (error === null ? resolve(String(body)) : reject(error))));
  if (path === '/unary')
    return {
      end() {
        client.makeUnaryRequest('/shop.Echo/unary', Buffer.from, String, 'body', metadata, answered);
        return answer.finally(() => client.close());
      },
    };
  const call = client.makeClientStreamRequest('/shop.Echo/client', Buffer.from, String, metadata, (error, body) => answered(error, body));
  return {
    end() {
      call.write('body');
      call.end();
      return answer.finally(() => client.close());
    },
  };
};

let built: Promise<Record<string, string>> | undefined;

/** A production build with standalone output, built once. */
function buildNext(): Promise<Record<string, string>> {
  built ??= (async () => {
    const folder = join(__dirname, '.cache/next-app');
    rmSync(folder, { recursive: true, force: true });
    cpSync(join(__dirname, 'apps/servers/next-app'), folder, { recursive: true });
    const next = load.resolve('next/dist/bin/next');
    await promisify(execFile)(process.execPath, [next, 'build', '--webpack'], {
      cwd: folder,
      env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
    });
    return { NEXT_SERVER: findServer(join(folder, '.next/standalone')), NODE_ENV: 'production' };
  })();
  return built;
}

/** Next puts the app under its path relative to what it considers the root of the repository. */
function findServer(standalone: string): string {
  const found = readdirSync(standalone, { recursive: true, encoding: 'utf8' }).find(
    (file) => basename(file) === 'server.js' && !file.includes('node_modules'),
  );
  if (found === undefined) throw new Error(`next build left no server.js in ${standalone}`);
  return join(standalone, found);
}

const ROWS: readonly ServerRow[] = [
  { name: 'node:http', app: ['http.cjs', 'http'], paths: ['/iterated', '/data', '/end', '/at-once'] },
  { name: 'node:https', app: ['http.cjs', 'https'], paths: ['/iterated', '/data', '/end', '/at-once'], ask: overHttp(agentTls) },
  { name: 'node:http2, streams', app: ['http2.cjs', 'stream', 'h2c'], paths: ['/iterated', '/data'], ask: overHttp2('http'), help: 'http2-server' },
  {
    name: 'node:http2 with TLS, streams',
    app: ['http2.cjs', 'stream', 'h2'],
    paths: ['/iterated', '/data'],
    ask: overHttp2('https'),
    help: 'http2-server',
  },
  { name: 'node:http2, requests', app: ['http2.cjs', 'request', 'h2c'], paths: ['/iterated', '/data'], ask: overHttp2('http') },
  {
    name: 'node:http2 with TLS, requests',
    app: ['http2.cjs', 'request', 'h2'],
    paths: ['/iterated', '/data'],
    ask: overHttp2('https'),
  },
  { name: 'Express 5', dependency: 'express', app: ['express.cjs', 'express'], paths: ['/unparsed', ...PARSED] },
  { name: 'Express 4', dependency: 'express4', app: ['express.cjs', 'express4'], paths: ['/unparsed', ...PARSED] },
  { name: 'busboy (multipart)', dependency: 'busboy', app: ['busboy.cjs'], paths: ['/multipart'] },
  { name: 'Koa 3', dependency: 'koa', app: ['koa.cjs', 'koa'], paths: ['/iterated', '/json', '/urlencoded', '/text'] },
  { name: 'Koa 2', dependency: 'koa2', app: ['koa.cjs', 'koa2'], paths: ['/iterated', '/json', '/urlencoded', '/text'] },
  { name: 'Fastify 5', dependency: 'fastify', app: ['fastify.cjs', 'fastify'], paths: ['/json', '/text', '/raw'] },
  { name: 'Fastify 4', dependency: 'fastify4', app: ['fastify.cjs', 'fastify4'], paths: ['/json', '/text', '/raw'] },
  { name: 'NestJS, Express', dependency: '@nestjs/core', app: ['nest.cjs', 'express'], paths: ['/json', '/urlencoded'] },
  { name: 'NestJS, Fastify', dependency: '@nestjs/core', app: ['nest.cjs', 'fastify'], paths: ['/json', '/text'] },
  { name: 'Egg', dependency: 'egg', app: ['egg.cjs'], paths: ['/json', '/urlencoded'] },
  { name: 'Midway, Koa', dependency: '@midwayjs/koa', app: ['midway.cjs'], paths: ['/json', '/urlencoded'] },
  { name: 'Hono on node-server', dependency: '@hono/node-server', app: ['hono.cjs'], paths: ['/json', '/text', '/urlencoded'] },
  { name: 'hapi', dependency: '@hapi/hapi', app: ['hapi.cjs'], paths: ['/json', '/urlencoded', '/text'] },
  { name: '@grpc/grpc-js', dependency: '@grpc/grpc-js', app: ['grpc.cjs'], paths: ['/client'], ask: overGrpc, help: 'http2-server' },
  { name: '@grpc/grpc-js, unary', dependency: '@grpc/grpc-js', app: ['grpc.cjs'], paths: ['/unary'], ask: overGrpc, help: 'http2-server' },
  { name: 'Next.js, route handlers', dependency: 'next', app: ['next.cjs'], paths: ['/json'], build: buildNext },
  { name: 'ws', dependency: 'ws', app: ['ws.cjs'], paths: ['/'], ask: overWs },
  { name: 'ws, compressed', dependency: 'ws', app: ['ws.cjs', 'compressed'], paths: ['/'], ask: overWs, help: 'ws' },
];

const KINDS = ['gray', 'blue', undefined];
const REQUESTS = 51;
const headersOf = (tag: string | undefined): Record<string, string> => (tag === undefined ? {} : { baggage: `x=1,lane=${tag}` });
const answerOf = (tag: string | undefined): string => (tag === undefined ? 'none  none' : `${tag} lane=${tag} ${tag}`);

let peer: Peer;
beforeAll(async () => void (peer = await startPeer()));
afterAll(async () => {
  for (const session of sessions.values()) session.destroy();
  await peer?.close();
});

const start = (row: ServerRow, node: string, env: Record<string, string> = {}): Promise<App> =>
  startApp({ node, script: '../../matrix/apps/server-host.cjs', args: row.app, env: { PEER: `http://127.0.0.1:${peer.port}/`, ...env } });

matrix('Servers', ROWS, async (row, node) => {
  const app = await start(row, node.path, await row.build?.());
  try {
    const wrong: string[] = [];
    for (const path of row.paths) wrong.push(...(await untagged(app, row, path)));
    for (const path of row.paths) for (const wave of [0, 1]) wrong.push(...(await interleaved(app, row, path, wave)));
    if (row.ask === undefined) wrong.push(...(await keptAlive(app, row.paths[0] as string)));
    expect(wrong.slice(0, 10)).toEqual([]);
  } finally {
    await app.stop();
  }
  if (row.help === undefined || node.major !== 20) return;
  const bare = await start(row, node.path, { LANE_DISABLE: row.help });
  try {
    expect(await interleaved(bare, row, row.paths[0] as string, 0), `without ${row.help}`).not.toEqual([]);
  } finally {
    await bare.stop();
  }
});

async function interleaved(app: App, row: ServerRow, path: string, wave: number): Promise<string[]> {
  const ask = row.ask ?? overHttp();
  const opened = await Promise.all(
    Array.from({ length: REQUESTS }, async (_, i) => {
      const tag = KINDS[(i + wave) % 3];
      return { tag, request: await ask(app.port, path, headersOf(tag)) };
    }),
  );
  const answered = opened.flatMap(({ request }) => request.answered ?? []);
  // No request is answered without its body; if one fails, there is nothing more to wait for.
  if (path !== '/unary') await Promise.race([app.heard('request', REQUESTS), ...(answered.length === 0 ? [] : [Promise.all(answered)])]);
  const wrong: string[] = [];
  await Promise.all(
    opened.map(async ({ tag, request }) => {
      const answer = await request.end().catch((error: Error) => String(error));
      if (answer !== answerOf(tag)) wrong.push(`${path}, ${tag ?? 'no tag'}: ${answer}`);
    }),
  );
  return wrong;
}

/** A request without a tag, before any with one: on Node 20 and 22 an app would pay for a context from the first one that is entered on. */
async function untagged(app: App, row: ServerRow, path: string): Promise<string[]> {
  const request = await (row.ask ?? overHttp())(app.port, path, {});
  if (path !== '/unary') await app.heard('request', 1);
  const answer = await request.end();
  const told = once(app.child, 'message');
  app.child.send('');
  const [{ hasEnteredLane }] = (await told) as [{ hasEnteredLane?: boolean }];
  const wrong = answer === answerOf(undefined) ? [] : [`${path}, before any tag: ${answer}`];
  return hasEnteredLane === false ? wrong : [...wrong, `${path}, before any tag: a context was entered`];
}

/** Sequential requests over one connection, alternating between the kinds. */
async function keptAlive(app: App, path: string): Promise<string[]> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const wrong: string[] = [];
  for (let i = 0; i < 9; i++) {
    const tag = KINDS[i % 3];
    const [type, body] = BODIES[path] ?? ['text/plain', 'text'];
    const { body: answer } = await openRequest(app.port, path, { 'content-type': type, ...headersOf(tag) }, agent).end(body);
    await app.heard('request', 1);
    if (answer !== answerOf(tag)) wrong.push(`kept alive, ${tag ?? 'no tag'}: ${answer}`);
  }
  agent.destroy();
  return wrong;
}
