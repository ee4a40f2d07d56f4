'use strict';
// Each request calls hosts where a tag may not go, in one way; public names lead to this machine here. Answers with the headers that
// the peer saw, of each hop.
const dns = require('node:dns');
const http = require('node:http');
const http2 = require('node:http2');

const { lookup } = dns;
const isPublic = (host) => host === 'example.com' || host.endsWith('.example.com');
const here = (host, options, ...rest) => {
  if (!isPublic(host)) return lookup(host, options, ...rest);
  const callback = typeof options === 'function' ? options : rest[0];
  return options?.all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4);
};
dns.lookup = here;
dns.promises.lookup = async (host, options) => (options?.all ? [{ address: '127.0.0.1', family: 4 }] : { address: '127.0.0.1', family: 4 });

const { PORT, GRPC_PORT } = process.env;
const OUTSIDE = `http://api.example.com:${PORT}`;
const INSIDE = `http://127.0.0.1:${PORT}`;
const REDIRECT = `/redirect?to=${encodeURIComponent(`${OUTSIDE}/`)}`;
// Other entries stay unchanged.
const baggage = 'user=42 ;p=1,x=%2C';

const text = async (response) => {
  let body = '';
  for await (const chunk of response) body += chunk;
  return JSON.parse(body).headers;
};
const get = (options) => new Promise((resolve, reject) => http.get(options, (answer) => resolve(text(answer))).on('error', reject));

const ways = {
  'http, object headers': () => get({ host: 'api.example.com', port: PORT, headers: { baggage } }),
  'http, array headers': () => get({ host: 'api.example.com', port: PORT, headers: ['Host', 'api.example.com', 'Baggage', baggage] }),
  'http, the tag copied by the app': (request) =>
    get({
      host: 'api.example.com',
      port: PORT,
      headers: { baggage: [baggage, request.headers.baggage].filter((line) => line !== undefined).join() },
    }),
  'http, a URL to a forward proxy': () => get({ host: '127.0.0.1', port: PORT, path: 'http://api.example.com/', headers: { baggage } }),
  'axios, a forward proxy': async () => {
    const { data } = await require('axios').get('http://api.example.com/', {
      proxy: { host: '127.0.0.1', port: Number(PORT) },
      headers: { baggage },
    });
    return data.headers;
  },
  fetch: async () => (await (await fetch(OUTSIDE, { headers: { baggage } })).json()).headers,
  'fetch, redirected': async () => (await (await fetch(`${INSIDE}${REDIRECT}`, { headers: { baggage } })).json()).headers,
  http2: () =>
    new Promise((resolve, reject) => {
      const session = http2.connect(`http://api.example.com:${process.env.HTTP2_PORT}`, { lookup: here });
      const stream = session.request({ ':path': '/', baggage });
      stream.on('error', reject);
      let body = '';
      stream.on('data', (chunk) => (body += chunk)).on('end', () => (session.close(), resolve(JSON.parse(body).headers)));
      stream.end();
    }),
};

for (const version of ['undici5', 'undici6', 'undici7', 'undici8']) {
  // Not in this Node.
  if (version === 'undici8' && Number(process.versions.node.split('.')[0]) < 22) continue;
  const undici = require(version);
  const request = async (origin, path, dispatcher, more) => {
    const { body } = await undici.request({ origin, path, method: 'GET', dispatcher, headers: { baggage }, ...more });
    return (await body.json()).headers;
  };
  const from = async (dispatcher, path, more) => {
    const { body } = await dispatcher.request({ path, method: 'GET', headers: { baggage }, ...more });
    return (await body.json()).headers;
  };
  const connect = { lookup: here };
  const outside = new undici.Pool(OUTSIDE, { connect });
  const balanced = new undici.BalancedPool([OUTSIDE], { connect });
  ways[`${version}, Pool`] = () => from(outside, '/');
  ways[`${version}, BalancedPool`] = () => from(balanced, '/');
  ways[`${version}, BalancedPool that is given another origin`] = () => request(INSIDE, '/', balanced);
  ways[`${version}, a URL to a forward proxy`] = () => from(new undici.Client(INSIDE), 'http://api.example.com/');
  const astray = new undici.Agent({ factory: () => new undici.Client(OUTSIDE, { connect }) });
  ways[`${version}, an Agent whose factory goes elsewhere`] = () => request(INSIDE, '/', astray);
  if (undici.RoundRobinPool !== undefined) ways[`${version}, RoundRobinPool`] = () => from(new undici.RoundRobinPool(OUTSIDE, { connect }), '/');
  if (version === 'undici5' || version === 'undici6') {
    ways[`${version}, maxRedirections`] = () => request(INSIDE, REDIRECT, new undici.Agent({ connect, maxRedirections: 2 }));
  } else {
    const redirecting = new undici.Agent({ connect }).compose(undici.interceptors.redirect({ maxRedirections: 2 }));
    ways[`${version}, redirect interceptor`] = () => request(INSIDE, REDIRECT, redirecting);
  }
}

const grpc = require('@grpc/grpc-js');
const json = { serialize: (value) => Buffer.from(JSON.stringify(value)), deserialize: (bytes) => JSON.parse(bytes.toString()) };
const Echo = grpc.makeGenericClientConstructor({
  unary: {
    path: '/shop.Echo/unary',
    requestStream: false,
    responseStream: false,
    requestSerialize: json.serialize,
    requestDeserialize: json.deserialize,
    responseSerialize: json.serialize,
    responseDeserialize: json.deserialize,
  },
});
const call = (target) =>
  new Promise((resolve, reject) => {
    const metadata = new grpc.Metadata();
    metadata.set('baggage', baggage);
    const client = new Echo(target, grpc.credentials.createInsecure());
    client.unary({}, metadata, (error, answer) => {
      client.close();
      if (error) reject(error);
      else resolve(answer.headers);
    });
  });
// It leads here, whatever the name.
const { registerResolver } = require('@grpc/grpc-js/build/src/resolver');
class OwnResolver {
  constructor(_, listener) {
    this.listener = listener;
  }
  updateResolution() {
    const endpoints = [{ addresses: [{ host: '127.0.0.1', port: Number(GRPC_PORT) }] }];
    process.nextTick(() => this.listener({ ok: true, value: endpoints }, {}, null, ''));
    return true;
  }
  destroy() {}
  static getDefaultAuthority(target) {
    return target.path;
  }
}
registerResolver('own', OwnResolver);
ways['grpc, several addresses'] = () => call(`ipv4:127.0.0.1:${GRPC_PORT},8.8.8.8:1`);
ways["grpc, a resolver of the app's own"] = () => call('own:///pay');

// The same ways, to hosts where a tag may go.
const allowed = {
  http: () => get({ host: '127.0.0.1', port: PORT, headers: { baggage } }),
  'http, a URL to a forward proxy': () => get({ host: '127.0.0.1', port: PORT, path: 'http://pay/', headers: { baggage } }),
  'grpc, several addresses': () => call(`ipv4:127.0.0.1:${GRPC_PORT},10.1.1.1:1`),
};
for (const version of ['undici5', 'undici6', 'undici7', 'undici8']) {
  if (version === 'undici8' && Number(process.versions.node.split('.')[0]) < 22) continue;
  const undici = require(version);
  const balanced = new undici.BalancedPool([INSIDE]);
  allowed[`${version}, BalancedPool`] = async () =>
    (await (await balanced.request({ path: '/', method: 'GET', headers: { baggage } })).body.json()).headers;
}

const server = http.createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://host');
  if (pathname === '/ways') return response.end(JSON.stringify({ ways: Object.keys(ways), allowed: Object.keys(allowed) }));
  try {
    const answer = await (pathname === '/allowed' ? allowed : ways)[searchParams.get('way')](request);
    response.end(JSON.stringify(answer));
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error.stack));
  }
  return undefined;
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
