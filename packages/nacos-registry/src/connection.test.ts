import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { currentLane, runInLane, type ServiceKey } from '@lane/core/model';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection, type NacosOptions } from '../dist/index.js';
import { at, newService, observe, ports, watch, type Instances } from './testing/observing.js';
import { closing, freePort, Received, RecordingLog } from '@lane/testing';

let shared: EmbeddedNacos;
beforeAll(async () => {
  shared = await startEmbeddedNacos({ port: 0 });
  return () => shared.close();
});

function connect(options: Partial<NacosOptions> = {}): NacosConnection {
  return closing(connectNacos({ server: shared.address, ...options }));
}

/** An HTTP server that stands before or for a Nacos; gives its address. */
async function startServer(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Passes a request on to the shared Nacos; gives the answer and its body. */
async function passOn(received: IncomingMessage): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
  const passed = request({ host: shared.host, port: shared.port, method: received.method, path: received.url, headers: received.headers });
  received.pipe(passed);
  const [answer] = (await once(passed, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of answer.setEncoding('utf8')) body += chunk as string;
  return { status: answer.statusCode ?? 0, headers: answer.headers, body };
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

  test('are reported by polling if the server cannot push', async () => {
    const address = await startServer((received, answer) => {
      void passOn(received).then(({ status, body }) => answer.writeHead(status).end(body.replace(/"cacheMillis":\d+/, '"cacheMillis":1000')));
    });
    const key = newService();
    const received = observe(connect({ server: address, udpPush: false }), key);
    await received.until(() => true);
    await connect().register(key, at(1001));
    await received.until((instances) => instances.length === 1);
  });

  test('are reported to each subscriber at once, and no more to one that has left', async () => {
    const key = newService();
    const connection = connect();
    const provider = connect();
    await provider.register(key, at(1001));
    const first = observe(connection, key);
    await first.until((instances) => instances.length === 1);

    const second = new Received<Instances>();
    const leave = connection.observe(key, second.push);
    await second.until((instances) => instances.length === 1);
    leave();
    leave();
    await provider.register(key, at(1002));
    await first.until((instances) => instances.length === 2);
    expect(second.all).toHaveLength(1);
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

  test('are kept apart by namespace', async () => {
    const key = newService();
    await connect({ namespace: 'other' }).register(key, at(1001));
    expect(await connect().list(key)).toEqual([]);
    expect(await connect({ namespace: 'other' }).list(key)).toHaveLength(1);
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
    await writer.publish('first', 'LANE', 'uno');
    await first.until((document) => document?.content === 'uno');
    expect(second.all).toHaveLength(2);

    await writer.remove('first', 'LANE');
    await first.until((document) => document === undefined);
    expect(await writer.get('first', 'LANE')).toBeUndefined();
    await writer.remove('first', 'LANE');
  });

  test('are written only over the version that was read, on request', async () => {
    const writer = connect();
    await writer.publish('cas', 'LANE', 'one', { casMd5: '' });
    const read = await writer.get('cas', 'LANE');
    await writer.publish('cas', 'LANE', 'two', { casMd5: read?.md5 ?? '' });
    await expect(writer.publish('cas', 'LANE', 'three', { casMd5: read?.md5 ?? '' })).rejects.toMatchObject({
      code: 'ELANE_CONFLICT',
      message: expect.stringContaining('read it again'),
    });
    await expect(writer.publish('cas', 'LANE', 'three', { casMd5: '' })).rejects.toMatchObject({ code: 'ELANE_CONFLICT' });
    expect((await writer.get('cas', 'LANE'))?.content).toBe('two');
  });

  test('written by two concurrently are written by exactly one', async () => {
    const writers = [connect(), connect(), connect()];
    await writers[0]?.publish('race', 'LANE', '0');
    const md5 = (await writers[0]?.get('race', 'LANE'))?.md5 ?? '';
    const results = await Promise.allSettled(writers.map((writer, i) => writer.publish('race', 'LANE', `by ${i}`, { casMd5: md5 })));
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
  });

  test('are reported at every change, though the md5 from the server lags behind', async () => {
    let first: string | undefined;
    const server = await startServer((received, response) => {
      void passOn(received).then(({ status, headers, body }) => {
        const { 'content-md5': md5, 'content-length': _, ...others } = headers;
        if (md5 !== undefined) first ??= String(md5);
        response.writeHead(status, { ...others, ...(first === undefined ? {} : { 'content-md5': first }) }).end(body);
      });
    });
    const writer = connect();
    await writer.publish('lagging', 'LANE', 'one');
    const documents = watch(connect({ server }), 'lagging');
    for (const content of ['one', 'two', 'one']) {
      await writer.publish('lagging', 'LANE', content);
      await documents.until((document) => document?.content === content);
    }
  });
});

describe('an outage', () => {
  test('is survived, with two log lines', async () => {
    // By chance, the list could be asked for before the first beat.
    const random = vi.spyOn(Math, 'random').mockReturnValue(0.5);
    onTestFinished(() => random.mockRestore());
    const own = await startEmbeddedNacos({ port: await freePort(1_000) });
    const log = new RecordingLog();
    const reachable = new Received<boolean>();
    const connection = connect({ server: own.address, log });
    connection.watchTrouble(reachable.push);
    const key = newService();
    const provider = connect({ server: own.address });
    await provider.register(key, { ...at(1001), metadata: { 'preserved.heart.beat.interval': '1000' } });
    const instances = observe(connection, key);
    const documents = watch(connection, 'doc');
    await instances.until((list) => list.length === 1);
    await documents.until(() => true);

    await own.close();
    await reachable.until((isReachable) => !isReachable);
    const again = closing(await startEmbeddedNacos({ port: own.port }));
    await connect({ server: again.address }).publish('doc', 'LANE', 'news');
    await documents.until((document) => document?.content === 'news');
    await reachable.until((isReachable) => isReachable);

    // The server has forgotten everything, and hears of it again by a beat: nobody is told that there is nothing.
    await provider.register(key, at(1002));
    await instances.until((list) => ports(list).join() === '1001,1002');
    expect(instances.all.filter((list) => list.length === 0)).toEqual([]);
    expect(log.matching(/^warn/)).toEqual([expect.stringMatching(/can't be reached \(\w+\)/)]);
    expect(log.matching(/^info/)).toEqual([expect.stringMatching(/answers again/)]);
  });

  test('is reported at its beginning and end, for caches of what the server may have forgotten', async () => {
    let isDown = false;
    const server = await startServer((received, answer) => {
      if (isDown) received.socket.destroy();
      else answer.end(JSON.stringify({ hosts: [at(1001)], cacheMillis: 1000, lastRefTime: Date.now() }));
    });
    const connection = connect({ server, udpPush: false });
    const trouble = new Received<boolean>();
    const leave = connection.watchTrouble(trouble.push);
    const instances = observe(connection, newService());
    await instances.until((list) => list.length === 1);
    expect(trouble.all).toEqual([]);
    isDown = true;
    await trouble.until((isReachable) => !isReachable);
    isDown = false;
    await trouble.until(() => trouble.all.at(-1) === true);
    leave();
  });

  test('at the start is survived', async () => {
    const own = await startEmbeddedNacos({ port: await freePort(1_000) });
    await own.close();
    const log = new RecordingLog();
    const connection = connect({ server: own.address, log });
    const key = newService();
    const instances = observe(connection, key);
    const documents = watch(connection, 'doc');
    const ready = connection.ready();
    await log.until(/can't be reached/);

    closing(await startEmbeddedNacos({ port: own.port }));
    await ready;
    expect(await instances.until(() => true)).toEqual([]);
    expect(await documents.until(() => true)).toBeUndefined();
    expect(log.matching(/^(warn|error)/)).toHaveLength(1);
  });

  test('of one server does not matter if there is another', async () => {
    const log = new RecordingLog();
    const connection = connect({ server: `127.0.0.1:1,${shared.address}`, log });
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
      "Nacos at 127.0.0.1:1 can't be reached (ECONNREFUSED): is Nacos running there? Set LANE_NACOS_SERVER to its host:port",
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

  test('a wrong password, in the log of a waiting process', async () => {
    const own = closing(await startEmbeddedNacos({ port: 0, auth: { username: 'nacos', password: 'right' } }));
    const log = new RecordingLog();
    void connect({ server: own.address, username: 'nacos', password: 'wrong', log }).ready();
    expect(await log.until(/refused user nacos/)).toMatch(/^warn/);
  });

  test.each([
    [410, 'Current API will be deprecated'],
    [404, '<!doctype html><title>404</title>'],
    [404, '{"status":404,"error":"Not Found"}'],
    [501, 'Not Implemented'],
  ])('a server without the HTTP API v1, which answers %i %s', async (status, body) => {
    const server = await startServer((_received, answer) => answer.writeHead(status).end(body));
    expect(await problemOf({ server })).toMatch(/^Nacos has no HTTP API v1 .* set LANE_NACOS_TRANSPORT=grpc/);
    const log = new RecordingLog();
    watch(connect({ server, log }), 'doc');
    await log.until(/LANE_NACOS_TRANSPORT=grpc/);
  });

  test('a starting server', async () => {
    const server = await startServer((_received, answer) => answer.writeHead(503).end('server is STARTING now, please try again later!'));
    expect(await problemOf({ server })).toContain('is not serving requests (503: server is STARTING now');
  });
});

describe('a log-in', () => {
  test('is renewed when the server no longer knows it', async () => {
    let logIns = 0;
    let valid = '';
    const server = await startServer((received, answer) => {
      if (received.url?.includes('/auth/') === true) {
        valid = `token-${++logIns}`;
        answer.end(JSON.stringify({ accessToken: valid, tokenTtl: 18_000 }));
      } else if (received.headers['accesstoken'] !== valid) answer.writeHead(403).end();
      else answer.writeHead(404).end('config data not exist');
    });
    const connection = connect({ server, username: 'nacos', password: 'x' });
    await connection.get('doc', 'LANE');
    await connection.get('doc', 'LANE');
    expect(logIns).toBe(1);
    valid = 'forgotten';
    expect(await connection.get('doc', 'LANE')).toBeUndefined();
    expect(logIns).toBe(2);
  });

  test('puts its token into the query only if the server accepts it nowhere else', async () => {
    const urls: string[] = [];
    const server = await startServer((received, answer) => {
      if (received.url?.includes('/auth/') === true) answer.end(JSON.stringify({ accessToken: 'the-token' }));
      else {
        urls.push(received.url ?? '');
        answer.writeHead(received.url?.includes('accessToken=the-token') === true ? 404 : 403).end('config data not exist');
      }
    });
    const connection = connect({ server, username: 'nacos', password: 'x' });
    for (let i = 0; i < 2; i++) expect(await connection.get('doc', 'LANE')).toBeUndefined();
    expect(urls.map((url) => url.includes('the-token'))).toEqual([false, false, true, true]);
  });

  test('that the server does not support sends no password in a URL, and is logged once', async () => {
    const urls: string[] = [];
    const log = new RecordingLog();
    const server = await startServer((received, answer) => {
      urls.push(received.url ?? '');
      answer.writeHead(404).end('config data not exist');
    });
    const connection = connect({ server, username: 'nacos', password: 'p w', log });
    for (let i = 0; i < 2; i++) await connection.get('doc', 'LANE');
    expect(urls.filter((url) => /username|password|p\+w|p%20w/.test(url))).toEqual([]);
    expect(urls).toHaveLength(5);
    expect(log.matching(/^warn/)).toEqual([expect.stringMatching(/has no login endpoint .* unset LANE_NACOS_USERNAME/)]);
  });

  test('that the server does not support is replaced by credentials in headers if the server rejects other requests', async () => {
    const urls: string[] = [];
    const server = await startServer((received, answer) => {
      urls.push(received.url ?? '');
      if (received.url?.includes('/auth/') === true) answer.writeHead(404).end();
      else
        answer.writeHead(received.headers['username'] === 'nacos' && received.headers['password'] === 'p w' ? 404 : 403).end('config data not exist');
    });
    expect(await connect({ server, username: 'nacos', password: 'p w' }).get('doc', 'LANE')).toBeUndefined();
    expect(urls.filter((url) => /username|password/.test(url))).toEqual([]);
  });
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

test('a listener that throws does not affect others', async () => {
  const key = newService();
  const log = new RecordingLog();
  const connection = connect({ log });
  connection.observe(key, () => {
    throw new Error('mine');
  });
  const received = observe(connection, key);
  await received.until(() => true);
  expect(await log.until(/listener/)).toMatch(/^error.*mine/);
});

test('it does not keep a process alive', async () => {
  const script = `
    const { connectNacos } = require('./index.js');
    const connection = connectNacos({ server: process.argv[1] });
    const key = { group: 'DEFAULT_GROUP', name: 'idle' };
    let left = 2;
    const one = () => --left === 0 && clearTimeout(busy);
    const busy = setTimeout(() => process.exit(3), 150000);
    connection.observe(key, one);
    connection.watch('idle', 'LANE', one);
    connection.register(key, { ip: '127.0.0.1', port: 1 });
  `;
  const child = spawn(process.execPath, ['-e', script, shared.address], { cwd: join(__dirname, '../dist'), stdio: 'inherit' });
  onTestFinished(() => void child.kill('SIGKILL'));
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('a command can wait for its requests', async () => {
  const script = `
    const { connectNacos } = require('./index.js');
    connectNacos({ server: process.argv[1], holdProcess: true }).check().then((result) => process.exit(result.ok ? 7 : 1));
  `;
  const child = spawn(process.execPath, ['-e', script, shared.address], { cwd: join(__dirname, '../dist'), stdio: 'inherit' });
  expect(await once(child, 'exit')).toEqual([7, null]);
});
