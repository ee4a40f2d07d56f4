'use strict';
// C, which reports its inbound baggage. Knows nothing of lanes.

const http = require('node:http');
const { NacosNamingClient } = require('nacos');

const { NAME, NACOS, NAMESPACE } = process.env;
const quiet = { debug() {}, info() {}, log() {}, warn() {}, error() {} };
const naming = new NacosNamingClient({ logger: quiet, serverList: NACOS, namespace: NAMESPACE });

const server = http.createServer((request, response) => response.end(`${NAME} with ${request.headers.baggage ?? 'no baggage'}`));
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address();
  await naming.ready();
  await naming.registerInstance('spring-cloud-c', { ip: '127.0.0.1', port, metadata: {} });
  process.send({ port });
});
process.on('disconnect', () => process.exit());
