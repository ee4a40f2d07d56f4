/** B over gRPC and HTTP/2. */
'use strict';
const http2 = require('node:http2');
const { Server, ServerCredentials } = require('@grpc/grpc-js');

const asIs = (bytes) => bytes;
const grpc = new Server();
grpc.addService(
  {
    ask: {
      path: '/b.B/Ask',
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  },
  { ask: (call, done) => done(null, call.request) },
);
const plain = http2.createServer((request, response) => response.end(`B ${request.headers.baggage ?? '-'}`)).listen(0, '127.0.0.1');
grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send({ port: plain.address().port, grpcPort: port });
});
process.on('disconnect', () => process.exit());
