import { GraphQLClient } from 'graphql-request';

const schemes = ['http', 'https'];
// The peer's answer is not GraphQL.
const asGraphql = async (url, options) => {
  const response = await fetch(url, options);
  return new Response(JSON.stringify({ data: { seen: await response.text() } }), { headers: { 'content-type': 'application/json' } });
};
const clientOf = (url, headers) => new GraphQLClient(url, { headers, fetch: asGraphql });

export default {
  request: { schemes, call: async (url, headers) => (await clientOf(url, headers).request('{ seen }')).seen },
  rawRequest: { schemes, call: async (url, headers) => (await clientOf(url, headers).rawRequest('{ seen }')).data.seen },
};
