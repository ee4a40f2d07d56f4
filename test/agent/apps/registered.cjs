'use strict';
// Registers itself in Nacos (NACOS) as SERVICE with the SDK, without waiting, and answers after DELAY_MS; first calls the URL in ?url=.

const http = require('node:http');
const { NacosNamingClient } = require('nacos');

const quiet = { info() {}, warn() {}, error() {}, debug() {} };
const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://app').searchParams.get('url');
  if (url) await (await fetch(url)).text();
  setTimeout(() => response.end(String(process.pid)), Number(process.env.DELAY_MS ?? 0));
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const client = new NacosNamingClient({ logger: quiet, serverList: process.env.NACOS, namespace: 'public' });
  void client.registerInstance(process.env.SERVICE, { ip: '127.0.0.1', port, metadata: { zone: 'a' } }).then(() => process.send({ port }));
});
process.on('disconnect', () => process.exit());
