'use strict';
// Every way in which an app calls a peer. Each form has `own`, the baggage that the app sets itself (null: none), and `call(url, id)`,
// which returns the peer's answer as text. stale: the app also sets an entry of ours. never: called outside any lane, whatever the request.
// tls: to the peer behind TLS. The app passes its own imports.

const fs = require('node:fs');
const https = require('node:https');
const { runInLane } = require('@lane/core');

const ca = fs.readFileSync(`${__dirname}/../tls/cert.pem`);

const OWN = 'user=42,app=a%20b;p=1';

module.exports = function makeForms({ http, request, get, undici, undici6 }) {
  const text = (send) =>
    new Promise((resolve, reject) => {
      const sent = send((response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve(body));
      });
      sent.on('error', reject);
      if (!sent.writableEnded) sent.end();
    });
  const at = (url) => ({ host: new URL(url).hostname, port: new URL(url).port, path: new URL(url).pathname + new URL(url).search });
  const twoSecureSockets = new https.Agent({ keepAlive: true, maxSockets: 2, ca });
  const twoSockets = new http.Agent({ keepAlive: true, maxSockets: 2 });
  const ownConnections = new (class extends http.Agent {
    createConnection(options) {
      return require('node:net').connect({ host: options.host, port: options.port });
    }
  })({ keepAlive: true, maxSockets: 4 });
  let shared;
  let narrowed;
  const sharedHeaders = (host) => (shared ??= Object.freeze(['Host', host, 'baggage', OWN]));
  const json = async (response) => response.text();

  const forms = {
    'http.get(string)': { own: null, call: (url) => text((on) => get(url, on)) },
    'http.get(URL)': { own: null, call: (url) => text((on) => get(new URL(url), on)) },
    'http.get(string, options)': { own: OWN, call: (url) => text((on) => get(url, { headers: { Baggage: OWN } }, on)) },
    'http.request(options)': { own: null, call: (url) => text((on) => request(at(url), on)) },
    'http.get(options)': { own: null, call: (url) => text((on) => get(at(url), on)) },
    'http.request(URL, options)': { own: null, call: (url) => text((on) => request(new URL(url), { method: 'GET' }, on)) },
    'http.request, headers in an object': { own: OWN, call: (url) => text((on) => request({ ...at(url), headers: { baggage: OWN } }, on)) },
    'http.request, headers in a flat array': {
      own: OWN,
      call: (url) => text((on) => request({ ...at(url), headers: ['Host', new URL(url).host, 'Baggage', OWN] }, on)),
    },
    'http.request, headers in a flat array without baggage': {
      own: null,
      call: (url) => text((on) => request({ ...at(url), headers: ['Host', new URL(url).host] }, on)),
    },
    'http.request, headers in pairs': {
      own: OWN,
      call: (url) =>
        text((on) =>
          request(
            {
              ...at(url),
              headers: [
                ['Host', new URL(url).host],
                ['Baggage', OWN],
              ],
            },
            on,
          ),
        ),
    },
    'http.request, headers in pairs without baggage': {
      own: null,
      call: (url) =>
        text((on) =>
          request(
            {
              ...at(url),
              headers: [
                ['Host', new URL(url).host],
                ['X-Other', 'x'],
              ],
            },
            on,
          ),
        ),
    },
    'http.request, lines in an object': {
      own: 'a=1,b=%20;p',
      call: (url) => text((on) => request({ ...at(url), headers: { baggage: ['a=1', 'b=%20;p'] } }, on)),
    },
    'http.request, lines in a flat array': {
      own: 'a=1,b=2',
      call: (url) => text((on) => request({ ...at(url), headers: ['baggage', 'a=1', 'Host', new URL(url).host, 'Baggage', 'b=2'] }, on)),
    },
    'http.request, an array of lines in a flat array': {
      own: 'a=1,b=2',
      call: (url) => text((on) => request({ ...at(url), headers: ['baggage', ['a=1', 'b=2'], 'Host', new URL(url).host] }, on)),
    },
    'http.request, lines in pairs': {
      own: 'a=1,b=2',
      call: (url) =>
        text((on) =>
          request(
            {
              ...at(url),
              headers: [
                ['baggage', 'a=1'],
                ['Host', new URL(url).host],
                ['Baggage', 'b=2'],
              ],
            },
            on,
          ),
        ),
    },
    'http.request, one array of headers for all': {
      own: OWN,
      call: (url) => text((on) => request({ ...at(url), headers: sharedHeaders(new URL(url).host) }, on)),
    },
    'http.request, setHeader over the headers given': {
      own: OWN,
      call: (url) =>
        text((on) => {
          const sent = request(url, { headers: { baggage: 'given=1' } }, on);
          sent.setHeader('Baggage', OWN);
          return sent;
        }),
    },
    'http.request, appendHeader': {
      own: `a=1,${OWN}`,
      call: (url) =>
        text((on) => {
          const sent = request(url, { headers: { baggage: 'a=1' } }, on);
          sent.appendHeader('baggage', OWN);
          return sent;
        }),
    },
    'http.request, setHeader': {
      own: OWN,
      call: (url) =>
        text((on) => {
          const sent = request(url, on);
          sent.setHeader('baggage', OWN);
          return sent;
        }),
    },
    'http.request, setHeader with two lines': {
      own: 'a=1,b=2',
      call: (url) =>
        text((on) => {
          const sent = request(url, on);
          sent.setHeader('baggage', ['a=1', 'b=2']);
          return sent;
        }),
    },
    'http.request with an older entry of ours': {
      own: 'a=1',
      stale: true,
      call: (url) => text((on) => request(url, { headers: { baggage: 'lane=stale,a=1' } }, on)),
    },
    'http.request, response event': {
      own: null,
      call: (url) =>
        text((on) => {
          const sent = request(url);
          sent.on('response', on);
          return sent;
        }),
    },
    'http.request, POST with a body': {
      own: null,
      call: (url) =>
        text((on) => {
          const sent = request(url, { method: 'POST', headers: { 'content-length': 4 } }, on);
          sent.write('ab');
          sent.end('cd');
          return sent;
        }),
    },
    'http.request, Expect: 100-continue': {
      own: null,
      call: (url) =>
        text((on) => {
          const sent = request(url, { method: 'POST', headers: { Expect: '100-continue' } }, on);
          sent.on('continue', () => sent.end('body'));
          // The helper must not end it.
          Object.defineProperty(sent, 'writableEnded', { value: true });
          return sent;
        }),
    },
    'http.Agent with two sockets': { own: null, call: (url) => text((on) => request(url, { agent: twoSockets }, on)) },
    'http.request, createConnection without agent': {
      own: null,
      call: (url) => text((on) => request({ ...at(url), createConnection: (options) => require('node:net').connect(options) }, on)),
    },
    'http.request, no agent at all': { own: null, call: (url) => text((on) => request({ ...at(url), agent: false }, on)) },
    'http.Agent with a createConnection of its own': { own: null, call: (url) => text((on) => request(url, { agent: ownConnections }, on)) },
    'http.request made outside any lane and ended in one': {
      own: null,
      never: true,
      call: (url) => text((on) => runInLane(undefined, () => request(url, { method: 'POST' }, on))),
    },
    'http.request made in one lane and ended in another': {
      own: null,
      call: (url) =>
        text((on) => {
          const sent = request(url, on);
          runInLane('elsewhere', () => sent.end());
          return sent;
        }),
    },
    'http.request after flushHeaders': {
      own: null,
      call: (url) =>
        text((on) => {
          const sent = request(url, { method: 'POST' }, on);
          sent.flushHeaders();
          return sent;
        }),
    },
    'https.get(string, options)': { own: null, tls: true, call: (url) => text((on) => https.get(url, { ca, servername: 'localhost' }, on)) },
    'https.request, headers in an object': {
      own: OWN,
      tls: true,
      call: (url) => text((on) => https.request({ ...at(url), ca, servername: 'localhost', headers: { Baggage: OWN } }, on)),
    },
    'https.request, headers in a flat array': {
      own: OWN,
      tls: true,
      call: (url) =>
        text((on) => https.request({ ...at(url), ca, servername: 'localhost', headers: ['Host', new URL(url).host, 'Baggage', OWN] }, on)),
    },
    'https.Agent with two sockets': {
      own: null,
      tls: true,
      call: (url) => text((on) => https.request(url, { agent: twoSecureSockets, servername: 'localhost' }, on)),
    },
    'fetch(string)': { own: null, call: async (url) => json(await fetch(url)) },
    'fetch(Request)': { own: OWN, call: async (url) => json(await fetch(new Request(url, { headers: { baggage: OWN } }))) },
    'fetch with Headers': { own: OWN, call: async (url) => json(await fetch(url, { headers: new Headers({ Baggage: OWN }) })) },
    'fetch(URL, headers in an object)': { own: OWN, call: async (url) => json(await fetch(new URL(url), { headers: { Baggage: OWN } })) },
    'fetch, headers in pairs': { own: OWN, call: async (url) => json(await fetch(url, { headers: [['baggage', OWN]] })) },
    'fetch with Headers of two lines': {
      own: `a=1, ${OWN}`,
      call: async (url) => {
        const headers = new Headers({ baggage: 'a=1' });
        headers.append('Baggage', OWN);
        return json(await fetch(url, { headers }));
      },
    },
    'fetch with an older entry of ours': {
      own: 'a=1',
      stale: true,
      call: async (url) => json(await fetch(url, { headers: { baggage: 'lane=stale,a=1' } })),
    },
    'fetch, POST with a stream': {
      own: null,
      call: async (url) => json(await fetch(url, { method: 'POST', duplex: 'half', body: new Blob(['body']).stream() })),
    },
    'fetch through a redirect': {
      own: null,
      call: async (url) => json(await fetch(`${url.split('?')[0].replace(/\/$/, '')}/redirect?to=${encodeURIComponent('/')}`)),
    },
  };

  for (const [version, library] of Object.entries({ 'undici 7': undici, 'undici 6': undici6 })) {
    const pools = new Map();
    const pool = (url) => {
      const { origin } = new URL(url);
      if (!pools.has(origin)) {
        const { retry, redirect } = library.interceptors;
        pools.set(origin, {
          queueing: new library.Pool(origin, { connections: 1 }),
          client: new library.Client(origin),
          narrow: new library.Agent({ connections: 1 }),
          retry: new library.RetryAgent(new library.Agent(), { minTimeout: 1 }),
          narrowRetry: new library.RetryAgent(new library.Agent({ connections: 1 }), { minTimeout: 1 }),
          retries: new library.Pool(origin, { connections: 1 }).compose(retry({ minTimeout: 1, maxTimeout: 1 })),
          nested: new library.Pool(origin, { connections: 1 }).compose(retry({ minTimeout: 1, maxTimeout: 1 }), redirect({ maxRedirections: 2 })),
          redirects: new library.Pool(origin, { connections: 1 }).compose(redirect({ maxRedirections: 2 })),
          options: Object.freeze({ path: '/', method: 'GET' }),
          optionsWithHeaders: Object.freeze({ path: '/', method: 'GET', headers: Object.freeze({ Baggage: OWN }) }),
          optionsWithArray: Object.freeze({ path: '/', method: 'GET', headers: Object.freeze(['Baggage', OWN]) }),
        });
      }
      return pools.get(origin);
    };
    const flaky = (id, form) => `/flaky?id=${encodeURIComponent(`${version} ${form} ${id}`)}`;
    const body = async (answered) => (await answered).body.text();
    Object.assign(forms, {
      [`${version}: request`]: { own: null, call: (url) => body(library.request(url)) },
      [`${version}: request, headers in an object`]: { own: OWN, call: (url) => body(library.request(url, { headers: { Baggage: OWN } })) },
      [`${version}: request, headers in a flat array`]: { own: OWN, call: (url) => body(library.request(url, { headers: ['Baggage', OWN] })) },
      [`${version}: request, headers in a Map`]: { own: OWN, call: (url) => body(library.request(url, { headers: new Map([['baggage', OWN]]) })) },
      [`${version}: fetch`]: { own: OWN, call: async (url) => json(await library.fetch(url, { headers: { baggage: OWN } })) },
      [`${version}: Pool of one connection`]: { own: null, call: (url) => body(pool(url).queueing.request({ path: '/', method: 'GET' })) },
      [`${version}: Client`]: { own: null, call: (url) => body(pool(url).client.request({ path: '/', method: 'GET' })) },
      [`${version}: one options object for all`]: { own: null, call: (url) => body(pool(url).client.request(pool(url).options)) },
      [`${version}: retried`]: {
        own: null,
        call: (url, id) => body(pool(url).retry.request({ origin: new URL(url).origin, path: flaky(id, 'RetryAgent'), method: 'GET' })),
      },
      [`${version}: retried over one connection`]: {
        own: null,
        call: (url, id) => body(pool(url).narrowRetry.request({ origin: new URL(url).origin, path: flaky(id, 'narrow'), method: 'GET' })),
      },
      [`${version}: retried by an interceptor`]: {
        own: OWN,
        call: (url, id) => body(pool(url).retries.request({ path: flaky(id, 'interceptor'), method: 'GET', headers: { baggage: OWN } })),
      },
      [`${version}: redirected by an interceptor`]: {
        own: OWN,
        call: (url) => body(pool(url).redirects.request({ path: '/redirect?to=/', method: 'GET', headers: ['baggage', OWN] })),
      },
      [`${version}: redirected, then retried, by interceptors`]: {
        own: OWN,
        call: (url, id) =>
          body(
            pool(url).nested.request({
              path: `/redirect?to=${encodeURIComponent(flaky(id, 'nested'))}`,
              method: 'GET',
              headers: { baggage: OWN },
            }),
          ),
      },
      [`${version}: request(URL), headers undefined`]: { own: null, call: (url) => body(library.request(new URL(url), { headers: undefined })) },
      [`${version}: request, lines in an object`]: {
        own: 'a=1,b=2',
        call: (url) => body(library.request(url, { headers: { baggage: ['a=1', 'b=2'] } })),
      },
      [`${version}: request, an array of lines in a flat array`]: {
        own: 'a=1,b=2',
        call: (url) => body(library.request(url, { headers: ['baggage', ['a=1', 'b=2']] })),
      },
      [`${version}: request with Headers`]: { own: OWN, call: (url) => body(library.request(url, { headers: new Headers({ Baggage: OWN }) })) },
      [`${version}: request with a generator of headers`]: {
        own: OWN,
        call: (url) =>
          body(
            library.request(url, {
              headers: (function* () {
                yield ['x-other', '1'];
                yield ['Baggage', OWN];
              })(),
            }),
          ),
      },
      [`${version}: request with an older entry of ours`]: {
        own: 'a=1',
        stale: true,
        call: (url) => body(library.request(url, { headers: { Baggage: 'lane=stale,a=1' } })),
      },
      [`${version}: Agent of one connection`]: { own: null, call: (url) => body(library.request(url, { dispatcher: pool(url).narrow })) },
      [`${version}: fetch through an Agent of one connection`]: {
        own: null,
        call: async (url) => json(await library.fetch(url, { dispatcher: pool(url).narrow })),
      },
      [`${version}: one frozen options object with headers for all`]: {
        own: OWN,
        call: (url) => body(pool(url).client.request(pool(url).optionsWithHeaders)),
      },
      [`${version}: one frozen options object with an array for all`]: {
        own: OWN,
        call: (url) => body(pool(url).queueing.request(pool(url).optionsWithArray)),
      },
      [`${version}: POST through a Pool of one connection`]: {
        own: null,
        call: (url) => body(pool(url).queueing.request({ path: '/', method: 'POST', body: require('node:stream').Readable.from(['bo', 'dy']) })),
      },
      [`${version}: dispatch`]: {
        own: null,
        call: (url) =>
          new Promise((resolve, reject) => {
            let all = '';
            pool(url).queueing.dispatch(
              { path: '/', method: 'GET' },
              { onConnect() {}, onHeaders: () => true, onData: (chunk) => ((all += chunk), true), onComplete: () => resolve(all), onError: reject },
            );
          }),
      },
      [`${version}: stream`]: {
        own: null,
        call: (url) =>
          new Promise((resolve, reject) => {
            let all = '';
            library
              .stream(url, { method: 'GET' }, () => new (require('node:stream').Writable)({ write: (chunk, _, done) => ((all += chunk), done()) }))
              .then(() => resolve(all), reject);
          }),
      },
      [`${version}: pipeline`]: {
        own: null,
        call: (url) =>
          new Promise((resolve, reject) => {
            let all = '';
            const duplex = library.pipeline(url, { method: 'POST' }, ({ body: answered }) => answered);
            duplex
              .on('data', (chunk) => (all += chunk))
              .on('end', () => resolve(all))
              .on('error', reject);
            duplex.end('body');
          }),
      },
    });
  }

  const narrow6 = new undici6.Agent({ connections: 1 });
  forms['undici 6: redirected to another origin by maxRedirections'] = {
    own: null,
    call: (url) => {
      const { origin, port } = new URL(url);
      const to = encodeURIComponent(`http://localhost:${port}/`);
      return undici6.request(`${origin}/redirect?to=${to}`, { dispatcher: narrow6, maxRedirections: 2 }).then(({ body }) => body.text());
    },
  };

  // Last, because all later calls go through it.
  forms['setGlobalDispatcher: request'] = {
    own: null,
    call: (url) => {
      narrowed ??= undici.setGlobalDispatcher(new undici.Agent({ connections: 1 })) ?? true;
      return undici.request(url).then(({ body }) => body.text());
    },
  };
  forms['setGlobalDispatcher: fetch'] = { own: OWN, call: async (url) => json(await undici.fetch(url, { headers: { baggage: OWN } })) };
  forms['setGlobalDispatcher: global fetch'] = { own: OWN, call: async (url) => json(await fetch(url, { headers: { baggage: OWN } })) };
  return forms;
};
