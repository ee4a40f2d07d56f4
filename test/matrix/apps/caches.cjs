'use strict';
// Each request asks the peer through a cache; answers what it was told, which is the baggage that the peer saw.
const http = require('node:http');

const { PEER } = process.env;
const { origin } = new URL(PEER);

const caches = {};
for (const version of ['undici7', 'undici8']) {
  // Not of this Node.
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
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
