'use strict';
// Reports what a patch of EventEmitter.prototype.emit sees that is applied after the agent has started, and what node:domain sees.
const domain = require('node:domain');
const { EventEmitter } = require('node:events');
const http = require('node:http');
const net = require('node:net');

const seen = new Set();
const original = EventEmitter.prototype.emit;
EventEmitter.prototype.emit = function emit(type, ...rest) {
  if (this instanceof net.Server) seen.add(`server ${String(type)}`);
  if (this instanceof http.IncomingMessage) seen.add(`message ${String(type)}`);
  return original.call(this, type, ...rest);
};

const inDomain = domain.create();
inDomain.on('error', ({ message }) => {
  seen.add(`domain caught ${message}`);
});

const server = http.createServer((request, response) => {
  request.resume();
  request.on('end', () => response.end());
});
inDomain.add(server);
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const options = { port, host: '127.0.0.1', method: 'POST', headers: { baggage: 'lane=gray' }, agent: false };
  http
    .request(options, (response) => {
      response.resume();
      response.on('end', () => {
        server.emit('error', new Error('of a server'));
        server.close(() => console.log(JSON.stringify([...seen].sort((a, b) => (a < b ? -1 : 1)))));
      });
    })
    .end('body');
});
