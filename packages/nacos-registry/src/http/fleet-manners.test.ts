/** What a fleet of agents must not do to a Nacos: each asks in its own time, once, and over few connections. */
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { SILENT_LOG } from '@lane/core/model';
import { closing, eventually, listen } from '@lane/testing';
import { connectNacos } from '../../dist/index.js';
import { HttpNaming } from './http-naming.js';
import type { NacosAnswer, NacosCall, NacosHttp } from './nacos-http.js';

const SERVICES = Array.from({ length: 20 }, (_, i) => ({ name: `s${i}`, group: 'G' }));

describe('an agent that calls twenty services', () => {
  afterEach(() => vi.useRealTimers());

  /** Naming on a server that answers at once, and what it is asked. */
  function naming(): { naming: HttpNaming; asked: string[] } {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    // Evenly spread, as chance does it only most of the time.
    let draws = 0;
    const random = vi.spyOn(Math, 'random').mockImplementation(() => (draws++ % SERVICES.length) / SERVICES.length);
    onTestFinished(() => random.mockRestore());
    const asked: string[] = [];
    const request = async (call: NacosCall): Promise<NacosAnswer> => {
      asked.push(`${call.method} ${call.path} ${call.query?.['serviceName'] ?? ''}`);
      return { status: 200, headers: {}, body: '{"hosts":[],"cacheMillis":10000,"clientBeatInterval":5000}', excerpt: () => '' };
    };
    const http = { request, localAddress: '127.0.0.1', label: 'x', host: 'x', port: 1, hosts: [] } as unknown as NacosHttp;
    const made = new HttpNaming({ http, namespace: 'public', log: SILENT_LOG, udpPush: false });
    onTestFinished(() => made.close());
    for (const key of SERVICES) made.subscribe(key, () => {});
    return { naming: made, asked };
  }

  test('asks for each in the server’s interval or a little sooner, and not for all at the same moment', async () => {
    const { asked } = naming();
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toHaveLength(20);
    asked.length = 0;
    await vi.advanceTimersByTimeAsync(7_999);
    expect(asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_001);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.length).toBeLessThan(20);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(new Set(asked).size).toBe(20);
  });

  test('asks again and sends heartbeats within three seconds after an outage, and not at its end, when all agents would', async () => {
    const { naming: made, asked } = naming();
    await made.register(SERVICES[0] as (typeof SERVICES)[number], { ip: '127.0.0.1', port: 1 });
    await vi.advanceTimersByTimeAsync(0);
    asked.length = 0;
    made.recovered();
    await vi.advanceTimersByTimeAsync(1);
    expect(asked.length).toBeLessThan(5);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(new Set(asked.filter((one) => one.includes('/instance/list'))).size).toBe(20);
    expect(asked.some((one) => one.includes('/instance/beat'))).toBe(true);
  });
});

test('a connection asks for each list once at the start, and keeps two connections open', async () => {
  const open = new Set<Socket>();
  const asked = new Map<string, number>();
  const server = createServer((request, response) => {
    const url = new URL(request.url as string, 'http://x');
    // What waits for changes of documents, waits.
    if (url.pathname.endsWith('/listener')) return;
    const name = url.searchParams.get('serviceName');
    if (name !== null) asked.set(name, (asked.get(name) ?? 0) + 1);
    response.statusCode = name === null ? 404 : 200;
    response.end(name === null ? 'config data not exist' : '{"hosts":[],"cacheMillis":60000}');
  });
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  // Longer than the test: the connection that is kept open must not be closed from here.
  server.keepAliveTimeout = 60_000;
  const port = await listen(server);
  onTestFinished(() => server.close().closeAllConnections());
  const connection = closing(connectNacos({ server: `127.0.0.1:${port}` }));
  let told = 0;
  for (const key of SERVICES) connection.observe(key, () => told++);
  connection.watch('d', 'g', () => {});
  await eventually(() => expect(told).toBe(20));
  await eventually(() => expect(open.size).toBe(2));
  expect([...asked.values()]).toEqual(SERVICES.map(() => 1));
});
