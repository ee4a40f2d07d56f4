'use strict';
// Each request calls the peer through a cache; answers with the baggage that the peer saw.
const { mkdtempSync, rmSync } = require('node:fs');
const http = require('node:http');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const { PEER } = process.env;
const { origin } = new URL(PEER);

const caches = {};
for (const version of ['undici7', 'undici8']) {
  // Not in this Node.
  if (version === 'undici8' && Number(process.versions.node.split('.')[0]) < 22) continue;
  const { Agent, interceptors, request } = require(version);
  const through = (interceptor, path) => {
    const dispatcher = new Agent().compose(interceptor);
    return async () => (await request(origin + path, { dispatcher })).body.text();
  };
  caches[`${version}, cache`] = through(interceptors.cache(), `/${version}/cache`);
  caches[`${version}, deduplicate`] = through(interceptors.deduplicate(), `/${version}/deduplicate`);
}

const { setupCache } = require('axios-cache-interceptor');
const axios = setupCache(require('axios').create(), { responseType: 'text' });
caches['axios-cache-interceptor'] = async () => String((await axios.get(`${origin}/axios`, { responseType: 'text' })).data);

const { IncrementalCache } = require('next/dist/server/lib/incremental-cache');
caches["Next's key of a fetch"] = () => IncrementalCache.prototype.generateCacheKey.call({}, `${origin}/next`, { headers: {} });

// The cache of got 11, used alone, because got 11 never ends a first answer that is cached (Node 20 and later, without the agent too).
const CacheableRequest = require(require.resolve('cacheable-request', { paths: [require.resolve('got11')] }));
const cacheable = new CacheableRequest(http.request, new Map());
const text = (asked) =>
  new Promise((resolve, reject) => {
    const body = async (response) => {
      let read = '';
      for await (const chunk of response) read += chunk;
      resolve(read);
    };
    const asking = cacheable(asked, (response) => void body(response).catch(reject));
    asking.on('request', (request) => request.end());
    asking.on('error', reject);
  });
caches['cacheable-request, a text'] = () => text(`${origin}/text`);
caches['cacheable-request, a URL'] = () => text(new URL(`${origin}/url`));
caches['cacheable-request, options'] = () => {
  const { hostname, port } = new URL(origin);
  return text({ hostname, port, path: '/options' });
};

const folder = mkdtempSync(join(tmpdir(), 'lane-caches-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const fetchHappening = require('make-fetch-happen').defaults({ cachePath: folder });
caches['make-fetch-happen'] = async () => (await fetchHappening(`${origin}/make-fetch-happen`)).text();

/** ES modules, which the agent reaches only by module.registerHooks (Node 22.15). */
async function addModules() {
  if (typeof require('node:module').registerHooks !== 'function') return;
  const imported = (await import('axios-cache-interceptor')).setupCache((await import('axios')).default.create());
  caches['axios-cache-interceptor, imported'] = async () => String((await imported.get(`${origin}/imported`, { responseType: 'text' })).data);
  for (const version of ['got14', 'got']) {
    const { default: got } = await import(version);
    const caching = got.extend({ cache: new Map(), retry: { limit: 0 } });
    caches[version] = async () => (await caching(`${origin}/${version}`)).body;
  }
}

/** Nest's cache of its own answers. */
async function addNest() {
  require('reflect-metadata');
  const { Controller, Get, Module, UseInterceptors } = require('@nestjs/common');
  const { NestFactory } = require('@nestjs/core');
  const { CacheInterceptor, CacheModule } = require('@nestjs/cache-manager');
  class Pages {
    page() {
      return fetched(`${origin}/nest`);
    }
  }
  Get('/page')(Pages.prototype, 'page', Object.getOwnPropertyDescriptor(Pages.prototype, 'page'));
  Controller()(Pages);
  UseInterceptors(CacheInterceptor)(Pages);
  class App {}
  Module({ imports: [CacheModule.register({ ttl: 60_000 })], controllers: [Pages] })(App);
  const app = await NestFactory.create(App, { logger: false });
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address();
  caches['@nestjs/cache-manager'] = () => fetched(`http://127.0.0.1:${port}/page`);
}

function fetched(url) {
  return new Promise((resolve, reject) => {
    http
      .get(url, { agent: false }, (response) => {
        let body = '';
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve(body));
      })
      .on('error', reject);
  });
}

const server = http.createServer(async (request, response) => {
  const { searchParams } = new URL(request.url, 'http://host');
  const name = searchParams.get('cache');
  if (name === null) return response.end(JSON.stringify(Object.keys(caches)));
  try {
    response.end(await caches[name]());
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error.stack));
  }
  return undefined;
});
Promise.all([addModules(), addNest()]).then(() => server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port })));
