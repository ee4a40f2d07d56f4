/** Who gets in, as what, and what is kept out. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { accountOfToken, parseAccounts, startConsole } from './index.js';
import { ACCOUNTS, ALICE, ask, smallPages, start, VERA } from './testing/start.js';
import { temporaryFolder } from '@lane/testing';

const GROUP = { services: ['spring-cloud-a'] };
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

describe('beyond loopback', () => {
  test.each(['0.0.0.0', '::', '192.168.1.2'])('it does not start on %s without a token, and says what to do', async (host) => {
    const { connection } = await start();
    await expect(startConsole({ connection, host, port: 0, pages: smallPages() })).rejects.toMatchObject({
      code: 'ELANE_CONSOLE_TOKEN_NEEDED',
      message: expect.stringMatching(/--tokens-file.*127\.0\.0\.1/),
    });
  });

  test('it starts with a token, and rejects requests without one', async () => {
    const { running, ask: askIt } = await start({ host: '0.0.0.0', accounts: [accountOfToken(ALICE)] });
    expect((await askIt('GET', '/api/groups')).status).toBe(401);
    expect((await askIt('GET', '/api/groups', undefined, { host: `console.example:${running.port}`, ...bearer(ALICE) })).status).toBe(200);
  });
});

describe('on loopback, without a token', () => {
  test.each([
    ['localhost', 200],
    ['127.0.0.1', 200],
    ['[::1]', 200],
    ['rebound.attacker.example', 403],
    ['127.0.0.1.attacker.example', 403],
    ['localhost.attacker.example', 403],
  ])('Host: %s is answered with %i', async (name, status) => {
    const { running, ask: askIt } = await start();
    for (const path of ['/api/groups', '/']) {
      expect((await askIt('GET', path, undefined, { host: `${name}:${running.port}` })).status).toBe(status);
    }
  });

  test('it answers to an allowed name, too', async () => {
    const { ask: askIt } = await start({ allowedHosts: ['console.example'] });
    expect((await askIt('GET', '/api/groups', undefined, { host: 'console.example' })).status).toBe(200);
    expect((await askIt('GET', '/api/groups', undefined, { host: 'other.example' })).status).toBe(403);
  });

  test('it rejects a request without Host', async () => {
    const { running } = await start();
    const socket = connect(running.port, '127.0.0.1');
    socket.end('GET /api/groups HTTP/1.0\r\n\r\n');
    let answer = '';
    for await (const chunk of socket.setEncoding('utf8')) answer += chunk as string;
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
  });
});

describe('other sites', () => {
  test.each([
    ['without the console’s header', {}],
    ['with another Origin', { 'x-lane-console': '1', origin: 'http://attacker.example' }],
    ['with an Origin that is none', { 'x-lane-console': '1', origin: 'null' }],
    ['marked by the browser', { 'x-lane-console': '1', 'sec-fetch-site': 'cross-site' }],
    ['of a sister site', { 'x-lane-console': '1', 'sec-fetch-site': 'same-site' }],
  ])('a change %s is refused', async (_, headers) => {
    const { running, ask: askIt } = await start();
    expect(await ask(running.port, 'PUT', '/api/groups/shop', GROUP, headers)).toMatchObject({ status: 403, body: { code: 'ELANE_FORBIDDEN' } });
    expect((await askIt('GET', '/api/groups')).body.groups).toEqual([]);
  });

  test('the console’s own pages get through', async () => {
    const { running, ask: askIt } = await start();
    const own = { origin: `http://127.0.0.1:${running.port}`, 'sec-fetch-site': 'same-origin' };
    expect((await askIt('PUT', '/api/groups/shop', GROUP, own)).status).toBe(200);
  });

  test('a form of another site can’t even sign somebody in', async () => {
    const { running } = await start({ accounts: ACCOUNTS });
    expect((await ask(running.port, 'POST', '/api/session', { token: ALICE }, {})).status).toBe(403);
  });

  test('pages can’t be framed, and run only their own scripts', async () => {
    const { ask: askIt } = await start();
    const { headers, text } = await askIt('GET', '/groups/shop');
    expect(headers['x-frame-options']).toBe('DENY');
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain('unsafe');
    const nonce = /nonce-([^']+)'/.exec(policy)?.[1];
    expect(text).toContain(`nonce="${nonce}"`);
    expect(String((await askIt('GET', '/')).headers['content-security-policy'])).not.toContain(nonce);
    expect((await askIt('GET', '/api/groups')).headers).toMatchObject({ 'x-frame-options': 'DENY', 'cache-control': 'no-store' });
  });
});

describe('roles', () => {
  test('a viewer sees everything and changes nothing', async () => {
    const { ask: askIt } = await start({ accounts: ACCOUNTS });
    await askIt('PUT', '/api/groups/shop', GROUP, bearer(ALICE));
    const vera = bearer(VERA);
    for (const path of ['/api/groups', '/api/services', '/api/traffic', '/api/history', '/api/audit']) {
      expect([path, (await askIt('GET', path, undefined, vera)).status]).toEqual([path, 200]);
    }
    expect((await askIt('POST', '/api/explanations', { group: 'shop' }, vera)).status).toBe(200);
    const { body: history } = await askIt('GET', '/api/history', undefined, vera);
    const changes: Array<[string, string, unknown?]> = [
      ['PUT', '/api/groups/other', GROUP],
      ['DELETE', '/api/groups/shop'],
      ['PUT', '/api/groups/shop/lanes/gray', { tag: 'gray' }],
      ['PUT', '/api/groups/shop/lanes/gray/enabled', { enabled: false }],
      ['DELETE', '/api/groups/shop/lanes/gray'],
      ['PUT', '/api/document', { text: '{}' }],
      ['POST', `/api/history/${history.versions[0].version}/rollback`],
    ];
    for (const [method, path, body] of changes) {
      expect([path, await askIt(method, path, body, vera)]).toMatchObject([path, { status: 403, body: { code: 'ELANE_FORBIDDEN' } }]);
    }
    expect((await askIt('GET', '/api/groups', undefined, vera)).body.groups).toHaveLength(1);
    expect((await askIt('GET', '/api/audit', undefined, vera)).body.entries[0]).toMatchObject({
      who: 'vera',
      role: 'viewer',
      action: 'change-refused',
    });
  });
});

describe('sessions', () => {
  test('a token is exchanged for a cookie that scripts and other sites don’t get; signing out ends it', async () => {
    const { ask: askIt } = await start({ accounts: ACCOUNTS });
    expect((await askIt('GET', '/api/session')).body).toMatchObject({ user: null, authentication: 'token' });
    const signedIn = await askIt('POST', '/api/session', { token: ALICE });
    expect(signedIn.body.user).toEqual({ name: 'alice', role: 'editor' });
    const [cookie = ''] = signedIn.headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Strict/);
    expect(cookie).not.toContain(ALICE);
    const session = { cookie: cookie.split(';')[0] as string };
    expect((await askIt('GET', '/api/groups', undefined, session)).status).toBe(200);
    expect((await askIt('PUT', '/api/groups/shop', GROUP, session)).status).toBe(200);
    expect((await askIt('DELETE', '/api/session', undefined, session)).status).toBe(204);
    expect((await askIt('GET', '/api/groups', undefined, session)).status).toBe(401);
  });

  test('the address of Nacos is hidden before sign-in', async () => {
    const { connection, ask: askIt } = await start({ accounts: ACCOUNTS });
    expect((await askIt('GET', '/api/session')).text).not.toContain(connection.server);
  });

  test('after ten wrong tokens, further wrong ones must wait; the right one gets in', async () => {
    const { ask: askIt } = await start({ accounts: ACCOUNTS });
    for (let i = 0; i < 10; i++) expect((await askIt('POST', '/api/session', { token: `${ALICE}${i}` })).status).toBe(401);
    const refused = await askIt('POST', '/api/session', { token: `${ALICE}x` });
    expect(refused).toMatchObject({ status: 429, body: { code: 'ELANE_TOO_MANY_ATTEMPTS' } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await askIt('GET', '/api/groups', undefined, bearer(`${ALICE}x`))).status).toBe(429);
    // Somebody who shares the address, as behind a proxy, is not locked out by it.
    expect((await askIt('GET', '/api/groups', undefined, bearer(ALICE))).status).toBe(200);
    expect((await askIt('POST', '/api/session', { token: ALICE })).status).toBe(200);
  });
});

describe('the audit log', () => {
  test('is a JSON object a line, outlives the console, and never has a token in it', async () => {
    const file = join(temporaryFolder(), 'audit.jsonl');
    const first = await start({ accounts: ACCOUNTS, auditLog: file });
    await first.ask('POST', '/api/session', { token: 'a-wrong-token-of-somebody' });
    await first.ask('POST', '/api/session', { token: ALICE });
    await first.ask('PUT', '/api/groups/shop', GROUP, bearer(ALICE));
    await first.running.close();
    const text = readFileSync(file, 'utf8');
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ who, action, target }) => [who, action, target])).toEqual([
      ['-', 'sign-in-refused', undefined],
      ['alice', 'sign-in', undefined],
      ['alice', 'group-created', 'shop'],
    ]);
    expect(text).not.toContain(ALICE);
    expect(text).not.toContain('a-wrong-token');
    const second = await start({ accounts: ACCOUNTS, auditLog: file });
    expect((await second.ask('GET', '/api/audit', undefined, bearer(VERA))).body.entries[0]).toMatchObject({ who: 'alice', action: 'group-created' });
  });
});

describe('tokens as given', () => {
  test.each([
    ['alice editor', /line 1 of tokens has 2 words/],
    ['alice admin 1234567890123456', /role in line 1/],
    ['alice editor 123456789012345', /16 printable/],
    ['# nobody', /has no account/],
    ['a editor 1234567890123456\na viewer 1234567890123457', /name in line 2/],
    ['a editor 1234567890123456\nb viewer 1234567890123456', /token in line 2/],
  ])('%j is refused, and what may be a token is not repeated', (text, message) => {
    expect(() => parseAccounts(text, 'tokens')).toThrow(message);
    expect(() => parseAccounts(text, 'tokens')).not.toThrow(/12345/);
  });
});

describe('pages', () => {
  test('start in the requested language', async () => {
    const { ask: askIt } = await start();
    for (const [accept, language] of [
      ['zh-CN,zh;q=0.9,en;q=0.8', 'zh'],
      ['de,zh;q=0.2,en;q=0.6', 'en'],
      ['', 'en'],
    ] as const) {
      expect((await askIt('GET', '/', undefined, { 'accept-language': accept })).text).toContain(`<html lang="${language}"`);
    }
  });

  test.each(['/../package.json', '/..%2f..%2fpackage.json', '/%2e%2e/index.js', '/assets/../../index.js'])(
    '%s leads to no file outside them',
    async (path) => {
      const { ask: askIt } = await start();
      const { status, text } = await askIt('GET', path);
      expect(status === 404 || text.startsWith('<!doctype html>')).toBe(true);
    },
  );
});
