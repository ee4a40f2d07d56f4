'use strict';
const superagent = require('superagent');

const schemes = ['http', 'https'];

module.exports = {
  promise: {
    schemes,
    does: ['redirect', 'retry'],
    call: async (url, headers) => (await superagent.get(url).set(headers).retry(2).buffer(true)).text,
  },
  callback: {
    schemes,
    call: (url, headers) =>
      new Promise((resolve, reject) => {
        superagent
          .get(url)
          .set(headers)
          .buffer(true)
          .end((error, response) => (error ? reject(error) : resolve(response.text)));
      }),
  },
};
