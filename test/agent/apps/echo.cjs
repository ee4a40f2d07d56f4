'use strict';
// Reports the lane it runs in, and calls a peer with http and fetch, with the headers and at the address that the request asks for.

const http = require('node:http');
const https = require('node:https');
const fs = require('node:fs');
const { currentLane } = require('@lane/core');

const ca = fs.readFileSync(`${__dirname}/../tls/cert.pem`);
const agents = { keep: new http.Agent({ keepAlive: true }), tls: new https.Agent({ ca, keepAlive: true }) };

const parse = (body) => (process.env.ECHO_TEXT ? body : JSON.parse(body));

function viaHttp(url, headers) {
  return new Promise((resolve) => {
    const secure = url.startsWith('https:');
    (secure ? https : http)
      .get(
        url,
        {
          headers,
          agent: secure ? agents.tls : agents.keep,
          ...(process.env.LOOKUP_ALL
            ? { lookup: (_, options, done) => (options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)) }
            : {}),
        },
        (response) => {
          let body = '';
          response.on('data', (chunk) => (body += chunk));
          response.on('end', () => resolve(parse(body)));
        },
      )
      .on('error', (error) => resolve({ error: { code: error.code, message: error.message } }));
  });
}

async function viaFetch(url, headers) {
  try {
    return parse(await (await fetch(url, { headers })).text());
  } catch (error) {
    const { code, message } = error.cause ?? error;
    return { error: { code, message } };
  }
}

const pools = new Map();
async function viaPool(url, kind) {
  const undici = require('undici');
  const { origin, pathname, search } = new URL(url);
  const id = `${kind} ${origin}`;
  if (!pools.has(id))
    pools.set(id, kind === 'agent' ? new undici.Agent() : kind === 'pool' ? new undici.Pool(origin, { connections: 1 }) : new undici.Client(origin));
  try {
    const answered = await pools.get(id).request({ ...(kind === 'agent' ? { origin } : {}), path: pathname + search, method: 'GET' });
    return await answered.body.json();
  } catch (error) {
    return { error: { code: error.code, message: error.message } };
  }
}

let background;
const hasTicked = new Promise((resolve) => {
  setInterval(() => {
    background = currentLane() ?? null;
    resolve();
  }, 5).unref();
});

const server = http.createServer(async (request, response) => {
  for await (const _ of request);
  await hasTicked;
  const { searchParams } = new URL(request.url, 'http://app');
  const url = searchParams.get('url') ?? process.env.PEER;
  // As a proxy does: copies the request's headers to the call.
  const copied = searchParams.has('copy')
    ? Object.fromEntries(
        Object.entries(request.headers).filter(([name]) => !['host', 'connection', 'transfer-encoding', 'content-length', 'expect'].includes(name)),
      )
    : {};
  const answer = { lane: currentLane() ?? null, background, mark: request[Symbol.for('lane.request.v1')] ?? null };
  const ways = (searchParams.get('ways') ?? 'http,fetch').split(',');
  for (const way of ways)
    answer[way] = way === 'http' ? await viaHttp(url, copied) : way === 'fetch' ? await viaFetch(url, copied) : await viaPool(url, way);
  response.end(JSON.stringify(answer));
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit());
