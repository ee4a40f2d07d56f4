/** What a proxy passes on besides heads and bodies, and what ends at it (RFC 9110, 6.5, 7.6.1, 9.3.7, 15.2), for clients of HTTP/1.1 and HTTP/2. */
import { once } from 'node:events';
import http, { type RequestListener } from 'node:http';
import http2, { type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Gateway } from '../index.js';
import { newService, startBackend, startReadyGateway, useNacos } from '../testing/support.js';

useNacos();

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly trailers?: Readonly<Record<string, string>>;
}
interface Answer {
  readonly status: unknown;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  /** Of informational answers: their status, and `link`. */
  readonly early: ReadonlyArray<[status: number, link: unknown]>;
}
type Ask = (gateway: Gateway, asked: Asked) => Promise<Answer>;

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

const overHttp1: Ask = async (gateway, { method = 'GET', path = '/', headers = {}, trailers }) => {
  const request = http.request({ host: '127.0.0.1', port: gateway.port, method, path, headers, agent: false });
  const early: Array<[number, unknown]> = [];
  request.on('information', ({ statusCode, headers }) => early.push([statusCode, headers['link']]));
  if (trailers !== undefined) {
    request.setHeader('trailer', Object.keys(trailers));
    request.write('body');
    request.addTrailers(trailers);
  }
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await textOf(response), trailers: response.trailers, early };
};

const overHttp2: Ask = async (gateway, { method = 'GET', path = '/', headers: given = {}, trailers }) => {
  const session = http2.connect(`http://127.0.0.1:${gateway.port}`);
  onTestFinished(() => session.destroy());
  const head: OutgoingHttpHeaders = { ...given, ':method': method, ':path': path };
  const stream = session.request(head, { endStream: trailers === undefined, waitForTrailers: trailers !== undefined });
  const early: Array<[number, unknown]> = [];
  let heard: IncomingHttpHeaders = {};
  stream.on('headers', (headers) => early.push([headers[':status'] as number, headers['link']]));
  stream.on('trailers', (came: IncomingHttpHeaders) => (heard = came));
  stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
  if (trailers !== undefined) stream.end('body');
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  const body = await textOf(stream);
  return { status: headers[':status'], headers, body, trailers: heard, early };
};

describe.each([
  ['HTTP/1.1', overHttp1],
  ['HTTP/2', overHttp2],
] as Array<[string, Ask]>)('over %s', (_, ask) => {
  async function answering(listener: RequestListener): Promise<Gateway> {
    const service = newService();
    await startBackend(service, 'base', { listener });
    return startReadyGateway({ routes: [{ host: '*', service }] });
  }

  test('trailers of a request arrive, except those for routing or framing', async () => {
    const gateway = await answering((request, response) => {
      request.resume().on('end', () => response.end(JSON.stringify(request.trailers)));
    });
    const { body } = await ask(gateway, { method: 'POST', trailers: { 'x-sum': '42', 'x-forwarded-for': '1.1.1.1', baggage: 'lane=gray' } });
    expect(JSON.parse(body)).toEqual({ 'x-sum': '42' });
  });

  test('trailers of an answer arrive', async () => {
    const gateway = await answering((_request, response) => {
      response.writeHead(200, { trailer: 'x-sum' }).write('body');
      response.addTrailers({ 'x-sum': '42', 'set-cookie': 'a=b' });
      response.end();
    });
    expect(await ask(gateway, {})).toMatchObject({ body: 'body', trailers: { 'x-sum': '42' } });
    expect((await ask(gateway, {})).trailers['set-cookie']).toBeUndefined();
  });

  test('103 arrives with its links, before the answer', async () => {
    const gateway = await answering((_request, response) => {
      response.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'] }, () => response.end('hinted'));
    });
    const { body, early } = await ask(gateway, {});
    expect(body).toBe('hinted');
    expect(early.map(([status, link]) => [status, String(link)])).toEqual([[103, '</a.css>; rel=preload, </b.js>; rel=preload']]);
  });

  test('OPTIONS * reaches the instance as such', async () => {
    const gateway = await answering((request, response) => response.end(`${request.method} ${request.url}`));
    expect((await ask(gateway, { method: 'OPTIONS', path: '*' })).body).toBe('OPTIONS *');
  });

  test.each([
    ['OPTIONS', '2', [200, 'OPTIONS 1']],
    ['OPTIONS', '0', [200, 'the request ends at the gateway (Max-Forwards: 0)\n']],
    ['TRACE', '3', [200, 'TRACE 2']],
    ['TRACE', '0', [405, 'the request ends at the gateway (Max-Forwards: 0)\n']],
    ['OPTIONS', 'many', [200, 'OPTIONS many']],
    ['GET', '0', [200, 'GET 0']],
  ] as const)('%s with Max-Forwards: %s', async (method, forwards, expected) => {
    const gateway = await answering((request, response) => response.end(`${request.method} ${request.headers['max-forwards']}`));
    const { status, body } = await ask(gateway, { method, headers: { 'max-forwards': forwards } });
    expect([status, body]).toEqual(expected);
  });

  test("headers named in an answer's Connection end here, except those that determine the answer", async () => {
    const gateway = await answering((_request, response) => {
      response.setHeader('connection', 'X-Hop, x-other , Content-Type, Set-Cookie, Vary');
      response.setHeader('keep-alive', 'timeout=9');
      for (const name of ['x-hop', 'x-other', 'x-kept', 'content-type', 'set-cookie', 'vary']) response.setHeader(name, 'a');
      response.end();
    });
    const { headers } = await ask(gateway, {});
    expect(headers).toMatchObject({ 'x-kept': 'a', 'content-type': 'a', 'set-cookie': ['a'], vary: 'a' });
    expect(Object.keys(headers).filter((name) => name === 'x-hop' || name === 'x-other')).toEqual([]);
    expect(headers['keep-alive']).not.toBe('timeout=9');
  });
});
