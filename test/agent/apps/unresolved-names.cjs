'use strict';
// Calls names that DNS cannot resolve, with each client, and prints the error's code and message, and whether the stack matches.
const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');
const grpc = require('@grpc/grpc-js');
const undici = require('undici');

const heard = (emitter) => new Promise((resolve) => emitter.on('error', resolve));
const failed = (promise) =>
  promise.then(
    () => undefined,
    (error) => error.cause ?? error,
  );

const grpcCall = (host) =>
  new Promise((resolve) => {
    const client = new grpc.Client(host, grpc.credentials.createInsecure());
    const bytes = (value) => value;
    client.makeUnaryRequest('/shop.Pay/pay', bytes, bytes, Buffer.alloc(0), (error) => {
      client.close();
      resolve(error);
    });
  });

const WAYS = {
  '@grpc/grpc-js': grpcCall,
  'node:http': (host) => heard(http.get({ host, agent: false })),
  fetch: (host) => failed(fetch(`http://${host}/`)),
  undici: (host) => failed(undici.request(`http://${host}/`)),
  'node:http2': (host) => heard(http2.connect(`http://${host}`)),
  'a socket': (host) => heard(net.connect({ host, port: 80 })),
  // As caching look-ups do: one error object for all.
  'a look-up of the app’s': (host) => heard(http.get({ host, agent: false, lookup: (_, options, done) => process.nextTick(done, ownError(host)) })),
};

const ownErrors = new Map();
function ownError(host) {
  if (!ownErrors.has(host)) ownErrors.set(host, Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND', hostname: host }));
  return ownErrors.get(host);
}

async function main() {
  const told = {};
  for (const host of process.env.HOSTS.split(',')) {
    told[host] = {};
    for (const [way, call] of [...Object.entries(WAYS), ...Object.entries(WAYS).slice(-1)]) {
      const { code, message, stack, hostname } = await call(host);
      told[host][way] = { code, message, hostname, isInStack: stack.includes(message) };
    }
  }
  console.log(JSON.stringify(told));
}

// Once the agent has its connection.
setImmediate(() => setImmediate(main));
