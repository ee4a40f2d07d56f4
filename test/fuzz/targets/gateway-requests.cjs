/**
 * The gateway's side towards clients: bytes on a connection, as HTTP/1 or, after the preface, as HTTP/2. The instance never sees more requests
 * than the gateway accepted, sees each as the gateway did, and the next client is served.
 */
'use strict';
const assert = require('node:assert');
const http = require('node:http');
const net = require('node:net');
const { expectServed, listening, startGateway } = require('./gateway.cjs');

const SILENCE_MS = 30;
const HTTP2 = Buffer.from('PRI * ');

let ready;
async function start() {
  /** Requests by method: those that the gateway forwarded, minus those that the instance saw. */
  const balance = new Map();
  const count = (line, by) => balance.set(line, (balance.get(line) ?? 0) + by);
  const server = http.createServer((request, response) => {
    // A truncated body leaves nothing behind.
    request.on('error', () => {});
    if (request.url === '/normal') {
      response.end('normal');
      return;
    }
    count(request.method, -1);
    request.resume().on('end', () => response.end('fuzz'));
  });
  const port = await listening(server);
  const gateway = await startGateway(port, (entry) => {
    if (entry.path !== '/normal' && entry.instance !== undefined) count(entry.method, 1 + entry.retries);
  });
  return { gateway, balance };
}

exports.fuzz = async (data) => {
  const { gateway, balance } = await (ready ??= start());
  balance.clear();
  await new Promise((resolve) => {
    const socket = net.connect(gateway.port, gateway.host, () => {
      // Nobody half-closes an HTTP/2 connection.
      if (data.subarray(0, HTTP2.length).equals(HTTP2)) socket.write(data);
      else socket.end(data);
    });
    socket
      .on('error', () => {})
      .on('close', resolve)
      .resume();
    socket.setTimeout(SILENCE_MS, () => socket.destroy());
  });
  await expectServed(gateway.port);
  // An aborted request is recorded a moment after it is seen.
  for (let i = 0; i < 2_000 && [...balance.values()].some((left) => left < 0); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const [method, left] of balance) assert.ok(left >= 0, `the instance saw ${-left} requests (${method}) that nobody sent`);
};
