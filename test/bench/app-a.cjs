'use strict';
// A answers by calling B over a keep-alive agent.
const http = require('node:http');

const agent = new http.Agent({ keepAlive: true });
const port = Number(process.env.B_PORT);
const awaits = Number(process.env.AWAITS);

const server = http.createServer(async (request, response) => {
  for (let i = 0; i < awaits; i++) await null;
  http.get({ host: '127.0.0.1', port, path: '/b', agent }, (answer) => {
    response.writeHead(answer.statusCode, { 'content-type': 'text/plain' });
    answer.pipe(response);
  });
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpu: user + system });
});
process.on('disconnect', () => process.exit());
