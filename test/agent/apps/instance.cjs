'use strict';
// An instance of four services, the first of which speaks WebSocket, too, of HTTP/1, HTTP/2, gRPC, and HTTP/1 and 2 over TLS, each on a port of its own. It answers with its name; told so,
// with another status (of gRPC: code), after early hints (of gRPC: metadata), late, with a part of an answer before the connection
// breaks, or with none (reset, ended).

const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const grpc = require('@grpc/grpc-js');

const [, , name] = process.argv;
let status = 200;
let code = 0;
let how = 'plainly';
process.on('message', (wanted) => {
  ({ status = 200, code = 0, how = 'plainly' } = wanted);
  process.send({ status, code });
});
const same = (value) => value;

const answer = (request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    const end = () => response.writeHead(status).end(JSON.stringify({ name, body }));
    // An encrypted connection cannot be reset.
    if (how === 'reset') request.socket[request.socket.encrypted === true ? 'destroy' : 'resetAndDestroy']();
    else if (how === 'ended') request.socket.end();
    else if (how === 'late') setTimeout(end, 100);
    else if (how === 'announced') response.writeEarlyHints({ link: '</style.css>; rel=preload' }, end);
    else if (how === 'broken') {
      response.writeHead(200, { 'content-length': 1_000 }).write('{');
      setImmediate(() => response.destroy());
    } else end();
  });
};
const plain = http.createServer(answer);
// Opens a WebSocket, and closes it at once with the instance's name (RFC 6455); or refuses it with the status.
plain.on('upgrade', (request, socket) => {
  socket.on('error', () => {});
  if (status !== 200) return socket.end(`HTTP/1.1 ${status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = require('node:crypto').createHash('sha1').update(key).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.end(Buffer.concat([Buffer.from([0x88, name.length + 2, 3, 232]), Buffer.from(name)]));
});
const pem = (file) => fs.readFileSync(`${__dirname}/../tls/${file}.pem`);
const secure = http2.createSecureServer({ key: pem('key'), cert: pem('cert'), allowHTTP1: true }, answer);
// A connection closed as idle just as it is reused would look like a failure of the instance.
for (const server of [plain, secure]) server.keepAliveTimeout = 600_000;
const multiplexed = http2.createServer();
multiplexed.on('stream', (stream) => {
  stream.respond({ ':status': status });
  stream.end(JSON.stringify({ name }));
});
for (const server of [multiplexed, secure]) server.on('session', (session) => session.on('error', () => {}));
const remote = new grpc.Server();
remote.addService(
  {
    who: {
      path: '/stock.Stock/Who',
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  },
  {
    who: (call, done) => {
      if (how === 'announced') call.sendMetadata(new grpc.Metadata());
      done(code === 0 ? null : { code, details: name }, Buffer.from(JSON.stringify({ name })));
    },
  },
);

const wanted = JSON.parse(process.env.PORTS ?? '{}');
const listen = (server, service) => new Promise((resolve) => server.listen(wanted[service] ?? 0, '127.0.0.1', () => resolve(server.address().port)));
Promise.all([
  listen(plain, 'stock'),
  listen(multiplexed, 'stock-h2'),
  listen(secure, 'shop-b'),
  new Promise((resolve) =>
    remote.bindAsync(`127.0.0.1:${wanted['stock-rpc'] ?? 0}`, grpc.ServerCredentials.createInsecure(), (_, port) => resolve(port)),
  ),
]).then(([port, h2, tls, rpc]) => process.send({ port, ports: { stock: port, 'stock-h2': h2, 'shop-b': tls, 'stock-rpc': rpc } }));
