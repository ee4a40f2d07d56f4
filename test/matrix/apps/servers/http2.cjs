'use strict';
const { readFileSync } = require('node:fs');
const http2 = require('node:http2');
const { join } = require('node:path');
const { listen, textOf } = require('./listen.cjs');

const tls = join(__dirname, '../../../agent/tls');
exports.start = (api, scheme) => {
  const server =
    scheme === 'h2'
      ? http2.createSecureServer({ key: readFileSync(join(tls, 'key.pem')), cert: readFileSync(join(tls, 'cert.pem')), allowHTTP1: true })
      : http2.createServer();
  if (api === 'stream') {
    server.on('stream', async (stream, headers) => {
      requestIsThere();
      if (headers[':path'] === '/iterated') await textOf(stream);
      else await new Promise((resolve) => stream.on('data', resolve));
      const answer = await heard();
      stream.respond({ ':status': 200 });
      stream.end(answer);
    });
  } else {
    server.on('request', async (request, response) => {
      requestIsThere();
      if (request.url === '/iterated') await textOf(request);
      else await new Promise((resolve) => request.on('data', resolve));
      response.end(await heard());
    });
  }
  return listen(server);
};
