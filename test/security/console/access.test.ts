/** Access to the console: all routes, all roles, all spellings of the path. */
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { join } from 'node:path';
import { NO_LANE_GROUPS } from '@lane/core/rules';
import { LaneGroupsStore } from '@lane/storage';
import { connectNacos } from '@lane/nacos-registry';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requireAccess, type DeclaredRoute } from '../../../packages/console/src/access/declared.js';
import { Gate } from '../../../packages/console/src/access/gate.js';
import { createHostTest } from '../../../packages/console/src/access/hosts.js';
import { createApp, type App } from '../../../packages/console/src/app.js';
import { AuditLog } from '../../../packages/console/src/audit-log.js';
import { Surveyor } from '../../../packages/console/src/survey.js';
import { ACCOUNTS, ALICE, VERA } from '../../../packages/console/src/testing/start.js';
import { AgentsViews } from '../../../packages/console/src/traffic/agents-views.js';
import { TrafficCollector } from '../../../packages/console/src/traffic/collect.js';

const ROLES = { nobody: undefined, viewer: VERA, editor: ALICE, liar: 'a-token-that-nobody-has' } as const;
type Who = keyof typeof ROLES;

/** A spelling of a path, and whether the router takes it for the same path. Otherwise it leads to a page, or nowhere. */
const SPELLINGS: ReadonlyArray<readonly [string, (path: string) => string]> = [
  ['as it is', (path) => path],
  ['its first letter encoded', (path) => path.replace(/^\/(.)/, (_, letter: string) => `/%${letter.charCodeAt(0).toString(16)}`)],
  ['its letters encoded', (path) => path.replace(/[a-z]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`)],
  ['its letters encoded twice', (path) => path.replace(/[a-z]/g, (letter) => `%25${letter.charCodeAt(0).toString(16)}`)],
  ['its slashes encoded', (path) => `/${path.slice(1).replaceAll('/', '%2f')}`],
  ['in capitals', (path) => path.toUpperCase()],
  ['with a second slash', (path) => `/${path}`],
  ['with slashes between', (path) => path.replaceAll('/', '//')],
  ['with a slash behind', (path) => `${path}/`],
  ['with dots before', (path) => `/x/..${path}`],
  ['with a dot before', (path) => `/.${path}`],
  ['with encoded dots', (path) => `/x/%2e%2e${path}`],
  ['with dots within', (path) => path.replace('/api/', '/api/x/../')],
  ['with a backslash', (path) => path.replace('/api/', '/api\\')],
  ['with a semicolon', (path) => path.replace('/api/', '/api;x=1/')],
  ['with a query', (path) => `${path}?a=/../`],
  ['with a fragment', (path) => `${path}#/`],
  ['in absolute form', (path) => `http://127.0.0.1:PORT${path}`],
  ['in absolute form of another host', (path) => `http://attacker.example${path}`],
  ['in absolute form with a user', (path) => `http://127.0.0.1:PORT@attacker.example${path}`],
  ['in absolute form, in capitals', (path) => `HTTP://127.0.0.1:PORT${path}`],
  ['with an overlong slash', (path) => path.replace('/api/', '/api%c0%af')],
  ['with NUL behind', (path) => `${path}%00`],
  ['with a line break behind', (path) => `${path}%0d%0a`],
  ['with a blank before', (path) => `/%20${path.slice(1)}`],
  ['with a tab encoded within', (path) => path.replace('/api/', '/api%09/')],
  ['with an ending', (path) => `${path}.json`],
  ['in letters of full width', (path) => path.replace('api', '%ef%bd%81pi')],
  ['in bytes beyond ASCII', (path) => path.replace('api', '\u00e1pi')],
  ['with half an escape', (path) => `${path}%`],
  ['with encoded dots and slashes', (path) => `/assets%2f..%2f..${path}`],
  ['with a parameter of dots', (path) => path.replace('shop', '..%2f..%2fdocument')],
  ['with a query encoded', (path) => `${path}%3fa=b`],
  ['in absolute form twice', (path) => `http://127.0.0.1:PORT/http://127.0.0.1:PORT${path}`],
  ['as another host', (path) => `//attacker.example${path}`],
];
const OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override', 'x-original-url', 'x-rewrite-url'];

let app: App;
let port: number;
let close: () => Promise<void>;
/** The handlers that were reached: method and pattern. */
let reached: string[] = [];

beforeAll(async () => {
  const nacos = await startEmbeddedNacos({ port: 0 });
  const connection = connectNacos({ server: nacos.address });
  const audit = new AuditLog(undefined, () => {});
  const surveyor = new Surveyor(connection, 'DEFAULT_GROUP', ['baggage']);
  app = await createApp({
    context: {
      connection,
      store: new LaneGroupsStore(connection),
      gate: new Gate(ACCOUNTS, () => {}),
      audit,
      surveyor,
      traffic: new TrafficCollector(surveyor, { isLoopbackOurs: true, readLaneGroups: async () => NO_LANE_GROUPS }),
      agents: new AgentsViews(true),
      version: '0',
      isByTls: false,
    },
    pages: { file: async () => undefined, index: () => ({ html: '<!doctype html>', nonce: 'n' }) },
    answersTo: createHostTest('127.0.0.1', []),
    tls: undefined,
    log: { error() {}, warn() {}, info() {}, debug() {} },
  });
  // A request that gets here has access. Nothing is executed, so that all routes can be tried.
  app.server.addHook('preParsing', async (request, reply) => {
    reached.push(`${request.method} ${request.routeOptions.url ?? '404'}`);
    return reply.code(299).send();
  });
  await app.server.listen({ port: 0, host: '127.0.0.1' });
  ({ port } = app.server.server.address() as { port: number });
  close = async () => {
    await app.server.close();
    await connection.close();
    await nacos.close();
  };
});
afterAll(() => close?.());

/** The status of a request with exactly this text, and the route that it reached. */
async function raw(target: string, method: string, headers: Record<string, string>): Promise<{ status: number; route: string | undefined }> {
  reached = [];
  const socket = connect(port, '127.0.0.1');
  const lines = Object.entries({ host: `127.0.0.1:${port}`, connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => {}).end(`${method} ${target.replaceAll('PORT', String(port))} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
  let text = '';
  for await (const chunk of socket.setEncoding('latin1')) text += chunk as string;
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), route: reached[0] };
}

const headersOf = (who: Who): Record<string, string> => ({
  'x-lane-console': '1',
  ...(ROLES[who] === undefined ? {} : { authorization: `Bearer ${ROLES[who]}` }),
});
const mayUse = (who: Who, { access }: DeclaredRoute): boolean =>
  access === 'anyone' ? who !== 'liar' : who === 'editor' || (access === 'viewer' && who === 'viewer');
const pathOf = ({ url }: DeclaredRoute): string => url.replace(/:\w+/g, 'shop').replace('*', 'none');

describe('the routes', () => {
  test('are exactly these, with the right access', () => {
    const lines = app.routes
      .filter(({ url, method }) => !url.endsWith('*') && method !== 'HEAD')
      .map(({ method, url, access }) => `${method} ${url} ${access}`);
    expect(lines.sort()).toEqual([
      'DELETE /api/groups/:group editor',
      'DELETE /api/groups/:group/lanes/:lane editor',
      'DELETE /api/session anyone',
      'GET /api/audit viewer',
      'GET /api/groups viewer',
      'GET /api/history viewer',
      'GET /api/history/:version viewer',
      'GET /api/openapi.json viewer',
      'GET /api/services viewer',
      'GET /api/services/:service/hop viewer',
      'GET /api/session anyone',
      'GET /api/traffic viewer',
      'POST /api/explanations viewer',
      'POST /api/history/:version/rollback editor',
      'POST /api/session anyone',
      'PUT /api/document editor',
      'PUT /api/groups/:group editor',
      'PUT /api/groups/:group/lanes/:lane editor',
      'PUT /api/groups/:group/lanes/:lane/enabled editor',
    ]);
  });

  test.each(SPELLINGS)('%s: no role reaches a route that is not for it', async (_, spell) => {
    const byName = new Map(app.routes.map((route) => [`${route.method} ${route.url}`, route]));
    const wrong: string[] = [];
    for (const route of app.routes) {
      for (const who of Object.keys(ROLES) as Who[]) {
        const target = spell(pathOf(route));
        const { status, route: name } = await raw(target, route.method, headersOf(who));
        // Judge the route that was reached: the path may be that of another.
        const found = name === undefined ? undefined : byName.get(name);
        if (name !== undefined && (found === undefined ? who === 'nobody' || who === 'liar' : !mayUse(who, found))) {
          wrong.push(`${who} reached ${name} by ${target}`);
        }
        if (name === undefined && ![400, 401, 403, 404, 415, 429].includes(status)) wrong.push(`${target}: ${status}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('unchanged paths: each route is reached by the roles that it is for', async () => {
    for (const route of app.routes) {
      for (const who of Object.keys(ROLES) as Who[]) {
        const { route: name } = await raw(pathOf(route), route.method, headersOf(who));
        expect([who, route.method, route.url, name !== undefined]).toEqual([who, route.method, route.url, mayUse(who, route)]);
      }
    }
  });

  test.each(OVERRIDES)('%s changes neither method nor path', async (header) => {
    const value = header.includes('url') ? '/' : 'GET';
    expect(await raw('/api/document', 'PUT', { ...headersOf('viewer'), [header]: value })).toMatchObject({ status: 403, route: undefined });
    expect(await raw('/', 'GET', { [header]: header.includes('url') ? '/api/groups' : 'PUT' })).toMatchObject({ route: 'GET /*' });
  });

  test.each(['OPTIONS', 'TRACE', 'PATCH', 'PROPFIND', 'QUERY'])('%s gives nobody access', async (method) => {
    for (const path of ['/', '/api/groups', '/%61pi/groups', '/api/none']) {
      const { status, route } = await raw(path, method, headersOf('nobody'));
      expect([path, status >= 400, route]).toEqual([path, true, undefined]);
    }
  });

  test('a route that does not declare who may use it is rejected', () => {
    const load = createRequire(join(__dirname, '../../../packages/console/package.json'));
    const server = (load('fastify') as () => App['server'])();
    requireAccess(server);
    expect(() => server.get('/api/secrets', () => 'all of them')).toThrow(/GET \/api\/secrets does not say who may use it/);
    expect(() => server.get('/api/secrets', { config: { access: 'everybody' as never } }, () => '')).toThrow(/does not say/);
    expect(() => server.get('/fine', { config: { access: 'viewer' } }, () => '')).not.toThrow();
  });
});

describe('the deciding headers must occur once', () => {
  test.each([
    ['two Hosts', ['host: 127.0.0.1', 'host: attacker.example']],
    ['a Host of somebody else', ['host: attacker.example']],
    ['no Host', []],
  ])('%s: refused', async (_, hosts) => {
    const socket = connect(port, '127.0.0.1');
    socket.end(['GET /api/session HTTP/1.1', ...hosts, 'connection: close', '', ''].join('\r\n'));
    let text = '';
    for await (const chunk of socket.setEncoding('latin1')) text += chunk as string;
    expect(text).toMatch(/^HTTP\/1\.1 (?:400|403) /);
  });

  test.each(['http://attacker.example/api/session', 'http://127.0.0.1:PORT@attacker.example/api/session'])(
    'the target %s, beside a Host of ours: refused',
    async (target) => {
      expect(await raw(target, 'GET', {})).toEqual({ status: 403, route: undefined });
    },
  );

  test('a header after a thousand others counts', async () => {
    const junk = Object.fromEntries(Array.from({ length: 2_200 }, (_, i) => [`a${i}`, '']));
    expect((await raw('/api/session', 'POST', { 'x-lane-console': '1', ...junk, 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  });
});

test.each([
  ['text', { 'content-type': 'text/plain' }],
  ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['a form with files', { 'content-type': 'multipart/form-data; boundary=b' }],
  ['two types', { 'content-type': 'application/json, text/plain' }],
])('%s is refused before it is read', async (_, headers) => {
  expect(await raw('/%61pi/history/1/rollback', 'POST', { ...headersOf('editor'), ...headers })).toEqual({ status: 415, route: undefined });
});

test.each([
  ['a script of another page', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' }, 403],
  ['a frame of another page', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }, 403],
  ['a link from another page', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }, 299],
  ['a page of its own', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }, 299],
])('%s: %#', async (_, headers, status) => {
  expect((await raw('/', 'GET', headers)).status).toBe(status);
});

test('50 allowed and 50 forbidden users at once, on one connection each: none gets another’s answer', async () => {
  const ask = async (who: Who): Promise<string> => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const lines = Object.entries({ host: `127.0.0.1:${port}`, ...headersOf(who) }).map(([name, value]) => `${name}: ${value}\r\n`);
    const one = (last: boolean): string => `GET /%61pi/groups HTTP/1.1\r\n${lines.join('')}${last ? 'connection: close\r\n' : ''}\r\n`;
    socket.end(one(false) + one(false) + one(true));
    let text = '';
    for await (const chunk of socket.setEncoding('latin1')) text += chunk as string;
    return [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status).join();
  };
  const asked = Array.from({ length: 100 }, (_, i): Who => (i % 2 === 0 ? 'viewer' : 'nobody'));
  expect(await Promise.all(asked.map(ask))).toEqual(asked.map((who) => (who === 'viewer' ? '299,299,299' : '401,401,401')));
});
