'use strict';
const { createServer } = require('node:http');
const { answer } = require('./answer.cjs');

// The test counts what the app prints, not its messages: in cluster mode Node itself needs the channel.
if (process.env.CLUSTER === undefined) delete process.send;
createServer((request, response) => {
  console.log('a request has arrived');
  void answer(request, response);
}).listen(Number(process.env.PORT), '127.0.0.1', () => console.log('listening'));
