'use strict';
// Calls the requested URL with the requested client, and returns the answer. WITH names a module to load first.
if (process.env.WITH) require(process.env.WITH);
const http = require('node:http');
if (process.env.SET_GLOBAL_PROXY) http.setGlobalProxyFromEnv();

const undici = () => require('undici');
const dispatchers = {};
const throughUndici = async (url, dispatcher) => (await undici().request(url, { dispatcher })).body.text();

const get = (url, options) =>
  new Promise((resolve, reject) => {
    const { get } = url.startsWith('https:') ? require('node:https') : http;
    get(url, options, (answer) => {
      let body = '';
      answer.on('data', (chunk) => (body += chunk));
      answer.on('end', () => resolve(body));
    }).on('error', reject);
  });
const agents = {};
const byAgentWithout = (NO_PROXY) => (url) =>
  get(url, { agent: (agents[NO_PROXY] ??= new http.Agent({ proxyEnv: { HTTP_PROXY: process.env.HTTP_PROXY, NO_PROXY } })) });

const clients = {
  http: (url) => get(url, {}),
  'own-agent': byAgentWithout(''),
  'direct-agent': byAgentWithout('*'),
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
