'use strict';
// An app in one file, as bundlers make them: it has loaded http2, and calls before any other file is loaded. Prints what a call to a dead instance gets.

require('node:http2');
const http = require('node:http');
const { once } = require('node:events');
const agent = globalThis[Symbol.for('lane.agent.v1')];
const { tables } = agent.runtime;

async function main() {
  const servers = [0, 1].map(() => http.createServer((_, response) => response.end('alive')));
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
  const ports = servers.map((server) => server.address().port);
  servers[0].close();
  const instances = ports.map((port) => ({ ip: '127.0.0.1', port, weight: 1, healthy: true, enabled: true, metadata: {} }));
  tables.update({ name: 'stock', group: 'DEFAULT_GROUP' }, instances);
  const text = await new Promise((resolve) => {
    http
      .get({ host: '127.0.0.1', port: ports[0], agent: false }, async (response) => {
        let body = '';
        for await (const chunk of response) body += chunk;
        resolve(body);
      })
      .on('error', ({ code }) => resolve(code));
  });
  console.log(text);
  process.exit();
}

void main();
