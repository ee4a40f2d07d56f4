'use strict';
const https = require('node:https');
const { isIP } = require('node:net');
const tls = require('node:tls');
const { answerTo } = require('./answer.cjs');

const { request, get } = https;
const pooled = new https.Agent({ keepAlive: true, maxSockets: 2 });
const schemes = ['https'];

module.exports = {
  'get(string)': { schemes, call: (url, headers) => answerTo((on) => get(url, { headers }, on)) },
  'request(URL)': { schemes, call: (url, headers) => answerTo((on) => request(new URL(url), { headers }, on).end()) },
  'request(options)': {
    schemes,
    call(url, headers) {
      const { hostname, port, pathname, search } = new URL(url);
      return answerTo((on) => request({ hostname, port, path: pathname + search, headers }, on).end());
    },
  },
  'array headers': {
    schemes,
    call: (url, headers) => answerTo((on) => request(url, { headers: ['Host', new URL(url).host, ...Object.entries(headers).flat()] }, on).end()),
  },
  Agent: { schemes, call: (url, headers) => answerTo((on) => get(url, { headers, agent: pooled }, on)) },
  'http.request through an https.Agent': {
    schemes,
    call: (url, headers) => answerTo((on) => require('node:http').request(url, { protocol: 'https:', headers, agent: pooled }, on).end()),
  },
  createConnection: {
    schemes,
    call: (url, headers) =>
      answerTo((on) =>
        https.get(
          url,
          {
            headers,
            createConnection: (options) =>
              tls.connect({
                host: options.host,
                port: options.port,
                servername: options.servername || (isIP(options.host) ? undefined : options.host),
              }),
          },
          on,
        ),
      ),
  },
};
