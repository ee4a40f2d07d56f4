'use strict';
// A answers by calling B, in the way that WORKLOAD names.
const http = require('node:http');

const agent = new http.Agent({ keepAlive: true });
const port = Number(process.env.B_PORT);
const origin = `http://127.0.0.1:${port}`;

function pipe(response) {
  http.get({ host: '127.0.0.1', port, path: '/b', agent }, (answer) => {
    response.writeHead(answer.statusCode, { 'content-type': 'text/plain' });
    answer.pipe(response);
  });
}

function textOf(path) {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, path, agent }, (answer) => {
        let text = '';
        answer
          .setEncoding('utf8')
          .on('data', (chunk) => (text += chunk))
          .on('end', () => resolve(text));
      })
      .on('error', reject);
  });
}

const WORKLOADS = {
  http: (request, response) => pipe(response),
  /** What a typical handler also does: some awaits, some JSON. */
  async awaits(request, response) {
    for (let i = 0; i < 60; i++) await null;
    const answer = JSON.parse(JSON.stringify({ b: await textOf('/b'), items: ITEMS }));
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer));
  },
  async fetch(request, response) {
    const answer = await fetch(`${origin}/b`);
    response.end(await answer.text());
  },
  undici() {
    const undici = require('undici');
    const dispatcher = new undici.Agent({ connections: 16 });
    return async (request, response) => {
      const { body } = await undici.request(`${origin}/b`, { dispatcher });
      response.end(await body.text());
    };
  },
};
const ITEMS = Array.from({ length: 20 }, (_, id) => ({ id, name: `item ${id}`, price: id * 1.5, tags: ['a', 'b'] }));

async function start() {
  const workload = process.env.WORKLOAD;
  let server;
  if (WORKLOADS[workload] === undefined) server = await require('./others/workloads.cjs').WORKLOADS[workload]();
  else server = http.createServer(workload === 'undici' ? WORKLOADS.undici() : WORKLOADS[workload]);
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
}

void start();
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpu: user + system });
});
process.on('disconnect', () => process.exit());
