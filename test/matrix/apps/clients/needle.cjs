'use strict';
const needle = require('needle');

const schemes = ['http', 'https'];
const text = ({ body }) => (Buffer.isBuffer(body) ? body.toString() : body);

module.exports = {
  promise: { schemes, does: ['redirect'], call: async (url, headers) => text(await needle('get', url, { headers, follow: 3, parse: false })) },
  callback: {
    schemes,
    call: (url, headers) =>
      new Promise((resolve, reject) =>
        needle.get(url, { headers, parse: false }, (error, response) => (error ? reject(error) : resolve(text(response)))),
      ),
  },
};
