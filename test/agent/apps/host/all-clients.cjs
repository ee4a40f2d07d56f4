'use strict';
// A round is a call by each kind of client, through servers of each kind. Injects a fault into one hook of the agent after the other
// (through globalThis.laneFault, which the test's copy of the agent reads): each round must give the same result as the first.

const http = require('node:http');
const https = require('node:https');
const http2 = require('node:http2');
const { readFileSync } = require('node:fs');
const { once } = require('node:events');
const net = require('node:net');
const grpc = require('@grpc/grpc-js');
const undici = require('undici');
const WebSocket = require('ws');
const { currentLane } = require('@lane/core');

const TLS = { key: readFileSync(`${__dirname}/../../tls/key.pem`), cert: readFileSync(`${__dirname}/../../tls/cert.pem`) };
const METHOD = { path: '/s/m', requestStream: false, responseStream: false };
const bytes = { requestSerialize: (it) => it, requestDeserialize: (it) => it, responseSerialize: (it) => it, responseDeserialize: (it) => it };

const listening = async (server) => (await once(server.listen(0, '127.0.0.1'), 'listening'), server.address().port);
const textOf = async (stream) => {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
};
const call = (client, options, body) =>
  new Promise((resolve, reject) => {
    const request = client.request(options, (response) => textOf(response).then((text) => resolve(`${response.statusCode} ${text}`), reject));
    request.on('error', reject).end(body);
  });

async function main() {
  const echo = async (request, response) => response.end(`${request.method} ${await textOf(request)}`);
  const peer = http.createServer(echo);
  new WebSocket.Server({ server: peer }).on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  const port = await listening(peer);
  const tlsPort = await listening(https.createServer(TLS, echo));
  const h2Port = await listening(http2.createServer(echo));
  const rpc = new grpc.Server();
  rpc.addService({ m: { ...METHOD, ...bytes } }, { m: (given, done) => done(null, given.request) });
  const rpcPort = await new Promise((resolve, reject) =>
    rpc.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );

  // The calls go to base; the lane's instance gives the same answers. Corrected calls pass more hooks.
  const twin = http.createServer(echo);
  new WebSocket.Server({ server: twin }).on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  const known = { http: [port, await listening(twin)], http2: [h2Port, await listening(http2.createServer(echo))] };
  known.rpc = [
    rpcPort,
    await new Promise((resolve, reject) =>
      rpc.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
    ),
  ];
  const { runtime } = globalThis[Symbol.for('lane.agent.v1')];
  const instance = (at, metadata) => ({ ip: '127.0.0.1', port: at, healthy: true, enabled: true, weight: 1, metadata });
  for (const [name, [base, gray]] of Object.entries(known)) {
    runtime.tables.update({ name, group: 'DEFAULT_GROUP' }, [instance(base, {}), instance(gray, { lane: 'gray' })]);
  }

  const keepAlive = new http.Agent({ keepAlive: true });
  const pool = new undici.Pool(`http://127.0.0.1:${port}`);
  const at = (more) => ({ host: '127.0.0.1', port, ...more });
  const clients = {
    http: () => call(http, at({ agent: keepAlive })),
    'http, a body': () => call(http, at({ method: 'POST', agent: false }), 'body'),
    'http, a connection of its own': () => call(http, at({ createConnection: () => net.connect(port, '127.0.0.1') })),
    https: () => call(https, { host: '127.0.0.1', port: tlsPort, rejectUnauthorized: false }),
    fetch: async () => (await fetch(`http://127.0.0.1:${port}/`)).text(),
    'undici.request': async () => (await undici.request(`http://127.0.0.1:${port}/`)).body.text(),
    'undici.Pool': async () => (await pool.request({ path: '/', method: 'POST', body: 'body' })).body.text(),
    http2: async () => {
      const session = http2.connect(`http://127.0.0.1:${h2Port}`);
      const stream = session.request({ ':path': '/' });
      const text = await textOf(stream.end());
      session.close();
      return text;
    },
    grpc: () =>
      new Promise((resolve, reject) => {
        const client = new grpc.Client(`127.0.0.1:${rpcPort}`, grpc.credentials.createInsecure());
        client.makeUnaryRequest('/s/m', bytes.requestSerialize, bytes.responseDeserialize, Buffer.from('rpc'), (error, answer) => {
          client.close();
          if (error) reject(error);
          else resolve(String(answer));
        });
      }),
    ws: async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`);
      await once(socket, 'open');
      socket.send('frame');
      const [data] = await once(socket, 'message');
      socket.close();
      return String(data);
    },
  };
  const app = http.createServer(async (_, response) => {
    const answers = await Promise.all(
      Object.entries(clients).map(async ([name, run]) => [name, await run().catch((error) => `${error.code} ${error.message}`)]),
    );
    response.end(JSON.stringify(Object.fromEntries(answers)));
  });
  const appPort = await listening(app);
  const round = (tag) => call(http, { host: '127.0.0.1', port: appPort, agent: false, headers: tag === undefined ? {} : { baggage: `lane=${tag}` } });

  const broken = [];
  process.on('uncaughtException', (error) => broken.push(`uncaught: ${error.stack}`));
  process.on('unhandledRejection', (error) => broken.push(`unhandled: ${error.stack}`));
  const right = await round();
  if ((await round('gray')) !== right) broken.push('a tagged round differs');
  const names = [...(globalThis.laneHooks ?? [])];
  for (const name of names) {
    for (const when of ['before', 'after']) {
      globalThis.laneFault = { name, when, count: 0 };
      for (const tag of ['gray', undefined]) {
        const answer = await Promise.race([round(tag), new Promise((resolve) => setTimeout(resolve, 20_000, 'no answer').unref())]);
        if (answer !== right) broken.push(`${when} ${name}, ${tag ?? 'base'}: ${answer}`);
      }
      globalThis.laneFault = undefined;
    }
  }
  console.log(JSON.stringify({ right, names, broken, lane: currentLane() ?? null }));
  process.exit();
}
void main();
