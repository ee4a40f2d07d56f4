'use strict';
// An app between a caller and a peer: awaits each request's body, then calls the peer in the requested form.

const http = require('node:http');
const { join } = require('node:path');
const { setTimeout } = require('node:timers/promises');
const { pathToFileURL } = require('node:url');

/** Far longer than any call takes on a busy machine; without the agent's part, some may hang. */
const HANGING_MS = process.env.LANE_DISABLE === undefined ? 40_000 : 10_000;

/** So that a hanging call is reported by name. */
async function unanswered() {
  await setTimeout(HANGING_MS, undefined, { ref: false });
  throw new Error(`no answer in ${HANGING_MS} ms`);
}

async function main() {
  const loaded = await import(pathToFileURL(join(__dirname, 'clients', process.argv[2])).href);
  const forms = loaded.default ?? loaded;
  const server = http.createServer(async (request, response) => {
    process.send({ kind: 'request' });
    const asked = new URL(request.url, 'http://host');
    if (asked.pathname === '/forms') {
      response.end(
        JSON.stringify(
          Object.fromEntries(
            Object.entries(forms).map(([name, { schemes = ['http'], scenarios = ['direct', 'name', 'address'], does = [] }]) => [
              name,
              { schemes, scenarios, does },
            ]),
          ),
        ),
      );
      return;
    }
    for await (const chunk of request) void chunk;
    try {
      const call = forms[asked.searchParams.get('form')].call(asked.searchParams.get('url'), { baggage: 'user=42,a=b%20c;p=1' });
      response.end(await Promise.race([call, unanswered()]));
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error?.stack ?? error) + (error?.cause ? ` cause: ${error.cause.stack ?? error.cause}` : ''));
    }
  });
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
}

main();
