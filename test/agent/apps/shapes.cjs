'use strict';
// Handles a tagged request, upgrade and HTTP/2 stream, then reports the visible shape of the named modules (`node:` modules, or paths): keys, names,
// lengths, texts, and what for…in and util.inspect show.

const http = require('node:http');
const http2 = require('node:http2');
const { once } = require('node:events');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const { inspect } = require('node:util');

const DEPTH = 3;
const files = process.argv.slice(2);
const load = createRequire(join(process.cwd(), 'app.js'));

const baggage = 'lane=gray';

async function useAll() {
  const server = http.createServer((request, response) => request.resume().on('end', () => response.end()));
  server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address();
  await fetch(`http://127.0.0.1:${port}/`, { headers: { baggage } }).then((answer) => answer.text());
  const upgrading = http.get({ port, host: '127.0.0.1', headers: { baggage, connection: 'upgrade', upgrade: 'x' } });
  const [, socket] = await once(upgrading, 'upgrade');
  socket.destroy();
  const multiplexing = http2.createServer((_, response) => response.end());
  await once(multiplexing.listen(0, '127.0.0.1'), 'listening');
  const session = http2.connect(`http://127.0.0.1:${multiplexing.address().port}`);
  const stream = session.request({ baggage });
  await once(stream.resume(), 'end');
  const made = { server, request: upgrading, multiplexing, session, stream };
  session.close();
  server.close();
  server.closeAllConnections();
  multiplexing.close();
  return made;
}

const shapes = {};

function keysIn(value) {
  const keys = [];
  for (const key in value) keys.push(key);
  // Sorted: an inherited method that became an own property would come earlier.
  return keys.sort();
}

/** The prototype of a function that is not a class. */
const isEmpty = (value) => typeof value === 'object' && value !== null && Object.getOwnPropertyNames(value).join() === 'constructor';

function look(value, at, above) {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function') || above.includes(value)) return;
  if (typeof value === 'function')
    shapes[at] = [value.name, value.length, `${value}`, Object.keys(value), keysIn(value), inspect(value, { depth: 0 }), typeof value.prototype];
  // Inherited properties may have become its own.
  else shapes[at] = [Object.keys(value).filter((key) => !(key in (Object.getPrototypeOf(value) ?? {}))), keysIn(value)];
  if (above.length === DEPTH) return;
  for (const [key, { value: held, enumerable }] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
    // Methods of classes are not enumerable; other hidden properties, such as `super_`, may also be inherited.
    const isLookedAt = enumerable || key === 'prototype' || (typeof value === 'object' && !['constructor', 'toString'].includes(key));
    if (isLookedAt && !isEmpty(held)) look(held, `${at}.${key}`, [...above, value]);
  }
}

async function main() {
  const made = await useAll();
  for (const file of files) {
    try {
      look(load(file), file, []);
    } catch (error) {
      shapes[file] = String(error.message).split('\n')[0];
    }
  }
  // The objects that the app handles: their own keys, and what they inherit.
  if (files.includes('node:http')) {
    for (const [name, object] of Object.entries(made)) {
      let holder = object;
      for (let i = 0; holder !== Object.prototype; i++, holder = Object.getPrototypeOf(holder)) shapes[`${name} ${i}`] = keysIn(holder);
      shapes[`${name}: own`] = Object.keys(object).sort();
    }
  }
  process.stdout.write(JSON.stringify(shapes), () => process.exit());
}
main();
