'use strict';
// Reads the global dispatcher before anything has created one, creates its own beside it, and calls the peer with fetch.
const { EventEmitter } = require('node:events');
const http = require('node:http');

for (const version of [1, 2]) void globalThis[Symbol.for(`undici.globalDispatcher.${version}`)];
class Recorder extends EventEmitter {
  dispatch() {
    return false;
  }
}
new Recorder();

http
  .createServer(async (_, response) => response.end(await (await fetch(process.env.PEER)).text()))
  .listen(0, '127.0.0.1', function () {
    process.send({ port: this.address().port });
  });
