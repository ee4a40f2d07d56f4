'use strict';
// Each message over an upgraded connection calls the peer, and is answered with the baggage that the peer saw.
const http = require('node:http');

const seen = () =>
  new Promise((resolve) =>
    http.get(process.env.PEER, { agent: false }, (answer) => {
      let body = '';
      answer.on('data', (chunk) => (body += chunk));
      answer.on('end', () => resolve(JSON.parse(body).baggage.join() || 'none'));
    }),
  );

const server = http.createServer();
const WAYS = {
  ws() {
    const { WebSocketServer } = require('ws');
    new WebSocketServer({ server }).on('connection', (socket) => socket.on('message', async () => socket.send(await seen())));
  },
  websocket() {
    const { server: WebSocketServer } = require('websocket');
    new WebSocketServer({ httpServer: server }).on('request', (request) => {
      const connection = request.accept(null, request.origin);
      connection.on('message', async () => connection.sendUTF(await seen()));
    });
  },
  sockjs() {
    const echo = require('sockjs').createServer({ log() {} });
    echo.on('connection', (connection) => connection.on('data', async () => connection.write(await seen())));
    echo.installHandlers(server, { prefix: '/echo' });
  },
  'raw upgrade'() {
    server.on('upgrade', (request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: own\r\nConnection: Upgrade\r\n\r\n');
      socket.on('data', async () => socket.write(await seen()));
    });
  },
  'raw upgrade, readable'() {
    server.on('upgrade', async (request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: own\r\nConnection: Upgrade\r\n\r\n');
      for await (const _ of socket) socket.write(await seen());
    });
  },
  CONNECT() {
    server.on('connect', (request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.on('data', async () => socket.write(await seen()));
    });
  },
};
WAYS[process.argv[2]]();
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
