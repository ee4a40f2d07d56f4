'use strict';
// Calls the URL that it is asked for by the client that it is asked for; answers what came back. WITH loads a module before.
if (process.env.WITH) require(process.env.WITH);
const http = require('node:http');

const undici = () => require('undici');
const dispatchers = {};
const throughUndici = async (url, dispatcher) => (await undici().request(url, { dispatcher })).body.text();

const clients = {
  http: (url) =>
    new Promise((resolve, reject) => {
      const { get } = url.startsWith('https:') ? require('node:https') : http;
      get(url, (answer) => {
        let body = '';
        answer.on('data', (chunk) => (body += chunk));
        answer.on('end', () => resolve(body));
      }).on('error', reject);
    }),
  fetch: async (url) => (await fetch(url)).text(),
  EnvHttpProxyAgent: async (url) => throughUndici(url, (dispatchers.env ??= new (undici().EnvHttpProxyAgent)())),
  ProxyAgent: async (url) => throughUndici(url, (dispatchers.proxy ??= new (undici().ProxyAgent)(process.env.HTTP_PROXY))),
};

const server = http.createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://host');
  clients[searchParams.get('client')](searchParams.get('url')).then(
    (body) => response.end(body),
    (error) => response.writeHead(502).end(JSON.stringify({ failed: `${error.message} ${error.cause?.message ?? ''}` })),
  );
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
