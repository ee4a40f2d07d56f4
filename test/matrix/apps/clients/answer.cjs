'use strict';
/** The body of the answer to a node:http request. */
exports.answerTo = (send) =>
  new Promise((resolve, reject) => {
    const sent = send((response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => (response.statusCode === 200 ? resolve(body) : reject(new Error(`status ${response.statusCode}`))));
    });
    sent.on('error', reject);
  });
