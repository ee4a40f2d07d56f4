/** Tests the instrument itself: each fault does what it claims, to requests and to pushes. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '@lane/testing';
import { startFaultyNacos, type FaultyNacos } from './faulty-nacos.js';

let nacos: EmbeddedNacos;
let faulty: FaultyNacos;
beforeAll(async () => {
  nacos = await startEmbeddedNacos({ port: 0, auth: { username: 'u', password: 'p' } });
  faulty = await startFaultyNacos(nacos.address);
  await call('/ns/instance?serviceName=s&ip=1.1.1.1&port=1&metadata={"lane":"gray"}', { method: 'POST' });
  await call('/cs/configs?dataId=d&group=g&content=x', { method: 'POST' });
  return async () => {
    await faulty.close();
    await nacos.close();
  };
});
beforeEach(() => faulty.clear());

function call(path: string, init?: RequestInit): Promise<Response> {
  return fetch(`http://${faulty.address}/nacos/v1${path}${path.includes('?') ? '&' : '?'}username=u&password=p`, init);
}
const hosts = async (): Promise<unknown[]> => ((await (await call('/ns/instance/list?serviceName=s')).json()) as { hosts: unknown[] }).hosts;

describe('a faulty Nacos', () => {
  test('forwards everything else unchanged', async () => {
    expect(await hosts()).toMatchObject([{ ip: '1.1.1.1', metadata: { lane: 'gray' } }]);
    faulty.set({ calls: 'documents', answer: { how: 'status', status: 404, body: '' } });
    expect(await hosts()).toHaveLength(1);
    expect((await call('/cs/configs?dataId=d&group=g')).status).toBe(404);
  });

  test('answers a status, resets, truncates, and edits lists', async () => {
    faulty.set({ answer: { how: 'status', status: 500, body: 'no' } });
    expect((await call('/ns/instance/list?serviceName=s')).status).toBe(500);
    faulty.set({ answer: { how: 'reset' } });
    await expect(call('/ns/instance/list?serviceName=s')).rejects.toThrow();
    faulty.set({ answer: { how: 'truncated' } });
    await expect(hosts()).rejects.toThrow();
    faulty.set({ calls: 'lists', answer: { how: 'hosts', edit: () => [] } });
    expect(await hosts()).toEqual([]);
  });

  test('hangs until the fault is over', async () => {
    faulty.set({ answer: { how: 'hang' } });
    let isAnswered = false;
    const asked = hosts().then((list) => {
      isAnswered = true;
      return list;
    });
    // Another connection, which the server itself answers in the meantime.
    await fetch(`http://${nacos.address}/nacos/v1/ns/operator/metrics`);
    expect(isAnswered).toBe(false);
    faulty.clear();
    expect(await asked).toHaveLength(1);
  });

  test('drops pushes, and edits the others', async () => {
    const client = createSocket('udp4');
    client.bind(0, '127.0.0.1');
    await once(client, 'listening');
    const pushed: Array<{ hosts: Array<{ port: number }> }> = [];
    client.on('message', (packet) => pushed.push(JSON.parse((JSON.parse(packet.toString()) as { data: string }).data) as (typeof pushed)[0]));
    await call(`/ns/instance/list?serviceName=pushed&udpPort=${client.address().port}`);
    const register = (port: number): Promise<Response> => call(`/ns/instance?serviceName=pushed&ip=1.1.1.1&port=${port}`, { method: 'POST' });
    await register(1);
    while (pushed.length === 0) await once(client, 'message');
    expect(pushed[0]?.hosts).toMatchObject([{ port: 1 }]);
    faulty.set({ calls: 'lists', answer: { how: 'hosts', edit: () => [] } });
    const before = pushed.length;
    await register(2);
    while (pushed.length === before) await once(client, 'message');
    expect(pushed.at(-1)?.hosts).toEqual([]);
    client.close();
  });

  test('rejects the tokens issued before they were expired, and accepts later ones', async () => {
    const logIn = async (): Promise<string> => {
      const answer = await fetch(`http://${faulty.address}/nacos/v1/auth/login?username=u&password=p`, { method: 'POST' });
      return ((await answer.json()) as { accessToken: string }).accessToken;
    };
    const ask = async (token: string): Promise<number> =>
      (await fetch(`http://${faulty.address}/nacos/v1/ns/instance/list?serviceName=s&accessToken=${token}`)).status;
    const token = await logIn();
    expect(await ask(token)).toBe(200);
    faulty.expireTokens();
    expect(await ask(token)).toBe(403);
    expect(await ask(await logIn())).toBe(200);
  });

  test('refuses connections while it is down, and comes back on the same port', async () => {
    await faulty.down();
    // Not with fetch, whose pool may still hold a cut connection.
    await expect(once(connect(faulty.port, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await faulty.up();
    // Nor with fetch here.
    await eventually(async () => expect(await hosts()).toHaveLength(1));
  });
});
