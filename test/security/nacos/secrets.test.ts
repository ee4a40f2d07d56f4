/**
 * Nacos' password and tokens appear in no output of Lane: commands, the agent's log at `debug`, `/status` and snapshots, whatever a server answers,
 * even if it, or a proxy in front of it, echoes the request; and no other server gets them.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNacos } from '@lane/nacos-registry';
import { expect, onTestFinished, test } from 'vitest';
import { encodePayload } from '../../../packages/nacos-registry/src/grpc/payload.js';
import { startApp } from '../../agent/run-app.js';

const LANE = join(__dirname, '../../../packages/cli/dist/main.js');
const PASSWORD = 's3cr%t&pa ss=w"d';
const TOKEN = 'tok-3n.abc';
/** The password in all spellings that occur. */
const SECRETS = [
  PASSWORD,
  encodeURIComponent(PASSWORD),
  new URLSearchParams({ '': PASSWORD }).toString().slice(1),
  JSON.stringify(PASSWORD).slice(1, -1),
  Buffer.from(PASSWORD).toString('base64'),
  TOKEN,
];
const secretsIn = (text: string): string[] => SECRETS.filter((secret) => text.includes(secret));

type Answer = (request: IncomingMessage, body: string, response: ServerResponse) => void;

async function serve(answer: Answer): Promise<number> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk))).on('end', () => answer(request, body, response));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lane-secrets-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** The whole output of a command. */
function lane(args: readonly string[], env: Readonly<Record<string, string>>, cwd: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, [LANE, ...args], { env: { PATH: process.env['PATH'], HOME: cwd, ...env }, cwd }, (_error, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
}

const isLogin = ({ url }: IncomingMessage): boolean => url?.includes('/auth/') === true;
const loggedIn =
  (then: Answer): Answer =>
  (request, body, response) =>
    isLogin(request) ? response.end(JSON.stringify({ accessToken: TOKEN })) : then(request, body, response);
const echo =
  (status: number): Answer =>
  (request, body, response) =>
    response
      .writeHead(status)
      .end(`asked for ${request.url} with ${body} ${request.rawHeaders.join(' ').replaceAll('Nacos-Java-Client:v1.0.0', '')}`);

test.each<[what: string, answer: Answer]>([
  ['the log-in is answered with 403 and the request', echo(403)],
  ['the log-in is answered with 500 and the request', echo(500)],
  ['the log-in is answered with 503 and the request', echo(503)],
  ['there is no log-in, and all is answered with the request', echo(404)],
  [
    'there is no log-in, and with the password in headers 500',
    (request, body, response) => echo(isLogin(request) ? 404 : request.headers['password'] === undefined ? 403 : 500)(request, body, response),
  ],
  ['the token is answered with 503 and the request', loggedIn(echo(503))],
  ['the token is answered with 400 and the request', loggedIn(echo(400))],
  ['the token is answered with 200 and the request', loggedIn(echo(200))],
  ['the token is answered with 404 and the request', loggedIn(echo(404))],
  [
    'the token is refused, in headers and in the query',
    loggedIn((request, body, response) => echo(request.url?.includes(TOKEN) === true ? 500 : 403)(request, body, response)),
  ],
])('no command prints them if %s', async (_, answer) => {
  const folder = scratch();
  writeFileSync(join(folder, 'groups.yaml'), 'version: 1\ngroups:\n  - name: shop\n    services: [a]\n    lanes: []\n');
  const asked: string[] = [];
  const port = await serve((request, body, response) => {
    asked.push(request.url ?? '');
    answer(request, body, response);
  });
  const env = { LANE_NACOS_SERVER: `127.0.0.1:${port}`, LANE_NACOS_USERNAME: 'me', LANE_NACOS_PASSWORD: PASSWORD };
  for (const args of [['status'], ['group', 'apply', 'groups.yaml'], ['doctor', '--json']]) {
    const said = await lane(args, env, folder);
    expect([args, said]).toEqual([args, expect.stringMatching(/\w/)]);
    expect([args, secretsIn(said)]).toEqual([args, []]);
  }
  expect(asked.length).toBeGreaterThan(2);
  // A token is, if a server accepts it nowhere else.
  expect(asked.flatMap(secretsIn).filter((secret) => secret !== TOKEN)).toEqual([]);
});

test.each([301, 307, 308])('no redirect to another server is followed: %i', async (status) => {
  const folder = scratch();
  const stolen: string[] = [];
  const thief = await serve((request, body, response) => {
    stolen.push(`${request.url} ${request.rawHeaders.join(' ')} ${body}`);
    response.end('{}');
  });
  const lead: Answer = (_request, _body, response) => response.writeHead(status, { location: `http://127.0.0.1:${thief}/` }).end();
  for (const answer of [lead, loggedIn(lead)]) {
    const env = { LANE_NACOS_SERVER: `127.0.0.1:${await serve(answer)}`, LANE_NACOS_USERNAME: 'me', LANE_NACOS_PASSWORD: PASSWORD };
    for (const args of [['status'], ['doctor']]) expect(secretsIn(await lane(args, env, folder))).toEqual([]);
  }
  expect(stolen).toEqual([]);
});

test.each<[what: string, answer: Answer, ofAddress: string]>([
  ['that serves', loggedIn((_request, _body, response) => response.writeHead(404).end('config data not exist')), ''],
  ['that answers with the request', loggedIn(echo(503)), ''],
  ['that has no log-in', echo(404), ''],
  ['whose address has user and password in it', echo(404), `http://me:${PASSWORD}@`],
  ['whose address has them, and no scheme', echo(404), `me:${PASSWORD}@`],
  ['whose address has a password alone', echo(404), `http://:${encodeURIComponent(PASSWORD)}@`],
])('an agent at `debug` reveals them nowhere, with a server %s', async (_, answer, ofAddress) => {
  const folder = scratch();
  const port = await serve(answer);
  const app = await startApp({
    script: 'echo.cjs',
    env: {
      LANE_NACOS_SERVER: `${ofAddress}127.0.0.1:${port}`,
      LANE_NACOS_USERNAME: 'me',
      LANE_NACOS_PASSWORD: PASSWORD,
      LANE_LOG: 'debug',
      LANE_ADMIN_PORT: '0',
      LANE_SNAPSHOT_DIR: folder,
      LANE_SERVICES: 'shop-b',
    },
    says: [/./],
  });
  try {
    await fetch(`http://127.0.0.1:${app.port}/?ways=http&url=http://shop-b/`);
    let admin: string | undefined;
    await expect.poll(() => (admin = /admin port is open .*port=(\d+)/.exec(app.stderr())?.[1])).toBeDefined();
    const told = await (await fetch(`http://127.0.0.1:${admin}/status`)).text();
    expect(told).toContain('"nacosPassword": "…"');
    expect(told).toContain(`127.0.0.1:${port}`);
    const kept = readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true }).filter((entry) => entry.isFile());
    const files = kept.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    expect(secretsIn([app.stderr(), told, ...files].join('\n'))).toEqual([]);
  } finally {
    await app.stop();
  }
});

test('an option set too late is reported without them', async () => {
  const folder = scratch();
  const late = join(folder, 'late.cjs');
  writeFileSync(
    late,
    `process.env.LANE_NACOS_SERVER = ${JSON.stringify(`http://me:${PASSWORD}@nacos:8848`)}; process.env.LANE_NACOS_PASSWORD = ${JSON.stringify(PASSWORD)};`,
  );
  const app = await startApp({ script: 'echo.cjs', preload: [late], env: { LANE_LOG: 'debug' }, says: [/./] });
  try {
    await expect.poll(() => app.stderr()).toContain('LANE_NACOS_SERVER=http://…@nacos:8848');
    expect(secretsIn(app.stderr())).toEqual([]);
  } finally {
    await app.stop();
  }
});

test.each(['as its status', 'as its answer'])('nor does a gRPC connection to a server that sends the token %s', async (how) => {
  const grpc = createHttp2Server();
  grpc.on('sessionError', () => {});
  grpc.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const answer = (type: string, fields: object): void => {
      const message = encodePayload({ type, body: JSON.stringify(fields) });
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.concat([prefix, message]));
    };
    if (headers[':path']?.includes('Stream') === true) {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      return;
    }
    let asked = '';
    stream.on('data', (chunk) => (asked += String(chunk)));
    stream.on('end', () => {
      if (!asked.includes(TOKEN)) answer('ServerCheckResponse', { resultCode: 200, connectionId: 'x', success: true });
      else if (how === 'as its answer') answer('ErrorResponse', { resultCode: 500, errorCode: 500, success: false, message: `asked with ${TOKEN}` });
      else stream.respond({ ':status': 200, 'grpc-status': '13', 'grpc-message': `asked%20with%20${TOKEN}` }, { endStream: true });
    });
  });
  // The gRPC port is the HTTP port plus 1000.
  let port = 0;
  for (let isFree = false; !isFree;) {
    port = await serve(loggedIn(echo(404)));
    isFree = await new Promise<boolean>((resolve) => grpc.once('error', () => resolve(false)).listen(port + 1000, '127.0.0.1', () => resolve(true)));
  }
  onTestFinished(() => void grpc.close());
  const said: string[] = [];
  const note = (message: string, fields?: unknown): void => void said.push(message + JSON.stringify(fields));
  const log = { error: note, warn: note, info: note, debug: note };
  const connection = connectNacos({ server: `127.0.0.1:${port}`, transport: 'grpc', username: 'me', password: PASSWORD, log });
  onTestFinished(() => connection.close());
  await expect(connection.get('doc', 'LANE').catch((error: Error) => said.push(error.message))).resolves.toBeGreaterThan(0);
  expect(said.join()).toContain('asked with …');
  expect(secretsIn(said.join())).toEqual([]);
});

test.runIf(process.platform === 'linux').each([
  ['as two words', ['--nacos-password', PASSWORD, '--token', `${TOKEN}-0123456789abcdef`]],
  ['as one', [`--nacos-password=${PASSWORD}`, `--token=${TOKEN}-0123456789abcdef`]],
])('other users of the machine do not see them for long if a command gets them %s', async (_, secrets) => {
  const port = await serve(loggedIn(echo(404)));
  const args = ['console', '--port', '0', '--nacos', `127.0.0.1:${port}`, '--nacos-username', 'me', ...secrets];
  const command = spawn(process.execPath, [LANE, ...args], { stdio: 'ignore' });
  onTestFinished(() => void command.kill('SIGKILL'));
  const seen = (): string => readFileSync(`/proc/${command.pid}/cmdline`, 'utf8');
  await expect.poll(seen).toContain('--nacos-username me');
  expect(seen()).toContain('--nacos-password');
  expect(secretsIn(seen())).toEqual([]);
});
