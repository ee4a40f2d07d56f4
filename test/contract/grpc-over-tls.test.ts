/** Our gRPC connection to a Nacos behind TLS: https:// selects TLS, certificates are verified, and Node's own variable names a private authority. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { beforeAll, expect, test } from 'vitest';
import { TLS, TLS_CA } from '../agent/peer.js';

let server: string;
beforeAll(async () => {
  const nacos = await startEmbeddedNacos({ port: 0 });
  const front = createServer({ ...TLS, ALPNProtocols: ['h2'] }, (socket) => {
    const behind = connect(nacos.grpcPort as number, nacos.host);
    for (const one of [socket, behind]) one.on('error', () => {});
    socket.pipe(behind).pipe(socket);
  });
  front.on('tlsClientError', () => {});
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  server = `https://127.0.0.1:${(front.address() as AddressInfo).port - 1000}`;
  return async () => {
    front.close();
    await nacos.close();
  };
});

/** What a process with this environment reports about the server. */
async function check(env: NodeJS.ProcessEnv): Promise<unknown> {
  const script = `
    const { connectNacos } = require('@lane/nacos-registry');
    const connection = connectNacos({ server: process.argv[1], transport: 'grpc', holdProcess: true });
    connection.check().then(async (result) => {
      await connection.close();
      console.log(JSON.stringify(result));
    });
  `;
  const child = spawn(process.execPath, ['-e', script, server], {
    cwd: __dirname,
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  await once(child, 'close');
  return JSON.parse(said);
}

test('accepts a certificate of a known authority', async () => {
  expect(await check({ NODE_EXTRA_CA_CERTS: TLS_CA })).toEqual({ ok: true });
});

test('rejects and reports any other', async () => {
  expect(await check({})).toMatchObject({
    ok: false,
    code: 'ELANE_NACOS_UNREACHABLE',
    problem: expect.stringMatching(/can't be reached over gRPC \(self-signed certificate/) as string,
  });
});
