'use strict';
// Sends a request to itself, calls a second server to answer it, and exits with the answer.
const http = require('node:http');

const listen = (handler) =>
  new Promise((resolve) => {
    const server = http.createServer(handler).listen(0, '127.0.0.1', () => resolve(server.address().port));
  });
const get = (port, headers) =>
  new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, headers }, (answer) => answer.resume().on('end', resolve)).on('error', reject);
  });

listen((request, response) => response.end())
  .then((other) => listen((request, response) => void get(other).then(() => response.end())))
  .then((own) => get(own, { baggage: 'lane=gray' }))
  .then(() => {
    process.stdout.write(String(process.memoryUsage.rss()));
    process.exit();
  });
