'use strict';
// Calls the URL that it is asked for by node:http; answers what came back.
const http = require('node:http');

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://host').searchParams.get('url');
  http
    .get(url, (answer) => {
      let body = '';
      answer.on('data', (chunk) => (body += chunk));
      answer.on('end', () => response.end(body));
    })
    .on('error', (error) => response.writeHead(502).end(error.message));
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
