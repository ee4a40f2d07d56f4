/** What A does to answer a request: it calls B, whose ports the environment has. Required once these are known. */
'use strict';
const http = require('node:http');

const agent = new http.Agent({ keepAlive: true });
const port = Number(process.env.B_PORT);
const origin = `http://127.0.0.1:${port}`;

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

const ITEMS = Array.from({ length: 20 }, (_, id) => ({ id, name: `item ${id}`, price: id * 1.5, tags: ['a', 'b'] }));

const WORKLOADS = {
  http() {
    return http.createServer((request, response) => {
      http.get({ host: '127.0.0.1', port, path: '/b', agent }, (answer) => {
        response.writeHead(answer.statusCode, { 'content-type': 'text/plain' });
        answer.pipe(response);
      });
    });
  },
  /** What a typical handler also does: some awaits, some JSON. */
  awaits() {
    return http.createServer(async (request, response) => {
      for (let i = 0; i < 60; i++) await null;
      const answer = JSON.parse(JSON.stringify({ b: await textOf('/b'), items: ITEMS }));
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answer));
    });
  },
  fetch() {
    return http.createServer(async (request, response) => {
      const answer = await fetch(`${origin}/b`);
      response.end(await answer.text());
    });
  },
  undici() {
    const undici = require('undici');
    const dispatcher = new undici.Agent({ connections: 16 });
    return http.createServer(async (request, response) => {
      const { body } = await undici.request(`${origin}/b`, { dispatcher });
      response.end(await body.text());
    });
  },
};

/** The server of a workload; those that need libraries are with these. */
exports.serverOf = async (workload) => (WORKLOADS[workload] ?? require('./others/workloads.cjs').WORKLOADS[workload])();
