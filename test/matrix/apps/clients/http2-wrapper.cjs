'use strict';
const http2 = require('http2-wrapper');

const schemes = ['h2'];
// From Node 26 on it cannot call an address: it uses that as the TLS server name (without the agent too).
const scenarios = Number(process.versions.node.split('.')[0]) < 26 ? ['direct', 'name', 'address'] : ['name'];
const read = (response, resolve) => {
  let body = '';
  response.setEncoding('utf8');
  response.on('data', (chunk) => (body += chunk));
  response.on('end', () => resolve(body));
};

module.exports = {
  request: {
    schemes,
    scenarios,
    call: (url, headers) =>
      new Promise((resolve, reject) =>
        http2
          .request(url, { headers }, (response) => read(response, resolve))
          .on('error', reject)
          .end(),
      ),
  },
  auto: {
    schemes,
    scenarios: ['direct', 'name', 'address'],
    call: (url, headers) =>
      new Promise((resolve, reject) => {
        http2.auto(url, { headers }, (response) => read(response, resolve)).then((request) => request.on('error', reject).end(), reject);
      }),
  },
  // The listener for the answer calls again, in the lane of its own request.
  'a call from an answer': {
    schemes,
    scenarios,
    call: (url, headers) =>
      new Promise((resolve, reject) =>
        http2
          .get(url, { headers }, (first) => {
            first.resume();
            http2.get(url, { headers }, (response) => read(response, resolve)).on('error', reject);
          })
          .on('error', reject),
      ),
  },
};
