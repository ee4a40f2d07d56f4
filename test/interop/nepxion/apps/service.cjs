'use strict';
// An instance of SERVICE, which calls NEXT if that is set. Knows nothing of lanes.

const http = require('node:http');
const { NacosNamingClient } = require('nacos');

const { SERVICE, NAME, NEXT, NACOS, NAMESPACE } = process.env;
const quiet = { debug() {}, info() {}, log() {}, warn() {}, error() {} };
const naming = new NacosNamingClient({ logger: quiet, serverList: NACOS, namespace: NAMESPACE });

const server = http.createServer(async (request, response) => {
  try {
    if (NEXT === undefined) return response.end(`${NAME}(${request.headers['n-d-version'] ?? ''})`);
    const instances = await naming.selectInstances(NEXT);
    const { ip, port } = instances[Math.floor(Math.random() * instances.length)];
    response.end(`${NAME} -> ${await (await fetch(`http://${ip}:${port}/b`)).text()}`);
  } catch (error) {
    response.writeHead(500).end(String(error.stack));
  }
});
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address();
  await naming.ready();
  await naming.registerInstance(SERVICE, { ip: '127.0.0.1', port, metadata: {} });
  process.send({ port });
});
process.on('disconnect', () => process.exit());
