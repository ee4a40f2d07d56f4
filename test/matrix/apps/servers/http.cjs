'use strict';
const { readFileSync } = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { join } = require('node:path');
const { listen, textOf } = require('./listen.cjs');

async function handler(request, response) {
  if (request.url === '/iterated') await textOf(request);
  if (request.url === '/data') await new Promise((resolve) => request.once('data', resolve));
  if (request.url === '/end') {
    request.resume().on('end', async () => response.end(await heard()));
    return;
  }
  response.end(await heard());
}
const tls = join(__dirname, '../../../agent/tls');
exports.start = (scheme) =>
  listen(
    scheme === 'https'
      ? https.createServer({ key: readFileSync(join(tls, 'key.pem')), cert: readFileSync(join(tls, 'cert.pem')) }, handler)
      : http.createServer(handler),
  );
