import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';

const schemes = ['http', 'https'];
// Wraps the peer's answer as an answer to the query.
const asGraphql = async (url, options) => {
  const response = await fetch(url, options);
  return new Response(JSON.stringify({ data: { seen: await response.text() } }), { headers: { 'content-type': 'application/json' } });
};

export default {
  query: {
    schemes,
    async call(url, headers) {
      const client = new ApolloClient({ link: new HttpLink({ uri: url, headers, fetch: asGraphql }), cache: new InMemoryCache() });
      const { data } = await client.query({
        query: gql`
          {
            seen
          }
        `,
        fetchPolicy: 'no-cache',
      });
      return data.seen;
    },
  },
};
