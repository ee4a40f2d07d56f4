/** `transport: auto`: what the server speaks is spoken. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { ConfigDocument, Instance } from '@lane/core/model';
import { startEmbeddedNacos, type EmbeddedNacosOptions } from '@lane/embedded-nacos';
import { LaneGroupsStore } from '@lane/storage';
import { closing, freePort, Received, RecordingLog } from '@lane/testing';
import { expect, onTestFinished, test } from 'vitest';
import { connectNacos, type NacosConnection, type NacosOptions } from '../dist/index.js';

const KEY = { group: 'DEFAULT_GROUP', name: 'shop' };

function connect(options: Pick<NacosOptions, 'server'> & Partial<NacosOptions>): NacosConnection {
  return closing(connectNacos({ transport: 'auto', ...options }));
}

/** A server as Nacos is from 3.2 on: gRPC, and of HTTP no v1. Gives its address. */
async function startWithoutHttpV1(auth?: EmbeddedNacosOptions['auth']): Promise<string> {
  const front = createServer((asked, answer) => {
    if (asked.url !== '/nacos/v3/auth/user/login') {
      answer.writeHead(404).end('{"status":404,"error":"Not Found"}');
      return;
    }
    let form = '';
    asked.setEncoding('utf8').on('data', (chunk: string) => (form += chunk));
    asked.on('end', () => {
      const passedOn = fetch(`http://${nacos.address}/nacos/v1/auth/login`, { method: 'POST', body: new URLSearchParams(form) });
      void passedOn.then(async (login) => answer.writeHead(login.status).end(await login.text()));
    });
  });
  const port = await freePort(1_000);
  front.listen(port, '127.0.0.1');
  await once(front, 'listening');
  const nacos = closing(await startEmbeddedNacos({ port: 0, grpcPort: port + 1000, ...(auth === undefined ? {} : { auth }) }));
  onTestFinished(() => {
    front.closeAllConnections();
    front.close();
  });
  return `127.0.0.1:${port}`;
}

test('uses HTTP if the server has both', async () => {
  const nacos = closing(await startEmbeddedNacos({ port: 0 }));
  const connection = connect({ server: nacos.address });
  await connection.register(KEY, { ip: '127.0.0.1', port: 1 });
  expect(await connection.list(KEY)).toHaveLength(1);
  expect(connection.state).toMatchObject({ transport: 'http', reachable: true });
  expect(await connection.namespaces()).toHaveLength(1);
});

test('uses gRPC for everything if there is no HTTP v1, with the log-in of Nacos 3', async () => {
  const auth = { username: 'nacos', password: 'right' };
  const server = await startWithoutHttpV1(auth);
  const connection = connect({ server, ...auth });
  const instances = new Received<readonly Instance[]>();
  const documents = new Received<ConfigDocument | undefined>();
  connection.observe(KEY, instances.push);
  connection.watch('lane-groups', 'LANE', documents.push);
  await connection.register(KEY, { ip: '127.0.0.1', port: 1 });
  await instances.until((list) => list.length === 1);
  const store = new LaneGroupsStore(connection);
  const edit = () => ({ version: 1 as const, groups: [{ name: 'shop', services: ['shop'], lanes: [] }] });
  expect(await store.change(edit)).toMatchObject({ isChanged: true, protection: 'comparison' });
  await documents.until((document) => document !== undefined);
  expect(connection.state).toMatchObject({ transport: 'grpc', reachable: true });
  expect(connection.keepsHistory).toBe(false);
  const wrong = await connect({ server, ...auth, password: 'wrong' }).check();
  expect(wrong).toMatchObject({ ok: false, code: 'ELANE_NACOS_REFUSED' });
});

test('waits for a server that is down at the start, with two log lines', async () => {
  const own = await startEmbeddedNacos({ port: await freePort(1_000) });
  await own.close();
  const log = new RecordingLog();
  const connection = connect({ server: own.address, log });
  const trouble = new Received<boolean>();
  connection.watchTrouble(trouble.push);
  const instances = new Received<readonly Instance[]>();
  connection.observe(KEY, instances.push);
  await trouble.until((isReachable) => !isReachable);
  expect(connection.state.reachable).toBe(false);
  await expect(connection.list(KEY)).rejects.toMatchObject({ code: 'ELANE_NACOS_UNREACHABLE' });

  closing(await startEmbeddedNacos({ port: own.port }));
  await instances.until((list) => list.length === 0);
  await trouble.until((isReachable) => isReachable);
  expect(log.matching(/^warn/)).toEqual([expect.stringMatching(/can't be reached/)]);
  expect(log.matching(/^info/)).toEqual([expect.stringMatching(/answers again/)]);
});

test('reports a server that speaks neither, with the remedy', async () => {
  const nacos = await startEmbeddedNacos({ port: await freePort(1_000), grpcPort: false });
  await nacos.close();
  expect(await connect({ server: nacos.address }).check()).toMatchObject({ ok: false, problem: expect.stringContaining('is Nacos running there?') });
});

test('an observer that leaves before the protocol is known is told nothing', async () => {
  const nacos = closing(await startEmbeddedNacos({ port: 0 }));
  const connection = connect({ server: nacos.address });
  const told = new Received<readonly Instance[]>();
  connection.observe(KEY, told.push)();
  const other = new Received<readonly Instance[]>();
  connection.observe(KEY, other.push);
  await other.until(() => true);
  expect(told.all).toEqual([]);
});
