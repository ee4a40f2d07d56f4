/** Hostile input from strangers, web pages and broken clients: none of it crashes the server, and no page changes anything. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startEmbeddedNacos, type EmbeddedNacos } from '../dist/index.js';

let nacos: EmbeddedNacos;
beforeAll(async () => {
  nacos = await startEmbeddedNacos({ port: 0, beatCheckIntervalMs: 10 });
  return () => nacos.close();
});

/** Sends raw bytes; returns the first line of the answer, empty if the connection was closed without one. */
async function raw(bytes: string | Uint8Array): Promise<string> {
  const socket: Socket = connect(nacos.port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
  socket.on('error', () => {});
  socket.end(bytes);
  await once(socket, 'close');
  return answer.split('\r\n')[0] as string;
}

const request = (line: string, headers = '', body = ''): string =>
  `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

/** An uncaught exception also fails the run; this tells in which test. */
async function expectAlive(): Promise<void> {
  const answer = await fetch(`http://${nacos.address}/nacos/v1/ns/operator/metrics`);
  expect(await answer.json()).toMatchObject({ status: 'UP' });
}
afterEach(expectAlive);

describe('targets', () => {
  test.each([
    ['//', 200],
    ['///', 200],
    ['//x', 404],
    ['//[', 404],
    ['/\\', 404],
    ['/%', 404],
    ['/nacos/v1//', 404],
    ['http://', 200],
    ['http://[/nacos', 200],
    ['http://elsewhere.example/nacos/v1/ns/operator/metrics', 200],
    ['*', 404],
    ['/?%', 200],
    ['/nacos/v1/ns/instance/list?serviceName=%E0%A4%A', 200],
    ['/nacos/v1/constructor', 404],
  ])('GET %s is answered %i', async (target, status) => {
    expect(await raw(request(`GET ${target}`))).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });
});

describe('malformed requests', () => {
  const beatOf = (beat: unknown): string => request(`PUT /nacos/v1/ns/instance/beat?serviceName=s&beat=${encodeURIComponent(JSON.stringify(beat))}`);
  test.each<[string, unknown]>([
    ['null', null],
    ['a text', 'x'],
    ['metadata that has no text', { ip: '1.1.1.1', port: 1, metadata: { 'preserved.heart.beat.timeout': { toString: 1 } } }],
    ['metadata that is a number', { ip: '1.1.1.1', port: 1, metadata: 5 }],
    ['a cluster that is an object', { ip: '1.1.1.1', port: 1, cluster: { toString: 1 } }],
    ['a weight that is a text', { ip: '1.1.1.1', port: 1, weight: 'x' }],
    ['a port that is an array', { ip: '1.1.1.1', port: [1] }],
  ])('a beat that is %s', async (_what, beat) => {
    expect(await raw(beatOf(beat))).toMatch(/^HTTP\/1\.1 [245]/);
  });

  test('a body with more parameters than any call has, however short', async () => {
    const body = Array.from({ length: 300_000 }, (_, i) => i.toString(36)).join('&');
    expect(await raw(request('POST /nacos/v1/cs/configs', '', body))).toMatch(/^HTTP\/1\.1 413 /);
  });

  describe('waits for documents', () => {
    const listen = (count: number): string => {
      const body = `Listening-Configs=${Array.from({ length: count }, (_, i) => `${i.toString(36)}\x02g\x02\x01`).join('')}`;
      return request('POST /nacos/v1/cs/configs/listener', 'Long-Pulling-Timeout: 600000\r\n', body);
    };

    test('more of them than any client asks for', async () => {
      expect(await raw(listen(1_000_000))).toMatch(/^HTTP\/1\.1 413 /);
    });

    test('of many clients, beyond the limit: the longest wait ends with "no change"', async () => {
      const sockets = Array.from({ length: 11 }, () => connect(nacos.port, '127.0.0.1').on('error', () => {}));
      const answers: string[] = [];
      const answered = sockets.map((socket) => once(socket, 'data').then(([answer]) => answers.push(String(answer).split('\r\n')[0] as string)));
      for (const socket of sockets) socket.write(listen(9_999));
      await Promise.race(answered);
      await expectAlive();
      expect(answers).toEqual(['HTTP/1.1 200 OK']);
      for (const socket of sockets) socket.destroy();
    });
  });

  test('many slow bodies: the slowest is cut off, so that at most four are held; others are answered', async () => {
    const slow = Array.from({ length: 5 }, () => {
      const socket = connect(nacos.port, '127.0.0.1');
      socket.on('error', () => {});
      const gone = new Promise((resolve) => socket.once('close', resolve));
      const length = 16 * 1024 * 1024;
      socket.write(`POST /nacos/v1/cs/configs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${length}\r\n\r\n${' '.repeat(length - 1)}`);
      return { socket, gone };
    });
    await Promise.race(slow.map(({ gone }) => gone));
    await expectAlive();
    for (const { socket, gone } of slow) {
      socket.destroy();
      await gone;
    }
  });

  test('non-text metadata of a registration', async () => {
    const metadata = encodeURIComponent('{"a":{"toString":1}}');
    expect(await raw(request(`POST /nacos/v1/ns/instance?serviceName=odd&ip=1.1.1.1&port=1&metadata=${metadata}`))).toMatch(/ 200 /);
    const list = await fetch(`http://${nacos.address}/nacos/v1/ns/instance/list?serviceName=odd`);
    expect(await list.json()).toMatchObject({ hosts: [{ metadata: { a: '{"toString":1}' } }] });
  });

  test('a search with many stars is answered at once', async () => {
    const configs = `http://${nacos.address}/nacos/v1/cs/configs`;
    await fetch(configs, { method: 'POST', body: new URLSearchParams({ dataId: 'a'.repeat(5_000), group: 'g', content: 'x' }) });
    const found = await fetch(`${configs}?search=blur&group=&dataId=${encodeURIComponent(`${'*a'.repeat(200)}*b`)}`);
    expect(await found.json()).toMatchObject({ totalCount: 0 });
    const all = await fetch(`${configs}?search=blur&group=&dataId=${encodeURIComponent(`a*${'*a'.repeat(200)}`)}`);
    expect(await all.json()).toMatchObject({ totalCount: 1 });
  });

  test('a wait longer than any timer', async () => {
    const waiting = new AbortController();
    const asked = fetch(`http://${nacos.address}/nacos/v1/cs/configs/listener`, {
      method: 'POST',
      headers: { 'long-pulling-timeout': '1e300' },
      body: new URLSearchParams({ 'Listening-Configs': 'never\x02g\x02\x01' }),
      signal: waiting.signal,
    });
    asked.catch(() => {});
    await expectAlive();
    // A timer that overflowed would have answered by now: a later request has been served.
    expect(await Promise.race([asked.then(() => 'answered'), expectAlive().then(() => 'waiting')])).toBe('waiting');
    waiting.abort();
  });

  test.each(['', 'null', '7', '{"lastRefTime":{"toString":1}}', '{"lastRefTime":[null]}', '[[[', '\x1f\x8b\x08'])(
    'a packet %j to the port that pushes come from',
    async (packet) => {
      const client = createSocket('udp4');
      client.bind(0, '127.0.0.1');
      await once(client, 'listening');
      const service = `pushed-${Buffer.from(packet).toString('hex')}`;
      const url = `http://${nacos.address}/nacos/v1/ns/instance`;
      await fetch(`${url}/list?serviceName=${service}&udpPort=${client.address().port}`);
      const pushed = once(client, 'message');
      await fetch(`${url}?serviceName=${service}&ip=1.1.1.1&port=1`, { method: 'POST' });
      const [, { port, address }] = (await pushed) as [Buffer, { port: number; address: string }];
      await new Promise((resolve) => client.send(packet, port, address, resolve));
      // The answer proves that the packet was read: the same process got it earlier.
      expect((await fetch(`${url}/list?serviceName=${service}`)).status).toBe(200);
      client.close();
    },
  );
});

describe('any request', () => {
  const paths = fc.constantFrom(
    ...['ns/instance', 'ns/instance/list', 'ns/instance/beat', 'ns/service', 'ns/service/list', 'cs/configs', 'cs/configs/listener'],
    ...['cs/history', 'cs/history/configs', 'auth/login', 'console/namespaces', 'ns/operator/metrics', ''],
  );
  const names = fc.constantFrom(
    ...['serviceName', 'groupName', 'namespaceId', 'ip', 'port', 'weight', 'metadata', 'ephemeral', 'clusters', 'clusterName', 'udpPort', 'beat'],
    ...['dataId', 'group', 'tenant', 'content', 'type', 'search', 'pageNo', 'pageSize', 'nid', 'Listening-Configs', 'accessToken', 'healthyOnly'],
  );
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.constantFrom(
      '1',
      '-1',
      '65535',
      '1e999',
      'NaN',
      'a@@b',
      '@@',
      '*',
      'accurate',
      'blur',
      '\x01',
      '\x02\x02',
      '__proto__',
      '{"ip":"1.1.1.1","port":1}',
    ),
  );
  const methods = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH');

  test('made of the API’s own words in any order is answered', async () => {
    await fc.assert(
      fc.asyncProperty(methods, paths, fc.array(fc.tuple(names, texts), { maxLength: 8 }), fc.boolean(), async (method, path, pairs, inBody) => {
        const query = new URLSearchParams(pairs).toString();
        const waits = path === 'cs/configs/listener' ? 'long-pulling-timeout-no-hangup: true\r\n' : '';
        const target = `/nacos/v1/${path}${inBody ? '' : `?${query}`}`;
        expect(await raw(request(`${method} ${target}`, waits, inBody ? query : ''))).toMatch(/^HTTP\/1\.1 [2345]\d\d /);
      }),
      { numRuns: 300 },
    );
  });

  test('made of any bytes ends at most its own connection', async () => {
    const target = fc.string({ unit: 'binary-ascii', maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(target, fc.uint8Array({ maxLength: 60 }), async (line, body) => {
        await raw(Buffer.concat([Buffer.from(`GET /${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`), body]));
        await raw(Buffer.from(body));
      }),
      { numRuns: 150 },
    );
  });
});

describe('web pages', () => {
  const publish = (headers: string, host = '127.0.0.1'): Promise<string> =>
    raw(
      `POST /nacos/v1/cs/configs?dataId=page&group=g&content=theirs HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`,
    );
  const published = async (): Promise<boolean> => (await fetch(`http://${nacos.address}/nacos/v1/cs/configs?dataId=page&group=g`)).ok;

  test.each([
    ['of another origin', 'Origin: http://evil.example\r\n'],
    ['of another port of this machine', 'Origin: http://127.0.0.1:1\r\n'],
    ['of a file', 'Origin: null\r\n'],
    ['that says so itself', 'Sec-Fetch-Site: cross-site\r\n'],
    ['of the same site', 'Sec-Fetch-Site: same-site\r\n'],
  ])('a page %s publishes nothing', async (_what, headers) => {
    expect(await publish(headers)).toMatch(/ 403 /);
    expect(await published()).toBe(false);
  });

  test.each(['evil.example', 'evil.example:8848', '127.0.0.1.evil.example', 'evil.example.', 'a@127.0.0.1', ''])(
    'a page whose name %j was made to lead here publishes nothing',
    async (host) => {
      expect(await publish('', host)).toMatch(/ 403 /);
      expect(await published()).toBe(false);
    },
  );

  test.each(['127.0.0.1:8848', 'localhost', '[::1]:8848', '10.0.0.7', 'nacos:8848', 'nacos.shop.svc', 'nacos.shop.svc.cluster.local', 'Box.LOCAL'])(
    'a client that calls it %s is served',
    async (host) => {
      expect(await publish('', host)).toMatch(/ 200 /);
      await fetch(`http://${nacos.address}/nacos/v1/cs/configs?dataId=page&group=g`, { method: 'DELETE' });
    },
  );

  test('further names can be allowed', async () => {
    const own = await startEmbeddedNacos({ port: 0, allowedHosts: ['Nacos.Corp.Example'] });
    const socket = connect(own.port, '127.0.0.1');
    socket.write('GET /nacos/v1/ns/operator/metrics HTTP/1.1\r\nHost: nacos.corp.example:8848\r\nConnection: close\r\n\r\n');
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
    await own.close();
  });
});

describe('the address', () => {
  test('is loopback unless configured otherwise, which is logged in one line with the remedy', async () => {
    const lines: string[] = [];
    const log = (line: string): void => void lines.push(line);
    const own = await startEmbeddedNacos({ port: 0, log });
    expect(own.host).toBe('127.0.0.1');
    expect(lines).toEqual([]);
    await own.close();
    const open = await startEmbeddedNacos({ port: 0, host: '0.0.0.0', log });
    expect(lines).toEqual([expect.stringMatching(/^the embedded Nacos listens on 0\.0\.0\.0, .*no.*password.*127\.0\.0\.1$/)]);
    await open.close();
  });

  test('without a log, a process warning says so', async () => {
    const warned = once(process, 'warning');
    const open = await startEmbeddedNacos({ port: 0, host: '0.0.0.0' });
    expect(await warned).toMatchObject([{ code: 'ELANE_NACOS_EXPOSED' }]);
    await open.close();
  });
});

describe('at the end', () => {
  test('a due push is no longer sent', async () => {
    const own = await startEmbeddedNacos({ port: 0 });
    const client = createSocket('udp4');
    client.bind(0, '127.0.0.1');
    await once(client, 'listening');
    const url = `http://${own.address}/nacos/v1/ns/instance`;
    await fetch(`${url}/list?serviceName=s&udpPort=${client.address().port}`);
    const registered = fetch(`${url}?serviceName=s&ip=1.1.1.1&port=1`, { method: 'POST' }).catch(() => {});
    const told: unknown[] = [];
    client.on('message', (packet) => told.push(packet));
    await expect(own.close()).resolves.toBeUndefined();
    await registered;
    // Everything in flight has arrived once a packet of our own has.
    client.send('last', client.address().port, '127.0.0.1');
    await once(client, 'message');
    expect(told.map(String)).toEqual(['last']);
    client.close();
  });

  test('initial documents exist at the first request', async () => {
    const own = await startEmbeddedNacos({ port: 0, documents: [{ dataId: 'd', group: 'g', content: 'kept' }] });
    expect(await (await fetch(`http://${own.address}/nacos/v1/cs/configs?dataId=d&group=g`)).text()).toBe('kept');
    await own.close();
  });
});
