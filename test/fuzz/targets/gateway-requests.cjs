/**
 * The gateway's side of the clients: bytes on a connection, by HTTP/1 or, behind its preface, by HTTP/2. The instance never sees more requests
 * than the gateway has taken, none of them reads otherwise, and the next client is served.
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
  /** By what they are: sent on by the gateway, less seen by the instance. */
  const balance = new Map();
  const count = (line, by) => balance.set(line, (balance.get(line) ?? 0) + by);
  const server = http.createServer((request, response) => {
    // A body that breaks off leaves nothing behind.
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
      // Nobody half-closes a connection of HTTP/2.
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
  // What a client left is entered a moment later than it is seen.
  for (let i = 0; i < 2_000 && [...balance.values()].some((left) => left < 0); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const [method, left] of balance) assert.ok(left >= 0, `the instance saw ${-left} requests (${method}) that nobody sent`);
};
