'use strict';
// got over HTTP/2: requests of all lanes share a session.
module.exports = (got) => {
  const schemes = ['h2'];
  const scenarios = ['direct', 'name', 'address'];
  const retry = { limit: 0 };
  return {
    got: { schemes, scenarios, call: async (url, headers) => (await got(url, { headers, retry, http2: true })).body },
    'a body': { schemes, scenarios, call: async (url, headers) => (await got.post(url, { headers, retry, http2: true, body: 'body' })).body },
    'got.stream': {
      schemes,
      scenarios,
      async call(url, headers) {
        let body = '';
        for await (const chunk of got.stream(url, { headers, retry, http2: true })) body += chunk;
        return body;
      },
    },
  };
};
