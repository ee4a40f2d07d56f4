'use strict';
// Shared by both kinds of hop: a server per instance, which makes the calls of the plan, and answers who served them.

const http = require('node:http');

/** All lines of a request's baggage. */
function baggageOf(rawHeaders) {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1].toLowerCase() === 'baggage');
}

/**
 * Starts a server for an instance and returns its port. `call` makes a call of the plan and returns its trail. An instance without a service
 * is the entry: it answers with the trail of the first call.
 */
function serve({ service, tag }, call) {
  const server = http.createServer(async (request, response) => {
    try {
      const calls = await Promise.all(JSON.parse(request.headers['x-calls']).map((next) => call(next, baggageOf(request.rawHeaders))));
      response.end(JSON.stringify(service === undefined ? calls[0] : { service, tag: tag ?? null, calls }));
    } catch (error) {
      response.writeHead(500).end(String(error.stack));
    }
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}

/** Reads a whole answer of node:http. */
function requestByHttp(url, options) {
  return new Promise((resolve, reject) => {
    http
      .get(url, options, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode, body }));
        response.on('error', reject);
      })
      .on('error', reject);
  });
}

/** Starts servers for the instances that the test sends, and reports their ports. */
function listenAsTold(start) {
  process.on('message', async ({ instances }) => process.send({ ports: await Promise.all(instances.map(start)) }));
  process.on('disconnect', () => process.exit());
}

module.exports = { serve, requestByHttp, listenAsTold };
