'use strict';
// First calls to services by name while the registry hangs: what the caller does to them must not wait for it. Prints how each ended, and
// whether that was before a call that nobody aborted.

const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');
const grpc = require('@grpc/grpc-js');
const undici = require(process.env.UNDICI ?? 'undici');

const same = (value) => value;
const rpc = (name) => new grpc.Client(`dns:${name}`, grpc.credentials.createInsecure());
const unary = (client, options, done) => client.makeUnaryRequest('/a.B/C', same, same, Buffer.from(''), options, done);
const soon = (work) => setTimeout(() => work(), 20);
class Filter extends http.Agent {
  createConnection({ host }) {
    throw new Error(`not allowed: ${host}`);
  }
}

const WAYS = {
  'a time limit of http': (host, done) => {
    const request = http.get({ host, timeout: 20 });
    request.on('timeout', () => request.destroy(new Error('timeout'))).on('error', done);
  },
  'destroy of http': (host, done) => {
    const request = http.get({ host }).on('error', done);
    soon(() => request.destroy());
  },
  'a signal of http': (host, done) => void http.get({ host, signal: AbortSignal.timeout(20) }).on('error', done),
  'destroy of an http.Agent': (host, done) => {
    const agent = new http.Agent();
    http.get({ host, agent }).on('error', done);
    soon(() => agent.destroy());
  },
  'a signal of fetch': (host, done) => void fetch(`http://${host}`, { signal: AbortSignal.timeout(20) }).catch(done),
  'destroy of a Client': (host, done) => {
    const client = new undici.Client(`http://${host}`);
    client.request({ path: '/', method: 'GET' }).catch(done);
    soon(() => client.destroy());
  },
  'destroy of an undici Agent': (host, done) => {
    const agent = new undici.Agent();
    agent.request({ origin: `http://${host}`, path: '/', method: 'GET' }).catch(done);
    soon(() => agent.destroy(new Error('by the app')));
  },
  'destroy of a session': (host, done) => {
    const session = http2.connect(`http://${host}`).on('error', () => {});
    session
      .request({ ':path': '/' })
      .on('error', () => {})
      .on('close', done);
    soon(() => session.destroy());
  },
  'a deadline of gRPC': (host, done) => unary(rpc(host), { deadline: Date.now() + 20 }, done),
  'cancel of gRPC': (host, done) => {
    const call = unary(rpc(host), {}, done);
    soon(() => call.cancel());
  },
  'close of a gRPC client': (host, done) => {
    const client = rpc(host);
    unary(client, {}, done);
    soon(() => client.close());
  },
  'destroy of a socket': (host, done) => {
    const socket = net
      .connect({ host, port: 80 })
      .on('error', done)
      .on('close', () => done());
    soon(() => socket.destroy());
  },
  'a throw of an http.Agent': (host, done) => void http.get({ host, agent: new Filter({ keepAlive: true }) }).on('error', done),
  'a bad option': (host, done) => void http.get({ host, localAddress: 'nonsense' }).on('error', done),
  'a bad option of a socket': (host, done) => void net.connect({ host, port: 80, localAddress: 'nonsense' }).on('error', done),
  'a bad option of undici': (host, done) =>
    void new undici.Agent().request({ origin: `http://${host}`, path: '/', method: 'GET', headers: { a: '\n' } }).catch(done),
};

let isOver = false;
http.get({ host: 'service-0' }).on('error', () => (isOver = true));
const ended = {};
Promise.all(
  Object.entries(WAYS).map(
    ([name, call], i) =>
      new Promise((resolve) => {
        const done = (error) => {
          ended[name] = `${isOver ? 'late' : 'in time'}: ${error?.code ?? error?.name ?? 'closed'} ${error?.message ?? ''}`.trim();
          resolve();
        };
        try {
          call(`service-${i + 1}`, done);
        } catch (error) {
          done(error);
        }
      }),
  ),
).then(() => {
  process.stdout.write(JSON.stringify(ended));
  process.exit(0);
});
