'use strict';
// An app in which another library patches Node after the agent has started: node:domain, zone.js, async-listener, SES, or one that changes
// EventEmitter.prototype.emit. Serves concurrent requests of three kinds; prints what that library sees, and the tag of each onward call.

const { EventEmitter } = require('node:events');
const http = require('node:http');

const seen = new Set();
const see = (what) => void seen.add(what);
const same = (listener) => listener;

// Each starts the library, and returns a wrapper for the listeners that it watches.
const LIBRARIES = {
  domain: () => {
    const domain = require('node:domain').create();
    domain.on('error', ({ message }) => see(`caught ${message}`));
    return (listener) => (request, response) => {
      domain.add(request);
      listener(request, response);
      request.on('end', () => request.emit('error', new Error('of a request')));
    };
  },
  'zone.js': () => {
    require('zone.js/node');
    const zone = globalThis.Zone.current.fork({ name: 'app' });
    return (listener) =>
      zone.wrap((request, response) => {
        see(`a request is in the zone ${globalThis.Zone.current.name}`);
        request.on('end', () => see(`its end is in the zone ${globalThis.Zone.current.name}`));
        setTimeout(() => see(`its timer is in the zone ${globalThis.Zone.current.name}`));
        void Promise.resolve().then(() => see(`its promise is in the zone ${globalThis.Zone.current.name}`));
        listener(request, response);
      }, 'server');
  },
  'async-listener': () => {
    require('async-listener');
    let current;
    process.addAsyncListener({
      create: () => current,
      before: (_, storage) => void (current = storage),
      after: () => void (current = undefined),
    });
    return (listener) => (request, response) => {
      current = 'kept';
      setTimeout(() => see(`a timer has ${current}`));
      process.nextTick(() => see(`a tick has ${current}`));
      listener(request, response);
      current = undefined;
    };
  },
  ses: () => {
    require('ses');
    globalThis.lockdown({
      errorTaming: 'unsafe',
      consoleTaming: 'unsafe',
      overrideTaming: 'severe',
      evalTaming: 'unsafe-eval',
      legacyRegeneratorRuntimeTaming: 'unsafe-ignore',
    });
    see(`frozen: ${Object.isFrozen(Promise.prototype)}, ${Object.isFrozen(Function.prototype)}`);
    see(`in a compartment: ${new globalThis.Compartment().evaluate('1 + 1')}`);
    return same;
  },
  emit: () => {
    const original = EventEmitter.prototype.emit;
    EventEmitter.prototype.emit = function emit(type, ...rest) {
      if (this instanceof http.Server || this instanceof http.IncomingMessage) see(`${this.constructor.name} ${String(type)}`);
      return original.call(this, type, ...rest);
    };
    return same;
  },
};

async function main() {
  const watched = LIBRARIES[process.argv[2]]();
  const peer = http.createServer((request, response) => response.end(request.headers.baggage ?? ''));
  await new Promise((resolve) => peer.listen(0, '127.0.0.1', resolve));
  const ask = (port, baggage, done) => {
    const headers = baggage === undefined ? {} : { baggage };
    return http.request({ port, host: '127.0.0.1', method: 'POST', headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => done(body));
    });
  };
  const app = http.createServer(
    watched((request, response) => {
      request.resume();
      request.on('end', () => setTimeout(() => ask(peer.address().port, undefined, (body) => response.end(body)).end()));
    }),
  );
  await new Promise((resolve) => app.listen(0, '127.0.0.1', resolve));
  const kinds = ['lane=gray', 'lane=blue', undefined];
  const asked = Array.from({ length: 30 }, (_, i) => {
    const baggage = kinds[i % kinds.length];
    let request;
    const answer = new Promise((resolve) => (request = ask(app.address().port, baggage, resolve)));
    request.write('a');
    return { baggage, request, answer };
  });
  // Their bodies end late, and in a different order.
  for (const { request } of asked.toReversed()) request.end('b');
  const lost = [];
  for (const { baggage, answer } of asked) {
    const carried = await answer;
    if (carried !== (baggage ?? '')) lost.push(`${baggage} became ${carried}`);
  }
  console.log(JSON.stringify({ seen: [...seen].sort((a, b) => (a < b ? -1 : 1)), lost: lost.length }));
  process.exit();
}

main();
