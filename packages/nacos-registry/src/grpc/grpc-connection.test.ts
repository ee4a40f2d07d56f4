import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { connect as connectSocket, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { currentLane, runInLane, type ServiceKey } from '@lane/core/model';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { closing, freePort, Received, RecordingLog } from '@lane/testing';
import fc from 'fast-check';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connectNacos, type NacosConnection, type NacosOptions } from '../../dist/index.js';
import { at, newService, observe, ports, watch, type Instances } from '../testing/observing.js';
import { encodePayload } from '../../dist/grpc/payload.js';

let shared: EmbeddedNacos;
beforeAll(async () => {
  shared = await startEmbeddedNacos({ port: 0 });
  return () => shared.close();
});

function connect(options: Partial<NacosOptions> = {}): NacosConnection {
  return closing(connectNacos({ server: shared.address, transport: 'grpc', ...options }));
}

describe('instances', () => {
  test('are reported at every change, down to the last one', async () => {
    const key = newService();
    const received = observe(connect(), key);
    expect(await received.until(() => true)).toEqual([]);

    const provider = connect();
    await provider.register(key, at(1001, { lane: 'gray' }));
    await received.until((instances) => instances.length === 1);
    expect(received.last).toEqual([
      { ip: '127.0.0.1', port: 1001, weight: 1, healthy: true, enabled: true, metadata: { lane: 'gray' }, cluster: 'DEFAULT' },
    ]);
    await provider.register(key, { ...at(1002), weight: 5, cluster: 'B' });
    expect(ports(await received.until((instances) => instances.length === 2))).toEqual([1001, 1002]);
    await provider.register(key, at(1001, { lane: 'blue' }));
    await received.until((instances) => instances.some(({ metadata }) => metadata['lane'] === 'blue'));
    await provider.deregister(key, { ...at(1002), cluster: 'B' });
    await received.until((instances) => instances.length === 1);
    await provider.deregister(key, at(1001));
    await received.until((instances) => instances.length === 0);
  });

  test('are reported to each observer at once, to none that has left, and again to one that comes back', async () => {
    const key = newService();
    const connection = connect();
    const provider = connect();
    await provider.register(key, at(1001));
    const first = new Received<Instances>();
    const leave = connection.observe(key, first.push);
    await first.until((instances) => instances.length === 1);
    leave();
    leave();
    const second = observe(connection, key);
    await second.until((instances) => instances.length === 1);
    const third = observe(connection, key);
    await third.until((instances) => instances.length === 1);
    await provider.register(key, at(1002));
    await second.until((instances) => instances.length === 2);
    await third.until((instances) => instances.length === 2);
    expect(first.all).toHaveLength(1);
  });

  test('can be listed, as services can', async () => {
    const key: ServiceKey = { group: 'ODD', name: `服务 ${newService().name}` };
    const connection = connect();
    expect(await connection.list(key)).toEqual([]);
    await connection.register(key, at(1001));
    expect(ports(await connection.list(key))).toEqual([1001]);
    expect(await connection.services('ODD')).toEqual([key.name]);
    expect(await connection.services()).not.toContain(key.name);
  });

  test('registered concurrently all exist', async () => {
    const key = newService();
    const provider = connect();
    await Promise.all([1001, 1002, 1003].map((port) => provider.register(key, at(port))));
    expect(ports(await provider.list(key))).toEqual([1001, 1002, 1003]);
    await Promise.all([1001, 1003].map((port) => provider.deregister(key, at(port))));
    expect(ports(await provider.list(key))).toEqual([1002]);
  });

  test('are removed with the connection that registered them', async () => {
    const key = newService();
    const provider = connect();
    await provider.register(key, at(1001));
    await provider.register(key, at(1002));
    await provider.close();
    expect(await connect().list(key)).toEqual([]);
  });
});

describe('documents', () => {
  test('are reported at every change, several on one connection', async () => {
    const connection = connect();
    const first = watch(connection, 'first');
    await first.until((document) => document === undefined);
    const second = watch(connection, 'second');
    await second.until((document) => document === undefined);
    const writer = connect();
    await writer.publish('second', 'LANE', 'two & 二', { type: 'text' });
    expect((await second.until((document) => document !== undefined))?.content).toBe('two & 二');
    await writer.publish('first', 'LANE', 'one');
    await first.until((document) => document?.content === 'one');
    await writer.remove('first', 'LANE');
    await first.until((document) => document === undefined);
    expect(second.all).toHaveLength(2);
  });

  test('written by two concurrently are written by exactly one, even the first document', async () => {
    const writers = [connect(), connect(), connect()];
    for (const round of ['first', 'second']) {
      const casMd5 = (await writers[0]?.get('race', 'LANE'))?.md5 ?? '';
      const results = await Promise.allSettled(writers.map((writer, i) => writer.publish('race', 'LANE', `${round} by ${i}`, { casMd5 })));
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
      for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ELANE_CONFLICT' });
    }
  });
});

describe('an outage', () => {
  test('is survived: everything moves to the next connection, with two log lines', async () => {
    const own = await startEmbeddedNacos({ port: await freePort(1_000) });
    const log = new RecordingLog();
    const connection = connect({ server: own.address, log });
    const trouble = new Received<boolean>();
    connection.watchTrouble(trouble.push);
    const key = newService();
    const provider = connect({ server: own.address });
    await provider.register(key, at(1001));
    await provider.register(key, at(1002));
    const instances = observe(connection, key);
    const documents = watch(connection, 'doc');
    await instances.until((list) => list.length === 2);
    await documents.until(() => true);

    await own.close();
    await trouble.until((isReachable) => !isReachable);
    expect(connection.state.reachable).toBe(false);
    const again = closing(await startEmbeddedNacos({ port: own.port }));
    await connect({ server: again.address }).publish('doc', 'LANE', 'news');
    await documents.until((document) => document?.content === 'news');
    await trouble.until((isReachable) => isReachable);
    // Nobody has asked for it: what was registered is there again, and changes are heard of.
    await provider.register(key, at(1003));
    await instances.until((list) => ports(list).join() === '1001,1002,1003');
    expect(log.matching(/^warn/)).toEqual([expect.stringMatching(/can't be reached over gRPC/)]);
    expect(log.matching(/^info/)).toEqual([expect.stringMatching(/answers again/)]);
  });

  test('of a server that goes silent is detected and survived', async () => {
    // What goes through stays on the way once the network is broken; new connections find none.
    const sockets = new Set<Socket>();
    let isBroken = false;
    const network = createServer((socket) => {
      if (isBroken) return socket.destroy();
      const behind = connectSocket(shared.grpcPort as number, '127.0.0.1');
      for (const one of [socket, behind]) sockets.add(one.on('error', () => {}));
      return socket.pipe(behind).pipe(socket);
    });
    network.listen(0, '127.0.0.1');
    await once(network, 'listening');
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      network.close();
    });
    const connection = connect({ server: `127.0.0.1:${(network.address() as AddressInfo).port - 1000}` });
    const trouble = new Received<boolean>();
    connection.watchTrouble(trouble.push);
    const documents = watch(connection, 'silent');
    await documents.until(() => true);

    isBroken = true;
    for (const socket of sockets) socket.unpipe().pause();
    await trouble.until((isReachable) => !isReachable);
    isBroken = false;
    await trouble.until((isReachable) => isReachable);
    await connect().publish('silent', 'LANE', 'news');
    await documents.until((document) => document?.content === 'news');
  });

  test('at the start is survived', async () => {
    const own = await startEmbeddedNacos({ port: await freePort(1_000) });
    await own.close();
    const log = new RecordingLog();
    const connection = connect({ server: own.address, log });
    const instances = observe(connection, newService());
    const documents = watch(connection, 'doc');
    const ready = connection.ready();
    await log.until(/can't be reached/);
    closing(await startEmbeddedNacos({ port: own.port }));
    await ready;
    expect(await instances.until(() => true)).toEqual([]);
    expect(await documents.until(() => true)).toBeUndefined();
    expect(log.matching(/^(warn|error)/)).toHaveLength(1);
  });

  test('of one server does not matter if there is another, to which everything moves', async () => {
    const first = await startEmbeddedNacos({ port: 0 });
    const log = new RecordingLog();
    const connection = connect({ server: `${first.address},${shared.address}`, log });
    const key = newService();
    const documents = watch(connection, 'moved');
    await documents.until(() => true);
    await connection.register(key, at(1001));
    const elsewhere = observe(connect(), key);
    await elsewhere.until((list) => list.length === 0);

    await first.close();
    await elsewhere.until((list) => ports(list).join() === '1001');
    await connect().publish('moved', 'LANE', 'news');
    await documents.until((document) => document?.content === 'news');
    expect(await connection.check()).toEqual({ ok: true });
    expect(log.lines).toEqual([]);
  });
});

describe('problems are reported in one sentence with the remedy', () => {
  async function problemOf(options: Partial<NacosOptions>): Promise<string> {
    const result = await connect(options).check();
    return result.ok ? 'none' : result.problem;
  }

  test('no server', async () => {
    expect(await problemOf({ server: '127.0.0.1:1' })).toBe(
      "Nacos at 127.0.0.1:1 can't be reached over gRPC (ECONNREFUSED on port 1001, which is that of 127.0.0.1:1 for gRPC): is Nacos running there? Set LANE_NACOS_SERVER to its host:port",
    );
  });

  test('a wrong password, none, and the right one', async () => {
    const own = closing(await startEmbeddedNacos({ port: 0, auth: { username: 'nacos', password: 'right' } }));
    const server = own.address;
    expect(await problemOf({ server, username: 'nacos', password: 'wrong' })).toBe(
      `Nacos at ${server} refused user nacos: check LANE_NACOS_USERNAME and LANE_NACOS_PASSWORD, and the user's permissions`,
    );
    expect(await problemOf({ server })).toBe(`Nacos at ${server} requires authentication: set LANE_NACOS_USERNAME and LANE_NACOS_PASSWORD`);
    expect(await problemOf({ server, username: 'nacos', password: 'right' })).toBe('none');
    await expect(connect({ server, username: 'nacos', password: 'wrong' }).list(newService())).rejects.toMatchObject({ code: 'ELANE_NACOS_REFUSED' });
  });

  test('requests that gRPC does not have', async () => {
    const connection = connect();
    for (const asked of [
      connection.namespaces(),
      connection.history('d', 'LANE', { page: 1, limit: 1 }),
      connection.contentOfChange('d', 'LANE', '1'),
    ])
      await expect(asked).rejects.toMatchObject({ code: 'ELANE_UNSUPPORTED', message: expect.stringContaining('LANE_NACOS_TRANSPORT=http') });
  });
});

describe('for any answer of a server, a request ends with a NacosError', () => {
  /** Gives the address of a Nacos whose gRPC is this server. */
  async function listen(server: Server): Promise<string> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return `127.0.0.1:${(server.address() as AddressInfo).port - 1000}`;
  }

  /** A server of HTTP/2 that answers each stream so. */
  async function answering(answer: (stream: ServerHttp2Stream, path: string) => void): Promise<string> {
    const server = createHttp2Server();
    server.on('sessionError', () => {});
    server.on('session', (session) => onTestFinished(() => session.destroy()));
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      answer(stream, headers[':path'] ?? '');
    });
    return listen(server);
  }

  function frame(message: Buffer, length = message.length): Buffer {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(length, 1);
    return Buffer.concat([prefix, message]);
  }

  function send(stream: ServerHttp2Stream, bytes: Buffer): void {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(bytes);
  }

  const refused = { code: expect.stringMatching(/^ELANE_NACOS_(UNREACHABLE|ANSWER)$/) as string };

  test.each<[string, (stream: ServerHttp2Stream) => void]>([
    ['no gRPC', (stream) => (stream.respond({ ':status': 404 }), stream.end('<html>'))],
    ['an error', (stream) => stream.respond({ ':status': 200, 'grpc-status': '14', 'grpc-message': '%E0%A4' }, { endStream: true })],
    ['nothing', (stream) => send(stream, Buffer.alloc(0))],
    ['an end', (stream) => stream.close(2)],
    ['too long a message', (stream) => send(stream, frame(Buffer.alloc(9), 4 * 1024 * 1024 + 1))],
    ['a compressed message', (stream) => send(stream, Buffer.from([1, 0, 0, 0, 0]))],
    ['half a message', (stream) => send(stream, frame(Buffer.alloc(9), 99))],
    ['no message', (stream) => send(stream, frame(Buffer.from('GET / HTTP/1.1')))],
    ['no JSON', (stream) => send(stream, frame(encodePayload({ type: 'ServerCheckResponse', body: '{' })))],
    ['null', (stream) => send(stream, frame(encodePayload({ type: 'ServerCheckResponse', body: 'null' })))],
    ['brackets', (stream) => send(stream, frame(encodePayload({ type: 'ServerCheckResponse', body: '['.repeat(1000) })))],
    ['what can be no text', (stream) => send(stream, frame(encodePayload({ type: 'ErrorResponse', body: '{"message":{"toString":1}}' })))],
  ])('%s', async (_what, answer) => {
    await expect(connect({ server: await answering(answer) }).list(newService())).rejects.toMatchObject(refused);
  });

  test('bytes that are not HTTP/2', async () => {
    const server = createServer((socket: Socket) => {
      socket.on('error', () => {});
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await expect(connect({ server: await listen(server) }).list(newService())).rejects.toMatchObject(refused);
  });

  test('anything instead of a message', async () => {
    let answer = Buffer.alloc(0);
    const server = await answering((stream, path) => (path.startsWith('/Bi') ? stream.respond({ ':status': 200 }) : send(stream, answer)));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array(),
          fc.uint8Array().map((bytes) => frame(Buffer.from(bytes))),
        ),
        async (bytes) => {
          answer = Buffer.from(bytes);
          const connection = connectNacos({ server, transport: 'grpc' });
          await expect(connection.list(newService())).rejects.toMatchObject(refused);
          await connection.close();
        },
      ),
      { numRuns: 50 },
    );
  });

  test('invalid fields, in answers and in pushes', async () => {
    const log = new RecordingLog();
    const server = await answering((stream, path) => {
      if (path.startsWith('/Bi')) {
        stream.respond({ ':status': 200 });
        for (const type of ['NotifySubscriberRequest', 'ConfigChangeNotifyRequest', 'ClientDetectionRequest', 'Unknown', ''])
          for (const body of [
            '{}',
            '[]',
            '{"requestId":5,"serviceInfo":null}',
            '{"dataId":{"toString":1},"serviceName":[],"serviceInfo":{"hosts":5}}',
          ])
            stream.write(frame(encodePayload({ type, body })));
        return;
      }
      send(
        stream,
        frame(encodePayload({ type: 'ServerCheckResponse', body: '{"resultCode":200,"serviceInfo":{"hosts":[null,5,{"ip":1}]},"content":5}' })),
      );
    });
    const connection = connect({ server, log });
    const instances = observe(connection, newService());
    expect(await instances.until(() => true)).toEqual([]);
    await expect(connection.get('d', 'LANE')).rejects.toMatchObject({ code: 'ELANE_NACOS_ANSWER' });
    expect(await connection.services()).toEqual([]);
    expect(log.matching(/^error/)).toEqual([]);
  });
});

test('follows a server that sends its client elsewhere, within the configured servers', async () => {
  const key = newService();
  const connects = new Received<string>();
  const server = createHttp2Server();
  server.on('session', (session) => onTestFinished(() => session.destroy()));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    const say = (type: string, fields: object): void => {
      const message = encodePayload({ type, body: JSON.stringify(fields) });
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      stream.write(Buffer.concat([prefix, message]));
    };
    if (headers[':path'] === '/Request/request') {
      say('ServerCheckResponse', { resultCode: 200 });
      stream.end();
      return;
    }
    connects.push('connected');
    say('ConnectResetRequest', { requestId: '1', serverIp: '203.0.113.1', serverPort: '8848' });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const crowded = `127.0.0.1:${(server.address() as AddressInfo).port - 1000}`;
  await connect().register(key, at(1001));
  const instances = observe(connect({ server: `${crowded},${shared.address}` }), key);
  expect(ports(await instances.until((list) => list.length === 1))).toEqual([1001]);
  expect(connects.all).toEqual(['connected']);
});

test('used in any lane, calls its listeners outside of any', async () => {
  const lanes = new Received<string | undefined>();
  const key = newService();
  const connection = connect();
  await runInLane('gray', async () => {
    connection.observe(key, () => lanes.push(currentLane()));
    connection.watch('lane-free', 'LANE', () => lanes.push(currentLane()));
    await connection.register(key, at(1001));
    await connection.publish('lane-free', 'LANE', 'x');
    expect(currentLane()).toBe('gray');
  });
  await runInLane('blue', () => connection.register(key, at(1002)));
  await lanes.until(() => lanes.all.length >= 3);
  expect(new Set(lanes.all)).toEqual(new Set([undefined]));
});

describe('a process', () => {
  /** Runs a script in a process of its own; gives how it ended. */
  async function run(script: string): Promise<unknown[]> {
    const child = spawn(process.execPath, ['-e', script, shared.address], { cwd: join(__dirname, '../../dist'), stdio: 'inherit' });
    onTestFinished(() => void child.kill('SIGKILL'));
    return once(child, 'exit');
  }

  test('is not kept alive', async () => {
    const script = `
      const { connectNacos } = require('./index.js');
      const connection = connectNacos({ server: process.argv[1], transport: 'grpc' });
      const key = { group: 'DEFAULT_GROUP', name: 'idle' };
      let left = 3;
      const one = () => --left === 0 && clearTimeout(busy);
      const busy = setTimeout(() => process.exit(3), 150000);
      connection.observe(key, () => { one(); });
      connection.watch('idle', 'LANE', one);
      connection.list(key).then(one);
    `;
    expect(await run(script)).toEqual([0, null]);
  });

  test('is kept alive by requests if it must wait for them, and by nothing after the connection is closed', async () => {
    const script = `
      const { connectNacos } = require('./index.js');
      const connection = connectNacos({ server: process.argv[1], transport: 'grpc', holdProcess: true });
      const key = { group: 'DEFAULT_GROUP', name: 'busy' };
      connection.observe(key, () => {});
      connection.watch('busy', 'LANE', () => {});
      connection.register(key, { ip: '127.0.0.1', port: 1 }).then(() => connection.close()).then(() => { process.exitCode = 7; });
    `;
    expect(await run(script)).toEqual([7, null]);
  });
});
