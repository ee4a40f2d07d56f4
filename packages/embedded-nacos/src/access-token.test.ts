/** Places where clients send their access token. */
import { beforeAll, describe, expect, test } from 'vitest';
import { startEmbeddedNacos } from '../dist/index.js';

let token: string;
let url: string;
beforeAll(async () => {
  const nacos = await startEmbeddedNacos({ port: 0, auth: { username: 'u', password: 'p' } });
  url = `http://${nacos.address}/nacos/v1`;
  const answer = await fetch(`${url}/auth/login`, { method: 'POST', body: new URLSearchParams({ username: 'u', password: 'p' }) });
  token = ((await answer.json()) as { accessToken: string }).accessToken;
  return () => nacos.close();
});

async function ask(query: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await fetch(`${url}/ns/instance/list?serviceName=s${query}`, { headers });
  return answer.ok ? 'allowed' : ((await answer.json()) as { message: string }).message;
}

describe('an access token', () => {
  test('counts as a parameter and in either header, in any case', async () => {
    expect(await ask(`&accessToken=${token}`)).toBe('allowed');
    for (const name of ['accessToken', 'accesstoken']) expect(await ask('', { [name]: token })).toBe('allowed');
    for (const scheme of ['Bearer', 'bearer']) expect(await ask('', { Authorization: `${scheme} ${token}` })).toBe('allowed');
    expect(await ask('&accessToken=', { accessToken: token })).toBe('allowed');
  });

  test('that was never issued gives no access, whatever else the request contains', async () => {
    expect(await ask('&username=u&password=p&accessToken=made-up')).toBe('token invalid!');
    expect(await ask('&username=u&password=p', { accessToken: 'made-up' })).toBe('token invalid!');
    expect(await ask('&username=u&password=p', { Authorization: 'Bearer made-up' })).toBe('token invalid!');
    expect(await ask('', { Authorization: `Basic ${token}` })).toBe('user not found!');
    expect(await ask('&accessToken=')).toBe('token invalid!');
  });
});
