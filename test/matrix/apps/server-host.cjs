'use strict';
// A server of a framework. Its handlers answer with the lane in which they run, and the baggage that a call from there carried.

const http = require('node:http');
const { join } = require('node:path');
const { subscribe } = require('node:diagnostics_channel');
const { currentLane } = require('@lane/core');
const { hasEnteredLane } = require('@lane/core/model');

/** A handler's answer. */
globalThis.heard = async () => {
  const lane = currentLane() ?? 'none';
  const baggage = await new Promise((resolve, reject) => {
    http
      .get(process.env.PEER, (response) => {
        let body = '';
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve(JSON.parse(body).baggage.join()));
      })
      .on('error', reject);
  });
  return `${lane} ${baggage} ${currentLane() ?? 'none'}`;
};

// A request arrives before its body, and before any framework passes it on.
subscribe('http.server.request.start', () => process.send({ kind: 'request' }));
globalThis.requestIsThere = () => process.send({ kind: 'request' });

// Asked whether any lane has been entered.
process.on('message', () => process.send({ hasEnteredLane: hasEnteredLane() }));

async function main() {
  const { start } = require(join(__dirname, 'servers', process.argv[2]));
  process.send({ port: await start(...process.argv.slice(3)) });
}
main();
