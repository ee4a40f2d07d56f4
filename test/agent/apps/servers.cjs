'use strict';
// Servers of all kinds in one app. Each path answers with the baggage that a call to the peer carried from there.

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const express5 = require('express');
const express4 = require('express4');

const PEER = process.env.PEER;

function heard() {
  return new Promise((resolve, reject) => {
    http
      .get(PEER, (response) => {
        let body = '';
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve(JSON.parse(body).baggage.join(',')));
      })
      .on('error', reject);
  });
}

const finished = new Map();

async function handler(request, response) {
  const { pathname: path, searchParams } = new URL(request.url, 'http://app');
  if (path === '/on-data') {
    request.once('data', async () => response.end(await heard()));
  } else if (path === '/on-end') {
    request.resume().on('end', async () => response.end(await heard()));
  } else if (path === '/for-await') {
    for await (const _ of request);
    response.end(await heard());
  } else if (path === '/readable') {
    request.on('readable', async () => {
      if (request.read() === null) return;
      if (!response.writableEnded && !response.asked) {
        response.asked = true;
        response.end(await heard());
      }
    });
  } else if (path === '/on-finish') {
    const id = searchParams.get('id');
    response.on('finish', async () => finished.set(id, await heard()));
    request.resume().on('end', () => response.end('see /finished'));
  } else if (path === '/finished') {
    const id = searchParams.get('id');
    while (!finished.has(id)) await new Promise(setImmediate);
    response.end(finished.get(id));
  } else if (path === '/interval') {
    request.resume();
    const timer = setInterval(async () => {
      clearInterval(timer);
      response.end(await heard());
    }, 1);
  } else if (path === '/immediately') {
    request.resume();
    response.end(await heard());
  } else response.writeHead(404).end();
}

function withExpress(express) {
  const app = express();
  app.post('/before-parser', async (request, response) => response.send(await heard()));
  app.use(express.json());
  app.use(express.text({ type: '*/*' }));
  app.post('/after-parser', async (request, response) => response.send(await heard()));
  return app;
}

const tls = { key: fs.readFileSync(`${__dirname}/../tls/key.pem`), cert: fs.readFileSync(`${__dirname}/../tls/cert.pem`) };
const byHand = http.createServer((request, response) => target.emit('request', request, response));
const target = http.createServer(handler);
const continuing = http.createServer();
continuing.on('checkContinue', (request, response) => {
  response.writeContinue();
  request.resume().on('end', async () => response.end(await heard()));
});
const upgrading = http.createServer();
upgrading.on('upgrade', async (request, socket) =>
  socket.end(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\nX-Heard: ${await heard()}\r\n\r\n`),
);

const servers = {
  http: http.createServer(handler),
  https: https.createServer(tls, handler),
  byHand,
  continuing,
  upgrading,
  express4: http.createServer(withExpress(express4)),
  express5: http.createServer(withExpress(express5)),
};
for (const [name, server] of Object.entries(servers)) {
  server.on(name === 'continuing' ? 'checkContinue' : 'request', () => process.send({ kind: name }));
}

Promise.all(Object.values(servers).map((server) => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve)))).then(() =>
  process.send({ port: 1, ports: Object.fromEntries(Object.entries(servers).map(([name, server]) => [name, server.address().port])) }),
);
process.on('disconnect', () => process.exit());
