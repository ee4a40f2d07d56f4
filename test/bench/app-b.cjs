'use strict';
const http = require('node:http');

const server = http.createServer((request, response) => response.end(`B ${request.headers.baggage ?? '-'}`));
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit());
