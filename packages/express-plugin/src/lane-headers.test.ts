// Handlers here never reject.
// oxlint-disable oxc/no-async-endpoint-handlers
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { enterContext, laneContext, runInLane } from '@lane/core/model';
import express from 'express';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lane, laneHeaders, type HeadersLike } from './index.js';

/** The list of MSE 4, in baggage. */
const MSE_LIST = '__microservice_tag__=[{%22name%22:%22gray%22%2C%22tag%22:%22gray%22%2C%22priority%22:-1}]';

beforeEach(() => void lane());

const gray = (headers?: HeadersLike): Record<string, string> => runInLane('gray', () => laneHeaders(headers));
const base = (headers?: HeadersLike): Record<string, string> => enterContext(laneContext(undefined), () => laneHeaders(headers), undefined, []);

const ask = async (url: string, baggage?: string): Promise<unknown> =>
  (await fetch(url, baggage === undefined ? {} : { headers: { baggage } })).json();

describe('in a lane', () => {
  test.each<[what: string, headers: HeadersLike | undefined, merged: Record<string, string>]>([
    ['nothing', undefined, { baggage: 'lane=gray' }],
    ['other headers', { accept: '*/*' }, { accept: '*/*', baggage: 'lane=gray' }],
    ['a baggage of the app', { baggage: 'user=42' }, { baggage: 'lane=gray,user=42' }],
    ['another tag in it', { baggage: 'lane=blue,user=42' }, { baggage: 'lane=gray,user=42' }],
    ['another spelling, which is kept', { Baggage: 'user=42' }, { Baggage: 'lane=gray,user=42' }],
    ['two spellings, which become one', { Baggage: 'user=42', BAGGAGE: 'city=x' }, { Baggage: 'lane=gray,user=42, city=x' }],
    ['several lines', { baggage: ['user=42', 'lane=blue'] }, { baggage: 'lane=gray,user=42' }],
    ['Headers', new Headers({ 'X-A': '1', baggage: 'user=42' }), { 'x-a': '1', baggage: 'lane=gray,user=42' }],
    [
      'pairs',
      [
        ['X-A', '1'],
        ['x-a', '2'],
        ['baggage', 'user=42'],
      ],
      { 'X-A': '1, 2', baggage: 'lane=gray,user=42' },
    ],
    ['a map', new Map([['x-a', '1']]), { 'x-a': '1', baggage: 'lane=gray' }],
    [
      'values that are no text',
      { 'content-length': 0, 'x-a': undefined, 'x-b': null, 'x-c': true, cookie: ['a=1', 'b=2'] },
      { 'content-length': '0', 'x-c': 'true', cookie: 'a=1; b=2', baggage: 'lane=gray' },
    ],
  ])('%s', (_, headers, merged) => {
    const before = JSON.stringify(headers);
    expect(gray(headers)).toEqual(merged);
    expect(JSON.stringify(headers)).toBe(before);
  });

  test('uses the formats of the latest lane()', () => {
    lane({ formats: ['mse', 'asm'] });
    expect(gray({ 'X-Mse-Tag': 'blue', baggage: 'user=42' })).toEqual({
      'X-Mse-Tag': 'gray',
      baggage: `${MSE_LIST},x-mse-gray-tag=gray,user=42`,
      'x-asm-prefer-tag': 'gray',
    });
    lane({ formats: ['dubbo'] });
    expect(gray({ baggage: 'lane=blue' })).toEqual({ baggage: 'lane=blue', 'dubbo.tag': 'gray' });
    lane({ baggageKey: 'canary' });
    expect(gray()).toEqual({ baggage: 'canary=gray' });
  });

  test('writing is idempotent', () => {
    expect(gray(gray({ baggage: 'user=42' }))).toEqual({ baggage: 'lane=gray,user=42' });
  });
});

test('headers are unchanged outside any lane', () => {
  expect(laneHeaders()).toEqual({});
  expect(laneHeaders({ Baggage: 'lane=gray' })).toEqual({ Baggage: 'lane=gray' });
});

test('in an explicit base request, removes what the app copied from the inbound request', () => {
  lane({ formats: ['baggage', 'mse'] });
  expect(base({ Baggage: 'lane=gray,user=42,x-mse-gray-tag=gray', 'X-MSE-Tag': 'gray', accept: '*/*' })).toEqual({
    Baggage: 'user=42',
    accept: '*/*',
  });
  expect(base({ baggage: 'lane=gray' })).toEqual({});
  expect(base()).toEqual({});
});

test.each([['baggage'], [['a', 'b']], [[['a', 'b', 'c']]], [[[1, 2]]], [42], [null]])(
  '%j is rejected with a message on what is accepted',
  (headers) => {
    expect(() => laneHeaders(headers as never)).toThrow(
      expect.objectContaining({
        code: 'ELANE_INVALID_HEADERS',
        message: expect.stringContaining('Headers, pairs of name and value, or an object') as string,
      }),
    );
  },
);

describe('from one app to the next', () => {
  const servers: http.Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  async function serve(handler: http.RequestListener): Promise<string> {
    const server = http.createServer(handler).listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(server);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test('two apps with different formats in one process each write their own', async () => {
    const apps = ([['baggage'], ['mse', 'dubbo']] as const).map((formats) => {
      const own = lane({ formats, formatsIn: ['baggage'] });
      const { laneHeaders: ownHeaders } = own;
      return express()
        .use(own)
        .get('/', (_request, response) => void response.json(ownHeaders({ accept: '*/*' })));
    });
    const [first, second] = await Promise.all(apps.map((app) => serve(app)));
    const told = await Promise.all([first, second, first].map((url) => ask(url as string, 'lane=gray')));
    const inBaggage = { accept: '*/*', baggage: 'lane=gray' };
    expect(told).toEqual([
      inBaggage,
      { accept: '*/*', baggage: `${MSE_LIST},x-mse-gray-tag=gray`, 'x-mse-tag': 'gray', 'dubbo.tag': 'gray' },
      inBaggage,
    ]);
  });

  test('by fetch, with an untrusted tag held back though the app copies it', async () => {
    const peer = await serve((request, response) => response.end(JSON.stringify(request.headers.baggage ?? null)));
    const forward: express.RequestHandler = async (request, response) => {
      const { baggage } = request.headers;
      response.send(await (await fetch(peer, { headers: laneHeaders({ accept: '*/*', baggage }) })).text());
    };
    const believing = await serve(express().use(lane()).get('/', forward));
    const doubting = await serve(
      express()
        .use(lane({ trust: 'none' }))
        .get('/', forward),
    );

    const tags = ['gray', undefined, 'blue', 'gray', undefined, 'blue'];
    expect(await Promise.all(tags.map((tag) => ask(believing, tag === undefined ? 'user=42' : `user=42,lane=${tag}`)))).toEqual(
      tags.map((tag) => (tag === undefined ? 'user=42' : `lane=${tag},user=42`)),
    );
    expect(await ask(believing)).toBe(null);
    expect(await ask(doubting, 'user=42,lane=gray')).toBe('user=42');
    expect(await ask(doubting, 'lane=gray')).toBe(null);
  });
});
