'use strict';
const http = require('node:http');
const { WebSocketServer } = require('ws');
const { listen } = require('./listen.cjs');

exports.start = () => {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    requestIsThere();
    socket.on('message', async () => socket.send(await heard()));
  });
  return listen(server);
};
