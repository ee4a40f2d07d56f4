'use strict';
// A service whose name is a host that also has other ports. Prints what each client connects to in the lane gray, for the port of a
// base instance and for another port.

const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');
const tls = require('node:tls');
const grpc = require('@grpc/grpc-js');
const { runInLane } = require('@lane/core');
const undici = require('undici');

const same = (value) => value;
const ignore = () => {};

function listen(name, arrived) {
  const server = net.createServer((socket) => {
    socket.on('error', ignore).destroy();
    arrived(name);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

// Each returns a function that ends what it began.
const WAYS = {
  http: (port) => {
    const request = http.get({ host: 'localhost', port, agent: false }).on('error', ignore);
    return () => request.destroy();
  },
  fetch: (port) => {
    const controller = new AbortController();
    fetch(`http://localhost:${port}/`, { signal: controller.signal }).catch(ignore);
    return () => controller.abort();
  },
  'an undici Pool': (port) => {
    const pool = new undici.Pool(`http://localhost:${port}`);
    pool.request({ path: '/', method: 'GET' }).catch(ignore);
    return () => pool.destroy();
  },
  http2: (port) => {
    const session = http2.connect(`http://localhost:${port}`).on('error', ignore);
    session.request({ ':path': '/' }).on('error', ignore);
    return () => session.destroy();
  },
  'http2 over a connection of the app’s': (port) => {
    const session = http2.connect('http://localhost', { createConnection: () => net.connect({ host: 'localhost', port }) }).on('error', ignore);
    return () => session.destroy();
  },
  gRPC: (port) => {
    const client = new grpc.Client(`localhost:${port}`, grpc.credentials.createInsecure());
    client.makeUnaryRequest('/a.B/C', same, same, Buffer.from(''), ignore);
    return () => client.close();
  },
  'a raw socket': (port) => {
    const socket = net.connect({ host: 'localhost', port }).on('error', ignore);
    return () => socket.destroy();
  },
  'a raw TLS socket': (port) => {
    const socket = tls.connect({ host: 'localhost', port }).on('error', ignore);
    return () => socket.destroy();
  },
};

/** The first server that is connected to. Uses fresh servers, so that a client's retry does not count for the next client. */
async function connected(begin, to) {
  let arrived;
  const arrival = new Promise((resolve) => (arrived = resolve));
  const names = ['base', 'gray', 'other'];
  const servers = await Promise.all(names.map((name) => listen(name, arrived)));
  const ports = Object.fromEntries(servers.map((server, i) => [names[i], server.address().port]));
  const { runtime } = globalThis[Symbol.for('lane.agent.v1')];
  const instance = (port, metadata) => ({ ip: '127.0.0.1', port, weight: 1, healthy: true, enabled: true, metadata });
  runtime.tables.update({ name: 'pay', group: 'DEFAULT_GROUP' }, [instance(ports.base, {}), instance(ports.gray, { lane: 'gray' })]);
  const end = runInLane('gray', () => begin(ports[to]));
  const name = await arrival;
  end();
  for (const server of servers) server.close();
  return name;
}

async function main() {
  const found = {};
  for (const [way, begin] of Object.entries(WAYS)) found[way] = { base: await connected(begin, 'base'), other: await connected(begin, 'other') };
  console.log(JSON.stringify(found));
  process.exit();
}

main();
