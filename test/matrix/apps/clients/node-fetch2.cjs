'use strict';
const http = require('node:http');
const fetch = require('node-fetch2');

const pooled = new http.Agent({ keepAlive: true, maxSockets: 2 });
const schemes = ['http', 'https'];
module.exports = {
  fetch: { schemes, does: ['redirect'], call: async (url, headers) => (await fetch(url, { headers })).text() },
  'fetch with an Agent': { does: ['redirect'], call: async (url, headers) => (await fetch(url, { headers, agent: pooled })).text() },
};
