'use strict';
const request = require('request');

const schemes = ['http', 'https'];
const asPromise = (start) => new Promise((resolve, reject) => start((error, response, body) => (error ? reject(error) : resolve(body))));

module.exports = {
  request: { schemes, does: ['redirect'], call: (url, headers) => asPromise((done) => request(url, { headers }, done)) },
  'forever agent': { call: (url, headers) => asPromise((done) => request({ url, headers, forever: true }, done)) },
  'pool of two': { call: (url, headers) => asPromise((done) => request({ url, headers, pool: { maxSockets: 2 } }, done)) },
};
