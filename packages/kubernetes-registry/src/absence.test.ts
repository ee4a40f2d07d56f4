import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { describeAbsence } from './absence.js';
import { KubernetesApi } from './kubernetes-api.js';
import { serviceAccountOf } from './service-account.js';

const tokenOf = (payload: unknown): string => `e30.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.c2ln`;
const SERVICE = { name: 'b', namespace: 'shop', port: 80 };

test('the remedy binds only the requesting account, taken from its token', () => {
  const token = tokenOf({ iss: 'kubernetes', sub: 'system:serviceaccount:front:web.app-1' });
  const text = describeAbsence('forbidden', SERVICE, { namespace: 'default', account: serviceAccountOf(token) });
  expect(text).toMatch(
    /: kubectl create rolebinding lane-registry:front:web\.app-1 --namespace shop --clusterrole lane-registry --serviceaccount front:web\.app-1$/,
  );
});

test('if the token does not name the account, the remedy binds its group, and explains the effect', () => {
  const text = describeAbsence('forbidden', SERVICE, { namespace: 'front', account: undefined });
  expect(text).toContain(
    'kubectl create rolebinding lane-registry:front --namespace shop --clusterrole lane-registry --group system:serviceaccounts:front',
  );
  expect(text).toMatch(/every pod of front .* --serviceaccount front:NAME/);
});

test.each([
  ['no token', undefined],
  ['an opaque one', 'a-token-that-is-long-enough'],
  ['no JSON', 'a.b.c'],
  ['null', tokenOf(null)],
  ['no subject', tokenOf({})],
  ['a number', tokenOf({ sub: 1 })],
  ['a user', tokenOf({ sub: 'alice' })],
  ['what a shell would run', tokenOf({ sub: 'system:serviceaccount:front:web;id' })],
  ['what begins a line', tokenOf({ sub: 'system:serviceaccount:front:web\nid' })],
  ['an option', tokenOf({ sub: 'system:serviceaccount:front:--as' })],
  ['more than an account', tokenOf({ sub: 'system:serviceaccount:front:web:x' })],
])('%s names no account', (_, token) => {
  expect(serviceAccountOf(token)).toBeUndefined();
});

test('the account is that of the current token file; a missing file names none', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lane-account-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const tokenFile = join(folder, 'token');
  const api = new KubernetesApi({ server: 'https://127.0.0.1:1', tokenFile });
  expect(api.account).toBeUndefined();
  for (const name of ['one', 'two']) {
    writeFileSync(tokenFile, `${tokenOf({ sub: `system:serviceaccount:front:${name}` })}\n`);
    expect(api.account).toEqual({ namespace: 'front', name });
  }
});
