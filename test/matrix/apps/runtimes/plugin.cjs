'use strict';
// Express with the plugin, without the agent: each request calls the peer with its lane, after a while. Prints the result and exits.

const http = require('node:http');
const express = require('express');
const { lane, laneHeaders } = require('@lane/express-plugin');

const KINDS = [undefined, 'lane=gray', 'lane=blue'];

async function main() {
  const peer = await listening(http.createServer((request, response) => response.end(request.headers.baggage ?? '')));
  const app = express();
  app.use(lane());
  app.get('/', async (request, response) => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
    response.send(await (await fetch(urlOf(peer), { headers: laneHeaders() })).text());
  });
  const server = await listening(http.createServer(app));
  const asked = Array.from({ length: 51 }, (_, i) => KINDS[i % 3]);
  const wrong = await Promise.all(
    asked.map(async (baggage) => {
      const seen = await (await fetch(urlOf(server), { headers: baggage === undefined ? {} : { baggage } })).text();
      return seen === (baggage ?? '') ? [] : [`${baggage}: ${seen}`];
    }),
  );
  console.log(JSON.stringify({ asked: asked.length, wrong: wrong.flat() }));
  process.exit(0);
}

const listening = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
const urlOf = (server) => `http://127.0.0.1:${server.address().port}/`;

main();
