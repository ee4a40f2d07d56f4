/** What both targets of the gateway share: a gateway in this process, and what must hold after each input. */
'use strict';
const assert = require('node:assert');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const { startGateway } = require('@lane/gateway');
const { registryOfOne } = require('../../servers/one-instance.cjs');

/** A gateway whose only route leads to `port`. Its sessions of HTTP/2 have short lives, the rest has time: a slow machine is no finding. */
exports.startGateway = async (port, onAccess) => {
  const registry = registryOfOne(port);
  const timeouts = { keepAliveMs: 200 };
  // A fuzzer or a test ends when it likes: no server holds it up.
  const { listen } = net.Server.prototype;
  net.Server.prototype.listen = function (...args) {
    return listen.apply(this, args).unref();
  };
  const gateway = await startGateway({ port: 0, registry, entry: 'hosts', routes: [{ host: '*', service: 'web' }], timeouts, onAccess });
  net.Server.prototype.listen = listen;
  await gateway.ready();
  return gateway;
};

exports.listening = async (server) => {
  server.listen(0, '127.0.0.1');
  server.unref();
  await once(server, 'listening');
  return server.address().port;
};

/** Asks as an ordinary client, which leaves after `patienceMs`; the answer, or the code of the error. */
exports.ask = (port, path, patienceMs = 0) =>
  new Promise((resolve) => {
    const request = http.get({ port, host: '127.0.0.1', path, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode, body }));
      response.on('error', (error) => resolve({ status: 0, body: error.code }));
    });
    request.on('error', (error) => resolve({ status: 0, body: error.code }));
    request.setTimeout(patienceMs, () => request.destroy());
  });

/**
 * The next client is served. With `mayFailOnce` only the one after that may be: what an instance says of its own accord may arrive just when its
 * connection has been given to the next request, and HTTP/1.1 has no means to tell it from the answer to that. A known limit, in SECURITY.md.
 */
exports.expectServed = async (port, { mayFailOnce = false } = {}) => {
  const isServed = ({ status, body }) => status === 200 && body === 'normal';
  let served = await exports.ask(port, '/normal');
  if (mayFailOnce && !isServed(served)) served = await exports.ask(port, '/normal');
  assert.ok(isServed(served), `the next client is not served: ${JSON.stringify(served)}`);
};
