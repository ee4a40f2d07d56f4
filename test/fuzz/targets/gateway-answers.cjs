/** The gateway's side towards instances: bytes as an answer to a request or WebSocket handshake. The client gets one answer or an error; the next one is served. */
'use strict';
const assert = require('node:assert');
const net = require('node:net');
const { ask, expectServed, listening, passDay, startGateway } = require('./gateway.cjs');

const PATIENCE_MS = 100;
const SILENCE_MS = 30;

let answer = Buffer.alloc(0);
let ready;
async function start() {
  // Without delay, or both an answer's second half and the next request could be in flight for up to 40 ms, and nobody could tell them apart.
  const server = net.createServer({ noDelay: true }, (socket) => {
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

/** Everything that a WebSocket client receives, until the end or silence. */
function shakeHands(gateway) {
  return new Promise((resolve) => {
    let got = '';
    const socket = net.connect(gateway.port, gateway.host).setEncoding('latin1');
    socket.write('GET /fuzz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.on('data', (chunk) => {
      got += chunk;
      socket.setTimeout(SILENCE_MS);
    });
    socket.on('error', () => {}).on('close', () => resolve(got));
  });
}

exports.fuzz = async (data) => {
  const gateway = await (ready ??= start());
  answer = data;
  // The gateway remembers an instance that answers out of turn, and shares no connection to it from then on.
  passDay();
  if ((data.length & 4) === 0) {
    const { status, body } = await ask(gateway.port, '/fuzz', PATIENCE_MS);
    assert.ok(status === 0 || (status >= 200 && status <= 599), `the client got ${status}`);
    assert.ok(!String(body).includes('normal') || data.includes('normal'), 'the client got what was for another one');
  } else {
    const got = await shakeHands(gateway);
    assert.match(got, /^(?:HTTP\/1\.1 (?:101|[2-5]\d\d) |$)/, 'a handshake is answered with what is no answer');
    assert.ok(!got.startsWith('HTTP/1.1 101 ') || data.includes(' 101'), 'a protocol is switched to that the instance does not speak');
  }
  await expectServed(gateway.port);
};
