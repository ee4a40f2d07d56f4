'use strict';
const http = require('node:http');

// got over HTTP/1.1, of any major version.
module.exports = (got) => {
  const schemes = ['http', 'https'];
  const pooled = new http.Agent({ keepAlive: true, maxSockets: 2 });
  const retry = { limit: 2, statusCodes: [503], calculateDelay: ({ computedValue }) => (computedValue === 0 ? 0 : 1) };
  return {
    got: { schemes, does: ['redirect', 'retry'], call: async (url, headers) => (await got(url, { headers, retry })).body },
    'got with an Agent': { call: async (url, headers) => (await got(url, { headers, agent: { http: pooled }, retry: { limit: 0 } })).body },
    'got.stream': {
      schemes,
      async call(url, headers) {
        let body = '';
        for await (const chunk of got.stream(url, { headers })) body += chunk;
        return body;
      },
    },
  };
};
