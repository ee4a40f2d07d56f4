'use strict';
// Publishes a message in each request, and handles messages: the handler calls the peer, which reports the lane.

const http = require('node:http');
const { join } = require('node:path');
const { setTimeout } = require('node:timers/promises');
const { pathToFileURL } = require('node:url');

const results = {};

function heard() {
  return new Promise((resolve, reject) => {
    http
      .get(process.env.PEER, (response) => {
        let body = '';
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve(JSON.parse(body).baggage.join()));
      })
      .on('error', reject);
  });
}

/** The handler of a message; `own` is a header that the app set. */
async function handle(id, own) {
  const before = await heard();
  await setTimeout(1);
  const after = await heard();
  results[id] = { before, after, own, times: (results[id]?.times ?? 0) + 1 };
  process.send({ kind: 'handled' });
}

async function main() {
  const loaded = await import(pathToFileURL(join(__dirname, 'messages', process.argv[2])).href);
  const publishers = await (loaded.default ?? loaded)(handle, ...process.argv.slice(3));
  const server = http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://host');
    if (pathname === '/forms') return void response.end(JSON.stringify(Object.keys(publishers)));
    // Globals of the agent whose hooks can be made to fail.
    if (pathname === '/hooks') return void response.end(JSON.stringify([...globalThis.laneHooks]));
    if (pathname === '/fault') {
      globalThis.laneFault = Object.fromEntries(searchParams);
      return void response.end();
    }
    if (pathname === '/results') return void response.end(JSON.stringify(results));
    for await (const chunk of request) void chunk;
    try {
      await publishers[searchParams.get('form')](searchParams.get('id'));
      response.end('published');
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error?.stack ?? error));
    }
  });
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
}
main();
