'use strict';
const http = require('node:http');

const LARGE = Buffer.alloc(1_000_000, 'a');
const server = http.createServer((request, response) => {
  if (request.url === '/large') response.end(LARGE);
  else if (request.method === 'POST') request.resume().on('end', () => response.end('ok'));
  else response.end(`B ${request.headers.baggage ?? '-'}`);
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit());
