/** LANE_LOSSLESS: an app is registered once it can serve, and gets SIGTERM once nobody calls it any more; all else is as without. */
import { once } from 'node:events';
import http from 'node:http';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection, type NacosInstance } from '@lane/nacos-registry';
import { eventually, freePort, listen } from '@lane/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { send, startApp, type App } from './run-app.js';

let nacos: EmbeddedNacos;
let connection: NacosConnection;
let proxy: http.Server;
let proxyAddress: string;
/** Calls to Nacos, as method and service. */
const calls: string[] = [];

beforeAll(async () => {
  nacos = await startEmbeddedNacos({ port: 0 });
  connection = connectNacos({ server: nacos.address });
  const [host, port] = nacos.address.split(':') as [string, string];
  proxy = http.createServer((request, response) => {
    const url = new URL(request.url as string, 'http://nacos');
    if (url.pathname.endsWith('/ns/instance')) calls.push(`${request.method} ${url.searchParams.get('serviceName')?.split('@@')[1]}`);
    // On a connection of its own: Nacos may close a kept one just as it is used.
    const asked = http.request({ host, port, path: request.url, method: request.method, headers: request.headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode as number, answer.headers);
      answer.pipe(response);
    });
    asked.on('error', () => response.destroy());
    request.pipe(asked);
  });
  proxyAddress = `127.0.0.1:${await listen(proxy)}`;
});
afterAll(async () => {
  await connection?.close();
  proxy?.close();
  proxy?.closeAllConnections();
  await nacos?.close();
});

let count = 0;

describe.each(nodeVersions())('$name', ({ path: node }) => {
  const start = async (life: string, env: Record<string, string> = {}): Promise<{ app: App; service: string; ended: Promise<unknown[]> }> => {
    const service = `lossless-${++count}`;
    const app = await startApp({
      node,
      script: 'lossless.cjs',
      args: [life],
      env: { NACOS: proxyAddress, SERVICE: service, LANE_LOSSLESS: 'on', ...env },
      says: [/lane warn: .*is not registered yet/, /lane warn: this stop may lose requests/],
    });
    // By 'close' all that it logged has been read.
    return { app, service, ended: once(app.child, 'close') };
  };
  const instancesOf = (name: string): Promise<readonly NacosInstance[]> => connection.list({ name, group: 'DEFAULT_GROUP' });
  const isListed = (name: string): Promise<void> => eventually(async () => expect(await instancesOf(name)).toHaveLength(1));
  const isGone = (name: string): Promise<void> => eventually(async () => expect(await instancesOf(name)).toEqual([]));

  test('an app gets SIGTERM once it is deregistered and its requests in flight are answered, and exits with its own code', async () => {
    const { app, service, ended } = await start('has a handler');
    await isListed(service);
    const answered = send(app.port, '/slow');
    await app.heard('slow', 1);
    const order: string[] = [];
    void answered.then(() => order.push('answered'));
    const heard = app.heard('SIGTERM', 1).then(() => order.push('SIGTERM'));
    app.child.kill('SIGTERM');
    await heard;
    expect(await instancesOf(service)).toEqual([]);
    expect(await answered).toMatchObject({ status: 200, body: 'answered', headers: { connection: 'close' } });
    expect(order).toEqual(['answered', 'SIGTERM']);
    expect(await ended).toEqual([7, null]);
  });

  test.each(['has no handler', 'removes all listeners'])('an app that %s is deregistered, and the signal ends it', async (life) => {
    const { app, service, ended } = await start(life);
    await isListed(service);
    app.child.kill('SIGTERM');
    expect(await ended).toEqual([null, 'SIGTERM']);
    expect(await instancesOf(service)).toEqual([]);
  });

  test('an app that counts listeners counts only its own', async () => {
    const { app, ended } = await start('counts listeners');
    app.child.kill('SIGTERM');
    expect(await ended).toEqual([8, null]);
  });

  test('an exception in its handler ends the app like any exception', async () => {
    const { app, ended } = await start('throws in its handler');
    app.child.kill('SIGTERM');
    expect(await ended).toEqual([1, null]);
    expect(app.stderr()).toMatch(/Error: of the app/);
    expect(app.stderr()).not.toMatch(/unhandled/i);
  });

  test('an app that deregisters itself is not deregistered twice', async () => {
    const { app, service, ended } = await start('deregisters itself');
    await isListed(service);
    app.child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(calls.filter((call) => call === `DELETE ${service}`)).toHaveLength(1);
  });

  test('an app that has registered nothing gets the signal at once', async () => {
    const { app } = await start('registers nothing', { SLOW_MS: '600000' });
    let isAnswered = false;
    const answered = send(app.port, '/slow').then(
      () => (isAnswered = true),
      () => {},
    );
    await app.heard('slow', 1);
    app.child.kill('SIGTERM');
    await app.heard('SIGTERM', 1);
    expect(isAnswered).toBe(false);
    app.child.kill('SIGKILL');
    await answered;
  });

  test('a second SIGTERM ends the wait, and the app gets both', async () => {
    const { app, service } = await start('ignores it', { SLOW_MS: '600000' });
    await isListed(service);
    send(app.port, '/slow').catch(() => {});
    await app.heard('slow', 1);
    app.child.kill('SIGTERM');
    await isGone(service);
    app.child.kill('SIGTERM');
    await app.heard('SIGTERM', 2);
    expect(await instancesOf(service)).toEqual([]);
    // From now on only the app handles it.
    app.child.kill('SIGTERM');
    await app.heard('SIGTERM', 1);
    app.child.kill('SIGKILL');
  });

  test('waits for requests that do not end as long as LANE_LOSSLESS says', async () => {
    const { app, service } = await start('ignores it', { SLOW_MS: '600000', LANE_LOSSLESS: '4s' });
    app.child.stderr?.resume();
    await isListed(service);
    send(app.port, '/slow').catch(() => {});
    await app.heard('slow', 1);
    app.child.kill('SIGTERM');
    await app.heard('SIGTERM', 1);
    await eventually(() => expect(app.stderr()).toMatch(/1 requests are in flight at the deadline of 4 s: raise LANE_LOSSLESS/));
    app.child.kill('SIGKILL');
  });

  test('an app that exits by itself during the wait exits', async () => {
    const { app, service, ended } = await start('has a handler', { SLOW_MS: '600000' });
    await isListed(service);
    send(app.port, '/slow').catch(() => {});
    await app.heard('slow', 1);
    app.child.kill('SIGTERM');
    await isGone(service);
    send(app.port, '/exit').catch(() => {});
    expect(await ended).toEqual([3, null]);
  });

  test('an app that registers before it listens gets a warning, and is registered once it listens', async () => {
    const port = await freePort();
    const { app, service } = await start('registers before it listens', { PORT: String(port) });
    await app.heard('registered', 1);
    expect(await instancesOf(service)).toEqual([]);
    app.child.send('listen');
    await isListed(service);
    app.child.kill('SIGKILL');
  });

  test('LANE_READY_PATH holds the registration until it answers 2xx', async () => {
    const { app, service } = await start('has a handler', { LANE_READY_PATH: '/ready' });
    await app.heard('registered', 1);
    expect(await instancesOf(service)).toEqual([]);
    await send(app.port, '/be-ready');
    await isListed(service);
    app.child.kill('SIGKILL');
  });

  test('LANE_READY_PATH is requested over TLS if the app speaks TLS', async () => {
    const { app, service } = await start('speaks TLS', { LANE_READY_PATH: '/ready' });
    await app.heard('registered', 1);
    expect(await instancesOf(service)).toEqual([]);
    app.child.send('be ready');
    await isListed(service);
    app.child.kill('SIGKILL');
  });

  test('a registration that the app withdraws before it is ready is never sent', async () => {
    const { app, service } = await start('takes it back', { LANE_READY_PATH: '/ready' });
    await send(app.port, '/be-ready');
    await isListed(`${service}-2`);
    expect(calls).not.toContain(`POST ${service}`);
    app.child.kill('SIGKILL');
  });

  test('LANE_WARMUP tells callers when the weight began to rise, and for how long it will', async () => {
    const { app, service } = await start('has a handler', { LANE_LOSSLESS: 'off', LANE_WARMUP: '2m' });
    await isListed(service);
    const [instance] = await instancesOf(service);
    expect(instance?.metadata).toEqual({
      'sermant.grace.warmup.time': '120',
      'sermant.grace.warmup.inject.time': expect.stringMatching(/^\d{13}$/),
    });
    app.child.kill('SIGKILL');
  });
});
