'use strict';
// undici over HTTP/2: requests of all lanes share a session.
module.exports = ({ Agent, Pool, request, fetch }) => {
  const schemes = ['h2'];
  const agent = new Agent({ allowH2: true });
  const pools = new Map();
  const poolOf = (origin) => {
    if (!pools.has(origin)) pools.set(origin, new Pool(origin, { allowH2: true, connections: 1 }));
    return pools.get(origin);
  };
  return {
    request: { schemes, call: async (url, headers) => (await request(url, { dispatcher: agent, headers })).body.text() },
    'a body': {
      schemes,
      call: async (url, headers) => (await request(url, { dispatcher: agent, method: 'POST', headers, body: 'body' })).body.text(),
    },
    fetch: { schemes, call: async (url, headers) => (await fetch(url, { dispatcher: agent, headers })).text() },
    'Pool with one connection': {
      schemes,
      async call(url, headers) {
        const { origin, pathname, search } = new URL(url);
        return (await poolOf(origin).request({ path: pathname + search, method: 'GET', headers })).body.text();
      },
    },
  };
};
