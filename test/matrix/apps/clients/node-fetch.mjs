import http from 'node:http';
import fetch from 'node-fetch';

const pooled = new http.Agent({ keepAlive: true, maxSockets: 2 });
const schemes = ['http', 'https'];
export default {
  fetch: { schemes, does: ['redirect'], call: async (url, headers) => (await fetch(url, { headers })).text() },
  'fetch with an Agent': { does: ['redirect'], call: async (url, headers) => (await fetch(url, { headers, agent: pooled })).text() },
};
