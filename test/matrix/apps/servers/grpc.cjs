'use strict';
const grpc = require('@grpc/grpc-js');

const method = (path, requestStream) => ({
  path: `/shop.Echo/${path}`,
  requestStream,
  responseStream: false,
  requestSerialize: Buffer.from,
  requestDeserialize: String,
  responseSerialize: Buffer.from,
  responseDeserialize: String,
});
exports.start = () => {
  const server = new grpc.Server();
  server.addService(
    { unary: method('unary', false), client: method('client', true) },
    {
      unary: (call, done) => heard().then((answer) => done(null, answer), done),
      client(call, done) {
        requestIsThere();
        call.on('data', () => {});
        call.on('end', () => heard().then((answer) => done(null, answer), done));
      },
    },
  );
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
  );
};
