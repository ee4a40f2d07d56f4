'use strict';
// A library beside the agent that answers calls instead of their servers, or forwards requests. Awaits each request's body, unless it is
// forwarded, and calls the requested URL in the requested form.

const http = require('node:http');

/** The request that a mock has seen. */
const seen = (headers) => JSON.stringify({ name: 'mock', baggage: headers.baggage === undefined ? [] : [headers.baggage].flat() });

/** Ordinary calls, which the libraries started here intercept. */
const calls = {
  http: (url) =>
    new Promise((resolve, reject) => {
      http
        .get(url, (answer) => {
          let body = '';
          answer.on('data', (chunk) => (body += chunk));
          answer.on('end', () => resolve(body));
        })
        .on('error', reject);
    }),
  fetch: async (url) => (await fetch(url)).text(),
};

const LIBRARIES = {
  nock: () => {
    const nock = require('nock');
    for (const origin of ['http://mocked.internal', 'http://shop-a']) {
      // Otherwise it rejects calls without a prepared answer.
      nock(origin, { allowUnmocked: true })
        .persist()
        .get('/mocked')
        .reply(200, function answer() {
          return seen(this.req.headers);
        });
    }
    return calls;
  },
  msw: () => {
    const { http: mocked, HttpResponse } = require('msw');
    const { setupServer } = require('msw/node');
    const answer = ({ request }) => new HttpResponse(seen(Object.fromEntries(request.headers)));
    const handlers = ['http://mocked.internal', 'http://shop-a'].map((origin) => mocked.get(`${origin}/mocked`, answer));
    setupServer(...handlers).listen({ onUnhandledRequest: 'bypass' });
    return calls;
  },
  mitm: () => {
    const mitm = require('mitm')();
    mitm.on('connect', (socket, { host }) => {
      if (host !== 'mocked.internal') socket.bypass();
    });
    mitm.on('request', (request, response) => response.end(seen(request.headers)));
    return { http: calls.http };
  },
  'http-proxy': () => {
    const proxy = require('http-proxy').createProxyServer();
    proxy.on('error', (error, _, response) => response.writeHead(502).end(error.message));
    const pass = (options) => (url, request, response) => proxy.web(request, response, { target: url, ignorePath: true, ...options });
    return {
      'as it came': pass({}),
      'host of the target': pass({ changeOrigin: true }),
      'kept alive': pass({ agent: new http.Agent({ keepAlive: true, maxSockets: 2 }) }),
    };
  },
};

const ways = LIBRARIES[process.argv[2]]();
const server = http.createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://host');
  if (pathname === '/ways') return void response.end(JSON.stringify(Object.keys(ways)));
  process.send({ kind: 'request' });
  const way = ways[searchParams.get('way')];
  // Forwarded bodies are streamed.
  if (way.length === 3) return void way(searchParams.get('url'), request, response);
  for await (const chunk of request) void chunk;
  try {
    response.end(await way(searchParams.get('url')));
  } catch (error) {
    response.writeHead(502).end(String(error?.stack ?? error));
  }
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
