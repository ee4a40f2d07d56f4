'use strict';
// An instance of four services, of HTTP/1, HTTP/2, gRPC, and HTTP/1 and 2 over TLS, each on a port of its own. It answers with its name; told so,
// with another status, after early hints, late, or with a part of an answer before the connection breaks.

const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const grpc = require('@grpc/grpc-js');

const [, , name] = process.argv;
let status = 200;
let how = 'plainly';
process.on('message', (wanted) => {
  ({ status = 200, how = 'plainly' } = wanted);
  process.send({ status });
});
const same = (value) => value;

const answer = (request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    const end = () => response.writeHead(status).end(JSON.stringify({ name, body }));
    if (how === 'late') setTimeout(end, 100);
    else if (how === 'announced') response.writeEarlyHints({ link: '</style.css>; rel=preload' }, end);
    else if (how === 'broken') {
      response.writeHead(200, { 'content-length': 1_000 }).write('{');
      setImmediate(() => response.destroy());
    } else end();
  });
};
const plain = http.createServer({ keepAliveTimeout: 60_000 }, answer);
const pem = (file) => fs.readFileSync(`${__dirname}/../tls/${file}.pem`);
const secure = http2.createSecureServer({ key: pem('key'), cert: pem('cert'), allowHTTP1: true }, answer);
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
  { who: (_, done) => done(null, Buffer.from(JSON.stringify({ name }))) },
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
