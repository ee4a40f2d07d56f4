/** The gateway's side of the instances: bytes as an answer, in one piece or two. The client gets one answer or an error, and the next one is served. */
'use strict';
const assert = require('node:assert');
const net = require('node:net');
const { ask, expectServed, listening, startGateway } = require('./gateway.cjs');

let answer = Buffer.alloc(0);
let ready;
async function start() {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (chunk.includes(' /normal ')) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nnormal');
        return;
      }
      const half = answer.length >> 1;
      socket.write(answer.subarray(0, half));
      setImmediate(() => {
        if (answer.length % 3 === 0) socket.resetAndDestroy();
        else {
          socket.write(answer.subarray(half));
          if (answer.length % 3 === 1) socket.end();
        }
      });
    });
  });
  return startGateway(await listening(server));
}

exports.fuzz = async (data) => {
  const gateway = await (ready ??= start());
  answer = data;
  const { status, body } = await ask(gateway.port, '/fuzz');
  assert.ok(status === 0 || (status >= 200 && status <= 599), `the client got ${status}`);
  assert.ok(!String(body).includes('normal') || data.includes('normal'), 'the client got what was for another one');
  await expectServed(gateway.port);
};
