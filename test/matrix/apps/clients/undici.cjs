'use strict';
const { Readable } = require('node:stream');
const { text } = require('node:stream/consumers');
const http = require('node:http');
const { connect } = require('node:net');

/** The forms of undici, for any version of it. */
module.exports = function formsOf(undici) {
  const schemes = ['http', 'https'];
  const pools = new Map();
  /** A dispatcher for each origin and kind. */
  function dispatcherOf(kind, url, make) {
    const { origin } = new URL(url);
    const id = `${kind} ${origin}`;
    if (!pools.has(id)) pools.set(id, make(origin));
    return pools.get(id);
  }
  const pathOf = (url) => new URL(url).pathname + new URL(url).search;
  const through = (kind, make) => ({
    schemes,
    async call(url, headers) {
      const { body } = await dispatcherOf(kind, url, make).request({ path: pathOf(url), method: 'GET', headers });
      return body.text();
    },
  });
  /** Passes the dispatcher to a request, which has its own origin. */
  const given = (kind, make, origin) => ({
    schemes,
    async call(url, headers) {
      const dispatcher = dispatcherOf(kind, url, make);
      const asked = new URL(pathOf(url), origin ?? url);
      return (await undici.request(asked, { headers, dispatcher })).body.text();
    },
  });
  class Own extends undici.Dispatcher {
    constructor(inner) {
      super();
      this.inner = inner;
    }
    dispatch(options, handler) {
      return this.inner.dispatch(options, handler);
    }
  }
  const agent = new undici.Agent({ connections: 1 });

  /** A forward proxy: tunnels, and forwards what undici 8 sends it without a tunnel. */
  const proxy = http.createServer((request, response) => {
    const passed = http.request(request.url, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(passed);
  });
  proxy.on('connect', (request, socket, head) => {
    const [, host, port] = /^(.*):(\d+)$/.exec(request.url);
    const to = connect(port, host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      to.write(head);
      to.pipe(socket).pipe(to);
    });
    to.on('error', () => socket.destroy());
    socket.on('error', () => to.destroy());
  });
  let proxied;
  const proxyAgent = () =>
    (proxied ??= new Promise((resolve) => {
      proxy.listen(0, '127.0.0.1', () => resolve(new undici.ProxyAgent(`http://127.0.0.1:${proxy.address().port}`)));
      proxy.unref();
    }));

  /** What the mock of an app's test receives, reported as by a peer. */
  async function mocked(url, headers) {
    const mock = new undici.MockAgent();
    mock.disableNetConnect();
    let seen;
    mock
      .get(new URL(url).origin)
      .intercept({ path: () => true })
      .reply(200, (options) => {
        seen = options.headers;
        return 'mocked';
      });
    const { body } = await undici.request(url, { headers, dispatcher: mock });
    await body.text();
    const pairs = Array.isArray(seen) ? seen.flatMap((name, i) => (i % 2 === 0 ? [[name, seen[i + 1]]] : [])) : Object.entries(seen);
    return JSON.stringify({ name: 'outside', baggage: pairs.filter(([name]) => name.toLowerCase() === 'baggage').map(([, value]) => value) });
  }

  return {
    fetch: { schemes, does: ['redirect'], call: async (url, headers) => (await undici.fetch(url, { headers })).text() },
    request: { schemes, call: async (url, headers) => (await undici.request(url, { headers })).body.text() },
    'request, flat array headers': {
      schemes,
      call: async (url, headers) => (await undici.request(url, { headers: Object.entries(headers).flat() })).body.text(),
    },
    stream: {
      schemes,
      async call(url, headers) {
        const { PassThrough } = require('node:stream');
        const to = new PassThrough();
        const body = text(to);
        await undici.stream(url, { headers, method: 'GET' }, () => to);
        return body;
      },
    },
    pipeline: {
      schemes,
      call: (url, headers) => text(Readable.from(['body']).pipe(undici.pipeline(url, { headers, method: 'POST' }, ({ body }) => body))),
    },
    'an Agent with one connection': {
      schemes,
      call: async (url, headers) => (await undici.request(url, { headers, dispatcher: agent })).body.text(),
    },
    ...(undici.interceptors?.dns === undefined
      ? {}
      : { 'interceptors.dns': given('dns', () => new undici.Agent().compose(undici.interceptors.dns())) }),
    Pool: through('Pool', (origin) => new undici.Pool(origin)),
    'Pool with one connection': through('narrow', (origin) => new undici.Pool(origin, { connections: 1 })),
    Client: through('Client', (origin) => new undici.Client(origin)),
    'Client, pipelining': through('pipelining', (origin) => new undici.Client(origin, { pipelining: 10 })),
    BalancedPool: through('Balanced', (origin) => new undici.BalancedPool([origin])),
    // Dispatchers with a fixed origin, which is where they connect.
    'BalancedPool, given the origin': given('Balanced', (origin) => new undici.BalancedPool([origin])),
    'BalancedPool, given another origin': given('Balanced', (origin) => new undici.BalancedPool([origin]), 'http://127.0.0.1:1'),
    ...(undici.RoundRobinPool === undefined ? {} : { RoundRobinPool: given('RoundRobin', (origin) => new undici.RoundRobinPool(origin)) }),
    'Pool with a factory': given('factory', (origin) => new undici.Pool(origin, { factory: (at, options) => new undici.Client(at, options) })),
    'Agent with a factory': given(
      'factories',
      (origin) => new undici.Agent({ factory: () => new undici.BalancedPool([origin]) }),
      'http://127.0.0.1:1',
    ),
    'Agent with a factory that passes its options on': given(
      'options passed on',
      (origin) => new undici.Agent({ factory: (_, options) => new undici.Pool(origin, options) }),
      'http://127.0.0.1:1',
    ),
    "a dispatcher of the app's own": given('own', (origin) => new Own(new undici.Pool(origin, { connections: 1 })), 'http://127.0.0.1:1'),
    RetryAgent: {
      does: ['retry'],
      async call(url, headers) {
        const dispatcher = dispatcherOf(
          'retry',
          'http://all',
          () => new undici.RetryAgent(new undici.Agent(), { minTimeout: 1, statusCodes: [503] }),
        );
        return (await undici.request(url, { headers, dispatcher })).body.text();
      },
    },
    'redirect interceptor': {
      does: ['redirect'],
      async call(url, headers) {
        const dispatcher = dispatcherOf('redirecting', 'http://all', () =>
          new undici.Agent().compose(undici.interceptors.redirect({ maxRedirections: 2 })),
        );
        return (await undici.request(url, { headers, dispatcher })).body.text();
      },
    },
    // A proxy gets the app's own address, which we must not change.
    ProxyAgent: {
      schemes,
      scenarios: ['direct'],
      call: async (url, headers) => (await undici.request(url, { headers, dispatcher: await proxyAgent() })).body.text(),
    },
    MockAgent: { schemes, scenarios: ['direct'], call: mocked },
  };
};
