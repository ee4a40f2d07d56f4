'use strict';
// An app whose first request makes its Nacos client, as lazily written code does: registers, discovers and subscribes from there.

const http = require('node:http');
const { currentLane } = require('@lane/core');

const quiet = { debug() {}, info() {}, log() {}, warn() {}, error() {} };
let client;

async function useNacos(port) {
  const { NacosNamingClient } = require('nacos');
  client = new NacosNamingClient({ logger: quiet, serverList: process.env.NACOS, namespace: 'public' });
  await client.ready();
  await client.registerInstance('lazy-a', { ip: '127.0.0.1', port });
  client.subscribe('lazy-b', () => process.send({ kind: 'pushed', lane: currentLane() ?? 'none' }));
  await client.getAllInstances('lazy-b');
  return currentLane() ?? 'none';
}

const server = http.createServer(async (request, response) => {
  for await (const chunk of request) void chunk;
  response.end(request.url === '/close' ? void client.close() : await useNacos(server.address().port));
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
