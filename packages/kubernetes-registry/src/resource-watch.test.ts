/** What the API server may do to a watch, with a fake server: we cannot make a real one do these things. */
import http from 'node:http';
import { listen } from '@lane/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KubernetesApi } from './kubernetes-api.js';
import { watchResources } from './resource-watch.js';

interface Thing {
  readonly metadata: { readonly name: string; readonly resourceVersion?: string };
}

let server: http.Server;
let api: KubernetesApi;
let ending: AbortController;
let asked: URLSearchParams[];
/** What was reported, in order. */
let told: string[];
let wake: () => void;
let answer: (query: URLSearchParams, response: http.ServerResponse) => void;

beforeEach(async () => {
  asked = [];
  told = [];
  wake = () => {};
  ending = new AbortController();
  server = http.createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://kubernetes');
    asked.push(searchParams);
    answer(searchParams, response);
  });
  api = new KubernetesApi({ server: `http://127.0.0.1:${await listen(server)}` });
});
afterEach(() => {
  ending.abort();
  api.close();
  server.closeAllConnections();
  server.close();
});

const note = (what: string): void => {
  told.push(what);
  wake();
};

/** Watches until this many things have been reported. */
async function watchUntil(count: number): Promise<void> {
  void watchResources<Thing>(
    api,
    { path: '/things', query: { labelSelector: 'a=b' } },
    {
      onAll: (all) => note(`all: ${all.map(({ metadata }) => metadata.name).join(',')}`),
      onChange: (type, { metadata }) => note(`${type} ${metadata.name}`),
      onRenewed: () => note('renewed'),
      onTrouble: ({ status }) => note(`trouble ${status}`),
      onAnswer: () => {},
    },
    ending.signal,
  );
  while (told.length < count) await new Promise<void>((resolve) => (wake = resolve));
}

const list = (response: http.ServerResponse, version: string, ...names: string[]): void => {
  response.end(JSON.stringify({ metadata: { resourceVersion: version }, items: names.map((name) => ({ metadata: { name } })) }));
};
const event = (response: http.ServerResponse, type: string, object: object): void => void response.write(`${JSON.stringify({ type, object })}\n`);
const thing = (name: string, resourceVersion: string): Thing => ({ metadata: { name, resourceVersion } });
const isWatch = (query: URLSearchParams): boolean => query.get('watch') === '1';

test('lists everything, then watches changes from there, with split events', async () => {
  answer = (query, response) => {
    if (!isWatch(query)) return list(response, '5', 'x');
    const text = JSON.stringify({ type: 'ADDED', object: thing('ü', '6') });
    const bytes = Buffer.from(`${text}\n`);
    response.write(bytes.subarray(0, bytes.indexOf(0xbc)));
    setImmediate(() => response.write(bytes.subarray(bytes.indexOf(0xbc))));
  };
  await watchUntil(2);
  expect(told).toEqual(['all: x', 'ADDED ü']);
  expect(asked[0]?.get('resourceVersion')).toBe('0');
  expect(Object.fromEntries(asked[1] as URLSearchParams)).toMatchObject({ labelSelector: 'a=b', resourceVersion: '5', allowWatchBookmarks: 'true' });
  const seconds = Number(asked[1]?.get('timeoutSeconds'));
  expect(seconds).toBeGreaterThanOrEqual(300);
  expect(seconds).toBeLessThanOrEqual(600);
});

test('a watch that ends continues from its position, including bookmarks, without a list', async () => {
  let watches = 0;
  answer = (query, response) => {
    if (!isWatch(query)) return list(response, '5');
    if (++watches > 1) return event(response, 'MODIFIED', thing('y', '10'));
    event(response, 'ADDED', thing('x', '6'));
    event(response, 'BOOKMARK', { metadata: { resourceVersion: '9' } });
    response.end();
  };
  await watchUntil(4);
  expect(told).toEqual(['all: ', 'ADDED x', 'renewed', 'MODIFIED y']);
  expect(asked[2]?.get('resourceVersion')).toBe('9');
});

test.each(['as an event', 'as an answer'])('after the server has forgotten the position (410, %s), lists again, bypassing its cache', async (how) => {
  let lists = 0;
  answer = (query, response) => {
    if (!isWatch(query)) return list(response, String(++lists), `list-${lists}`);
    if (lists > 1) return response.flushHeaders();
    if (how === 'as an event') {
      event(response, 'ERROR', { kind: 'Status', code: 410, message: 'too old resource version' });
      response.end();
    } else response.writeHead(410).end('{}');
  };
  await watchUntil(2);
  expect(told).toEqual(['all: list-1', 'all: list-2']);
  expect(asked.filter((query) => !isWatch(query)).map((query) => query.get('resourceVersion'))).toEqual(['0', null]);
});

test('reports a broken connection, and continues the watch', async () => {
  let watches = 0;
  answer = (query, response) => {
    if (!isWatch(query)) return list(response, '5');
    if (++watches === 1) {
      event(response, 'ADDED', thing('x', '6'));
      setImmediate(() => response.destroy());
    } else event(response, 'DELETED', thing('x', '7'));
  };
  await watchUntil(4);
  expect(told).toEqual(['all: ', 'ADDED x', 'trouble 0', 'DELETED x']);
  expect(asked[2]?.get('resourceVersion')).toBe('6');
});

test('reports a refusal, and retries', async () => {
  let lists = 0;
  answer = (query, response) => {
    if (isWatch(query)) return response.flushHeaders();
    if (++lists === 1) response.writeHead(403).end('{"message":"no"}');
    else list(response, '5', 'x');
  };
  await watchUntil(2);
  expect(told).toEqual(['trouble 403', 'all: x']);
});
