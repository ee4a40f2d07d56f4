'use strict';
// Servers of all kinds, each of which answers, fails, hangs, or hangs up on request; and calls over their own connections.

const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');
const grpc = require('@grpc/grpc-js');
const { WebSocket, WebSocketServer } = require('ws');

function answer(path, { ok, fail, hangUp, url }) {
  // Report hanging requests, so that the test need not wait.
  if (path === '/hang') process.send({ kind: 'hanging' });
  else if (path === '/hang-up') hangUp();
  else if (path === '/fail') fail();
  else if (path === '/own-connection') ownConnection(url.searchParams.get('url')).then(ok, ok);
  else if (path === '/handshake') handshake(url.searchParams.get('url')).then(ok, ok);
  else ok();
}

function ownConnection(url) {
  return new Promise((resolve) => {
    http
      .get(url, { createConnection: (options, done) => net.connect({ host: options.host, port: options.port }, done) }, (response) => {
        response.resume().on('end', resolve);
      })
      .on('error', resolve);
  });
}

function handshake(url) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.on('open', () => socket.close()).on('close', resolve);
    socket.on('error', resolve);
  });
}

const answerHttp = (request, response) => {
  const url = new URL(request.url, 'http://app');
  answer(url.pathname, {
    url,
    ok: () => response.end('ok'),
    fail: () => response.writeHead(503).end(),
    hangUp: () => (request.stream ? request.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR) : request.socket.destroy()),
  });
};

const streams = http2.createServer();
streams.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  answer(headers[':path'], {
    ok: () => (stream.respond({ ':status': 200 }), stream.end('ok')),
    fail: () => (stream.respond({ ':status': 503 }), stream.end()),
    hangUp: () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR),
  });
});

const rpc = new grpc.Server();
const method = (path) => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: Buffer.from,
  requestDeserialize: String,
  responseSerialize: Buffer.from,
  responseDeserialize: String,
});
const call = (path) => (_, done) =>
  answer(path, {
    ok: () => done(null, 'ok'),
    fail: () => done({ code: grpc.status.INTERNAL }),
    // NOT_FOUND is the client's error.
    hangUp: () => done({ code: grpc.status.NOT_FOUND }),
  });
rpc.addService(
  Object.fromEntries(['ok', 'fail', 'hang', 'hang-up'].map((name) => [name, method(`/shop.Orders/${name}`)])),
  Object.fromEntries(['ok', 'fail', 'hang', 'hang-up'].map((name) => [name, call(`/${name}`)])),
);

const webSockets = http.createServer();
new WebSocketServer({ server: webSockets }).on('connection', (socket) => socket.on('message', (data) => socket.send(data)));

const servers = { http: http.createServer(answerHttp), compatible: http2.createServer(answerHttp), streams, webSockets };
for (const server of [servers.compatible, streams]) server.on('sessionError', () => {});

async function start() {
  const ports = {
    grpc: await new Promise((resolve, reject) =>
      rpc.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
    ),
  };
  for (const [name, server] of Object.entries(servers)) {
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    ports[name] = server.address().port;
  }
  process.send({ port: ports.http, ports });
}
void start();
process.on('disconnect', () => process.exit());
