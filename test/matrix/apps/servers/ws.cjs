'use strict';
const http = require('node:http');
const { WebSocketServer } = require('ws');
const { listen } = require('./listen.cjs');

exports.start = (how) => {
  const server = http.createServer();
  // All connections share a queue of data to inflate.
  const perMessageDeflate = how === 'compressed' && { threshold: 0, concurrencyLimit: 1 };
  const sockets = new WebSocketServer({ server, perMessageDeflate });
  sockets.on('connection', (socket) => {
    requestIsThere();
    socket.on('message', async () => socket.send(await heard()));
  });
  return listen(server);
};
