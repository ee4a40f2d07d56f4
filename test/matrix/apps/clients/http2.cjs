'use strict';
const http2 = require('node:http2');

const schemes = ['h2c', 'h2'];
const sessions = new Map();

function sessionOf(url) {
  const { origin } = new URL(url);
  let session = sessions.get(origin);
  if (session === undefined || session.destroyed || session.closed) sessions.set(origin, (session = http2.connect(origin)));
  return session;
}

function ask(session, url, headers, body) {
  return new Promise((resolve, reject) => {
    const { pathname, search } = new URL(url);
    const stream = session.request({ ':method': body === undefined ? 'GET' : 'POST', ':path': pathname + search, ...headers });
    let answer = '';
    stream.setEncoding('utf8');
    stream.on('error', reject);
    session.on('error', reject);
    stream.on('data', (chunk) => (answer += chunk));
    stream.on('end', () => {
      session.off('error', reject);
      resolve(answer);
    });
    stream.end(body);
  });
}

module.exports = {
  'one session for all': { schemes, call: (url, headers) => ask(sessionOf(url), url, headers) },
  'a body': { schemes, call: (url, headers) => ask(sessionOf(url), url, headers, 'body') },
  // The listener for the answer calls again, in the lane of its own request.
  'a call from an answer': {
    schemes,
    call: (url, headers) =>
      new Promise((resolve, reject) => {
        const { pathname, search } = new URL(url);
        const first = sessionOf(url).request({ ':path': pathname + search, ...headers });
        first.on('error', reject);
        first.on('response', () => first.resume());
        first.on('end', () => ask(sessionOf(url), url, headers).then(resolve, reject));
        first.end();
      }),
  },
  'a session each': {
    schemes,
    async call(url, headers) {
      const session = http2.connect(url);
      const answer = await ask(session, url, headers);
      session.close();
      return answer;
    },
  },
};
