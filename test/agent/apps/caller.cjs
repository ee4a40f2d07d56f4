'use strict';
// Calls an instance in the way that a request asks for, by name or at the address in its environment, and returns the answer.

const http = require('node:http');
const http2 = require('node:http2');
const grpc = require('@grpc/grpc-js');

const attempts = {};
const counted = (socket) => socket.on('connectionAttempt', (_, port) => (attempts[port] = (attempts[port] ?? 0) + 1));

const at = JSON.parse(process.env.CACHED ?? '{}');
const urlOf = (service) => `${service === 'shop-b' ? 'https' : 'http'}://${at[service] === undefined ? service : `127.0.0.1:${at[service]}`}`;
const same = (value) => value;
const lazy = (make) => {
  let made;
  return () => (made ??= make());
};
const undici = () => require(process.env.UNDICI ?? 'undici');
const keep = new http.Agent({ keepAlive: true });
const keepTls = lazy(() => new (require('node:https').Agent)({ keepAlive: true }));
const agent = lazy(() => new (undici().Agent)());
const pool = lazy(() => new (undici().Pool)(urlOf('stock'), { connections: 2 }));
const rpc = lazy(() => new grpc.Client(urlOf('stock-rpc').replace('http://', 'dns:'), grpc.credentials.createInsecure()));
const sessions = new Map();
function sessionTo(service) {
  const present = sessions.get(service);
  if (present !== undefined && !present.closed && !present.destroyed) return present;
  const session = http2.connect(urlOf(service));
  session.on('error', () => {});
  session.unref();
  sessions.set(service, session);
  return session;
}

const viaHttp2 = (service) =>
  new Promise((resolve, reject) => {
    const stream = sessionTo(service).request({ ':path': '/' });
    let body = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk) => (body += chunk));
    // A stream whose session is lost may end as if it was answered.
    stream.on('close', () => (body === '' ? reject(new Error(`no answer, code ${stream.rstCode}`)) : resolve(body)));
    stream.on('error', reject);
    stream.end();
  });

const viaOwnSession = (service) =>
  viaHttp2(service).finally(() => {
    sessions.get(service)?.close();
    sessions.delete(service);
  });

const viaHttp = (service, options) =>
  new Promise((resolve, reject) => {
    const url = urlOf(service);
    const request = (url.startsWith('https:') ? require('node:https') : http).request(url, { method: 'POST', ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve(body));
    });
    request.on('error', reject);
    request.end('sent once');
  });

const KEY = { 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
const HANDSHAKE = { connection: 'Upgrade', upgrade: 'websocket', ...KEY };
/** The name of the instance that opened and closed a WebSocket: it follows the frame's header. */
const viaUpgrade = (service, options) =>
  new Promise((resolve, reject) => {
    const request = http.get(urlOf(service), { headers: HANDSHAKE, ...options });
    request.on('error', reject);
    request.on('response', (response) => response.resume().on('end', () => resolve('{}')));
    request.on('upgrade', (_, socket, head) => {
      const chunks = [head];
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('end', () => {
        socket.destroy();
        resolve(JSON.stringify({ name: String(Buffer.concat(chunks).subarray(4)) }));
      });
      socket.on('error', reject);
    });
  });

const viaName = (service) =>
  new Promise((resolve) => http.get(`http://${service}/`, (response) => response.resume().on('end', resolve)).on('error', resolve));

const few = new http.Agent({ keepAlive: true, maxSockets: 1 });
const WAYS = {
  // After this, everything received so far has been handled.
  turns: async () => {
    for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
    return '{}';
  },
  // Ports of the instances that the agent uses; of these, the ejected ones, and those on probation.
  known: async () => {
    const { runtime } = globalThis[Symbol.for('lane.agent.v1')];
    const instances = [...runtime.tables.all()].flatMap((table) => table.instances);
    const portsOf = (list) => list.map(({ port }) => port);
    const [ejected, probed] = [instances.filter((one) => one.ejected), instances.filter((one) => one.probed)].map(portsOf);
    return JSON.stringify({ known: portsOf(instances), ejected, probed });
  },
  // How often requests without an http.Agent connected to each port.
  attempts: async () => JSON.stringify({ attempts }),
  // The agent knows no addresses of services that nobody has called by name.
  learn: async () => {
    await Promise.all(['stock', 'stock-h2', 'shop-b', 'stock-rpc'].map(viaName));
    return '{}';
  },
  http: () => viaHttp('stock', { agent: keep }),
  'http through one socket': () => viaHttp('stock', { agent: few }),
  https: () => viaHttp('shop-b', { agent: keepTls() }),
  'http without an agent': () => viaHttp('stock', { createConnection: (options) => counted(require('node:net').connect(options)) }),
  'upgrade by http': () => viaUpgrade('stock', { agent: keep }),
  // As ws does.
  'upgrade by http without an agent': () => viaUpgrade('stock', { createConnection: (options) => require('node:net').connect(options) }),
  'upgrade by http, headers in an array': () => viaUpgrade('stock', { headers: Object.entries({ host: 'stock', ...HANDSHAKE }).flat() }),
  WebSocket: () =>
    new Promise((resolve) => {
      const socket = new WebSocket(urlOf('stock').replace('http:', 'ws:'));
      socket.addEventListener('close', ({ reason }) => resolve(JSON.stringify({ name: reason })));
      // Node 22's WebSocket does not close then.
      socket.addEventListener('error', () => resolve('{}'));
    }),
  'upgrade by undici': async () => {
    const { socket } = await agent().upgrade({ origin: urlOf('stock'), path: '/', protocol: 'websocket', headers: KEY });
    socket.destroy();
    return '{}';
  },
  // As soon as the request has been sent.
  'http, given up': () =>
    new Promise((resolve) => {
      const request = http.get(urlOf('stock'), { agent: false });
      request.on('finish', () => setTimeout(() => request.destroy(), 10));
      request.on('close', () => resolve('{}')).on('error', () => {});
    }),
  'fetch, given up': () =>
    fetch(urlOf('stock'), { signal: AbortSignal.timeout(20) }).then(
      () => '{}',
      () => '{}',
    ),
  fetch: async () => (await fetch(urlOf('stock'), { method: 'POST', body: 'sent once' })).text(),
  agent: async () => (await agent().request({ origin: urlOf('stock'), path: '/', method: 'POST', body: 'sent once' })).body.text(),
  pool: async () => (await pool().request({ path: '/', method: 'POST', body: require('node:stream').Readable.from(['sent once']) })).body.text(),
  raw: () =>
    new Promise((resolve, reject) => {
      const socket = require('node:net').connect(at['stock'], '127.0.0.1', () => socket.end(() => resolve('{}')));
      socket.on('error', reject);
    }),
  http2: () => viaHttp2('stock-h2'),
  'http2, each on a session of its own': () => viaOwnSession('stock-h2'),
  'http2 over TLS': () => viaHttp2('shop-b'),
  grpc: () =>
    new Promise((resolve, reject) => {
      rpc().makeUnaryRequest('/stock.Stock/Who', same, same, Buffer.from(''), (error, answer) => (error ? reject(error) : resolve(String(answer))));
    }),
  // An error answer contains the name of the instance.
  'grpc or its error': () => WAYS.grpc().catch(({ code, details }) => JSON.stringify({ name: details, code })),
};

/** Resolves once this many are waiting. */
const held = [];
const together = (count) =>
  new Promise((resolve) => {
    held.push(resolve);
    if (held.length >= count) for (const release of held.splice(0)) release();
  });

const server = http.createServer(async (request, response) => {
  for await (const _ of request);
  const { searchParams } = new URL(request.url, 'http://app');
  const way = searchParams.get('way');
  await together(Number(searchParams.get('together') ?? 1));
  const answer = await WAYS[way]().catch((error) => {
    const { code, message, stack } = error.cause ?? error;
    return JSON.stringify({ error: { code, message, stack } });
  });
  response.end(answer);
});
// A connection that it closes as idle just as the test reuses it would fail that request.
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
