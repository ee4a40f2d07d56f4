'use strict';
const urllib = require('urllib4');

const schemes = ['http', 'https'];
const client = new urllib.HttpClient({ connect: { timeout: 30_000 } });
const text = { dataType: 'text' };

module.exports = {
  request: {
    schemes,
    does: ['redirect'],
    call: async (url, headers) => (await urllib.request(url, { ...text, headers, followRedirect: true })).data,
  },
  HttpClient: { schemes, call: async (url, headers) => (await client.request(url, { ...text, headers })).data },
  retry: {
    does: ['retry'],
    call: async (url, headers) =>
      (await urllib.request(url, { ...text, headers, retry: 2, retryDelay: 1, isRetry: ({ status }) => status === 503 })).data,
  },
};
