'use strict';
// One way into each trap that caught other tools: a handler reads its late body with events, then calls the peer in that way.

const http = require('node:http');
const http2 = require('node:http2');
const { subscribe } = require('node:diagnostics_channel');

const PEER = process.env.PEER;
const { hostname: host, port } = new URL(PEER);
const OWN = 'own=1';

/** All lines of baggage that a request carried, as the peer saw them. */
function lines(request) {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve(JSON.parse(body).baggage));
    });
  });
}
function ended(request) {
  const answered = lines(request);
  request.end();
  return answered;
}

/** Resolves once this many calls have arrived. */
function gathering(count) {
  const here = [];
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  return async (mine) => {
    const index = here.push(mine) - 1;
    if (here.length === count) open();
    await gate;
    return { index, here };
  };
}
const gather = gathering(51);

const undici = require('undici7');
const pool = new undici.Pool(new URL(PEER).origin, { connections: 1, pipelining: 1 });
const composed = new undici.Agent().compose(
  (dispatch) => (options, handler) => dispatch({ ...options, headers: { ...options.headers, baggage: OWN } }, handler),
);
const throughUndici = async (dispatcher, path = '/') => {
  const { body } = await undici.request(new URL(path, PEER), { dispatcher });
  return (await body.json()).baggage;
};
const axios = require('axios').create();
axios.interceptors.request.use((config) => {
  config.headers.set('baggage', OWN);
  return config;
});
subscribe('undici:request:create', ({ request }) => {
  if (request.path === '/added') request.addHeader('baggage', OWN);
});
const queueing = new http.Agent({ keepAlive: true, maxSockets: 2 });

const WAYS = {
  'late body': () => ended(http.request(PEER)),
  'queueing http.Agent': () => ended(http.request(PEER, { agent: queueing })),
  'queueing undici Pool': () => throughUndici(pool),
  'created in one lane, ended in another': async () => {
    const request = http.request(PEER);
    const answered = lines(request);
    const { index, here } = await gather(request);
    // Those of a later request, in another lane.
    here[(index + 1) % here.length].end();
    return answered;
  },
  'array headers': () => ended(http.request({ host, port, headers: ['host', `${host}:${port}`, 'baggage', OWN] })),
  'array headers in pairs': () =>
    ended(
      http.request({
        host,
        port,
        headers: [
          ['host', `${host}:${port}`],
          ['baggage', OWN],
        ],
      }),
    ),
  'Expect: 100-continue': () => {
    const request = http.request(PEER, { method: 'POST', headers: { expect: '100-continue', baggage: OWN } });
    const answered = lines(request);
    request.on('continue', () => request.end('body'));
    request.flushHeaders();
    return answered;
  },
  'baggage set before': () => ended(http.request(PEER, { headers: { baggage: OWN } })),
  'baggage set after': () => {
    const request = http.request(PEER);
    const answered = lines(request);
    request.setHeader('baggage', OWN);
    request.end();
    return answered;
  },
  "baggage set in an interceptor of undici's": () => throughUndici(composed),
  "baggage set in an interceptor of axios'": async () => (await axios.get(PEER)).data.baggage,
  'baggage added in undici:request:create': () => throughUndici(undefined, '/added'),
  'baggage added in undici:request:create, fetch': async () => (await (await fetch(new URL('/added', PEER))).json()).baggage,
  'a URL in a request to a forward proxy': () =>
    ended(http.request({ host, port, path: 'http://shop-b.internal/', setHost: false, headers: { host: 'shop-b.internal' } })),
  'request captured before the agent': () => ended(globalThis.captured.request(PEER)),
};

function serve(request, response, way) {
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', async () => {
    try {
      response.end(JSON.stringify(await WAYS[way]()));
    } catch (error) {
      response.end(JSON.stringify([String(error?.stack ?? error)]));
    }
  });
}

const way = process.argv[2];
const server = http.createServer((request, response) => {
  process.send({ kind: 'request' });
  serve(request, response, way);
});
// The same with http2 streams, on their own port.
const second = http2.createServer();
second.on('stream', (stream) => {
  process.send({ kind: 'request' });
  stream.respond();
  serve(stream, stream, way);
});
server.listen(0, '127.0.0.1', () => {
  second.listen(0, '127.0.0.1', () => process.send({ port: server.address().port, ports: { http2: second.address().port } }));
});
