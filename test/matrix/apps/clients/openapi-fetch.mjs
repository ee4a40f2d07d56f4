import createClient from 'openapi-fetch';

export default {
  GET: {
    schemes: ['http', 'https'],
    async call(url, headers) {
      const { origin, pathname, search } = new URL(url);
      const client = createClient({ baseUrl: origin, headers });
      const { data } = await client.GET(pathname + search, { parseAs: 'text' });
      return data;
    },
  },
};
