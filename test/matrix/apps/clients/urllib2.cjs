'use strict';
const urllib = require('urllib2');

const schemes = ['http', 'https'];

module.exports = {
  request: {
    schemes,
    does: ['redirect'],
    call: async (url, headers) => (await urllib.request(url, { headers, followRedirect: true })).data.toString(),
  },
  HttpClient: { schemes, call: async (url, headers) => (await urllib.create().request(url, { headers })).data.toString() },
};
