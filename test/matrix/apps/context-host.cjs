'use strict';
// Each request runs a form of a library; in each of the library's callbacks, `see` calls the peer, which reports the lane. Forms check
// callbacks that belong to no request themselves, with `seen`.

const http = require('node:http');
const { join } = require('node:path');
const { setTimeout } = require('node:timers/promises');
const { pathToFileURL } = require('node:url');

/** Far longer than any request takes on a busy machine; without the agent's part, some may hang. */
const HANGING_MS = process.env.LANE_DISABLE === undefined ? 40_000 : 10_000;

async function unanswered() {
  await setTimeout(HANGING_MS, undefined, { ref: false });
  throw new Error(`no answer in ${HANGING_MS} ms`);
}

function seen() {
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

async function main() {
  const loaded = await import(pathToFileURL(join(__dirname, 'context', process.argv[2])).href);
  const forms = await (loaded.default ?? loaded)(...process.argv.slice(3));
  const server = http.createServer(async (request, response) => {
    process.send({ kind: 'request' });
    const form = new URL(request.url, 'http://host').searchParams.get('form');
    if (form === null) {
      response.end(JSON.stringify(Object.keys(forms)));
      return;
    }
    for await (const chunk of request) void chunk;
    const sightings = [];
    const see = (where) => sightings.push(seen().then((baggage) => [where, baggage]));
    try {
      await Promise.race([forms[form](see, seen), unanswered()]);
      see('afterwards');
      response.end(JSON.stringify(await Promise.all(sightings)));
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error?.stack ?? error));
    }
  });
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
}
main();
