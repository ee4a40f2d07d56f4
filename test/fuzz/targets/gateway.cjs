/** Shared by both gateway targets: a gateway in this process, and what must hold after each input. */
'use strict';
const assert = require('node:assert');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const { SYSTEM_CLOCK } = require('@lane/core/model');
const { startGateway } = require('@lane/gateway');
const { registryOfOne } = require('../../servers/fixed-registry.cjs');

let days = 0;
/** Real time, plus the skipped days. */
const clock = { ...SYSTEM_CLOCK, nowMs: () => SYSTEM_CLOCK.nowMs() + days * 86_400_000 };

/** Makes the gateways forget what they remember of an instance. */
exports.passDay = () => void days++;

/** A gateway whose only route leads to `port`. HTTP/2 sessions are short-lived; other limits are generous, so that a slow machine is no finding. */
exports.startGateway = async (port, onAccess) => {
  const registry = registryOfOne(port);
  const timeouts = { keepAliveMs: 200 };
  // No server keeps a fuzzer or a test running.
  const { listen } = net.Server.prototype;
  net.Server.prototype.listen = function (...args) {
    return listen.apply(this, args).unref();
  };
  const gateway = await startGateway({ port: 0, registry, entry: 'hosts', routes: [{ host: '*', service: 'web' }], timeouts, onAccess, clock });
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

/** Sends a request as an ordinary client, which leaves after `patienceMs`; returns the answer, or the error code. */
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

/** The next client is served. */
exports.expectServed = async (port) => {
  const served = await exports.ask(port, '/normal');
  assert.ok(served.status === 200 && served.body === 'normal', `the next client is not served: ${JSON.stringify(served)}`);
};
