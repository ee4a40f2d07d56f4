'use strict';
const http = require('node:http');
const net = require('node:net');
const { answerTo } = require('./answer.cjs');

const { request, get } = http;
const optionsOf = (url) => {
  const { hostname, port, pathname, search } = new URL(url);
  return { host: hostname, port, path: pathname + search };
};
const pooled = new http.Agent({ keepAlive: true, maxSockets: 2 });
const connecting = new (class extends http.Agent {
  createConnection(options, connected) {
    return net.connect(options, connected);
  }
})({ keepAlive: true });

module.exports = {
  'get(string)': { call: (url, headers) => answerTo((on) => get(url, { headers }, on)) },
  'get(URL)': { call: (url, headers) => answerTo((on) => get(new URL(url), { headers }, on)) },
  'get(options)': { call: (url, headers) => answerTo((on) => get({ ...optionsOf(url), headers }, on)) },
  'request(string)': { call: (url, headers) => answerTo((on) => request(url, { headers }, on).end()) },
  'request(URL)': { call: (url, headers) => answerTo((on) => request(new URL(url), { headers }, on).end()) },
  'request(options)': { call: (url, headers) => answerTo((on) => request({ ...optionsOf(url), headers }, on).end()) },
  'request(hostname)': {
    call: (url, headers) => answerTo((on) => request({ ...optionsOf(url), host: undefined, hostname: new URL(url).hostname, headers }, on).end()),
  },
  'flat array headers': {
    call: (url, headers) => answerTo((on) => request(url, { headers: ['Host', new URL(url).host, ...Object.entries(headers).flat()] }, on).end()),
  },
  'paired array headers': {
    call: (url, headers) => answerTo((on) => request(url, { headers: [['Host', new URL(url).host], ...Object.entries(headers)] }, on).end()),
  },
  setHeader: {
    call: (url, headers) =>
      answerTo((on) => {
        const sent = request(url, on);
        for (const [name, value] of Object.entries(headers)) sent.setHeader(name, value);
        return sent.end();
      }),
  },
  'response event': { call: (url, headers) => answerTo((on) => request(url, { headers }).on('response', on).end()) },
  Agent: { call: (url, headers) => answerTo((on) => get(url, { headers, agent: pooled }, on)) },
  'agent: false': { call: (url, headers) => answerTo((on) => get(url, { headers, agent: false }, on)) },
  'an Agent with createConnection': { call: (url, headers) => answerTo((on) => get(url, { headers, agent: connecting }, on)) },
  createConnection: {
    call: (url, headers) => answerTo((on) => get(url, { headers, createConnection: (options) => net.connect(options.port, options.host) }, on)),
  },
  'createConnection, called back': {
    call: (url, headers) =>
      answerTo((on) =>
        request(
          {
            ...optionsOf(url),
            headers,
            createConnection(options, done) {
              setImmediate(() => done(null, net.connect(options.port, options.host)));
            },
          },
          on,
        ).end(),
      ),
  },
};
