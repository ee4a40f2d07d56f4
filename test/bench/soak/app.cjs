'use strict';
// The soak's app: answers each request by calling B in the way that the path names. On `quiet` it closes its connections and
// reports what is alive.

const http = require('node:http');
const { Agent, request: undiciRequest } = require('undici');
const { NacosNamingClient } = require('nacos');
const { takeCensus } = require('./census.cjs');

const SILENT = { info() {}, warn() {}, error() {}, debug() {} };
const naming = new NacosNamingClient({ logger: SILENT, serverList: process.env.LANE_NACOS_SERVER, namespace: 'public' });
let keepAlive = new http.Agent({ keepAlive: true, maxSockets: 16 });
let dispatcher = new Agent({ connections: 8 });

/** The status of its answer. */
function get(options) {
  return new Promise((resolve, reject) => {
    http
      .get(options, (answer) => {
        answer.once('error', reject);
        answer.once('end', () => resolve(answer.statusCode));
        answer.resume();
      })
      .once('error', reject);
  });
}

const WAYS = {
  http: () => get({ host: 'b', path: '/', agent: keepAlive }),
  'new connection': () => get({ host: 'b', path: '/', agent: false }),
  async fetch() {
    const answer = await fetch('http://b/');
    await answer.text();
    return answer.status;
  },
  async undici() {
    const { statusCode, body } = await undiciRequest('http://b/', { dispatcher });
    await body.text();
    return statusCode;
  },
  async sdk() {
    const [{ ip, port }] = await naming.selectInstances('b');
    return get({ host: ip, port, path: '/', agent: keepAlive });
  },
  /** Aborted once it is under way. */
  'given up': () =>
    new Promise((resolve) => {
      const call = http.get({ host: 'b', path: '/slow', agent: keepAlive }, () => {});
      call.once('error', () => {});
      call.once('close', () => resolve(200)).once('socket', () => call.destroy());
    }),
};

const server = http.createServer(async (request, response) => {
  const way = decodeURIComponent(request.url.slice(1));
  try {
    response.statusCode = await WAYS[way]();
    response.end(way);
  } catch (error) {
    response.statusCode = 502;
    response.end(`${way}: ${error.code ?? ''} ${error.message}`);
  }
});

async function main() {
  await naming.ready();
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port, ways: Object.keys(WAYS) }));
}
process.on('message', async () => {
  keepAlive.destroy();
  keepAlive = new http.Agent({ keepAlive: true, maxSockets: 16 });
  await dispatcher.close();
  dispatcher = new Agent({ connections: 8 });
  server.closeIdleConnections();
  // Transient objects, such as a heartbeat or a closing socket, do not appear in every one of several samples.
  const looks = [];
  for (let look = 0; look < 5; look++) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    looks.push(takeCensus());
  }
  process.send({ figures: Object.fromEntries(Object.keys(looks[0]).map((name) => [name, Math.min(...looks.map((one) => one[name]))])) });
});
process.on('disconnect', () => process.exit());
main();
