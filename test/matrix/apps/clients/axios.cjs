'use strict';
const http = require('node:http');
const axios = require('axios');

const schemes = ['http', 'https'];
const text = { responseType: 'text', transformResponse: (body) => body };
const client = axios.create({ ...text, httpAgent: new http.Agent({ keepAlive: true, maxSockets: 2 }) });
const retrying = axios.create(text);
// As axios-retry does: the same configuration again.
retrying.interceptors.response.use(undefined, (error) => (error.response?.status === 503 ? retrying.request(error.config) : Promise.reject(error)));

module.exports = {
  'http adapter': { schemes, does: ['redirect'], call: async (url, headers) => (await axios.get(url, { ...text, headers })).data },
  'an instance with an Agent': { schemes, does: ['redirect'], call: async (url, headers) => (await client({ url, headers })).data },
  'fetch adapter': { schemes, does: ['redirect'], call: async (url, headers) => (await axios.get(url, { ...text, adapter: 'fetch', headers })).data },
  'without redirects': { schemes, call: async (url, headers) => (await axios.get(url, { ...text, maxRedirects: 0, headers })).data },
  'an interceptor that repeats': { does: ['retry'], call: async (url, headers) => (await retrying.get(url, { headers })).data },
};
