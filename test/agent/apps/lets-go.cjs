'use strict';
// Makes a call in a lane over an HTTP/2 session, and unrefs the session afterwards; the process has nothing else to do.

const http2 = require('node:http2');
const { runInLane } = require('@lane/core');

runInLane('gray', () => {
  const session = http2.connect(process.env.PEER);
  const stream = session.request({ ':path': '/' });
  stream.on('data', (data) => process.stdout.write(data));
  stream.on('end', () => session.unref());
  stream.end();
});
