'use strict';
const grpc = require('@grpc/grpc-js');

const schemes = ['grpc'];
const serialize = (value) => Buffer.from(JSON.stringify(value));
const deserialize = (bytes) => JSON.parse(bytes.toString());
const method = (path, requestStream, responseStream) => ({
  path: `/shop.Echo/${path}`,
  requestStream,
  responseStream,
  requestSerialize: serialize,
  requestDeserialize: deserialize,
  responseSerialize: serialize,
  responseDeserialize: deserialize,
});
const Echo = grpc.makeGenericClientConstructor({
  unary: method('unary', false, false),
  client: method('client', true, false),
  server: method('server', false, true),
  both: method('both', true, true),
});

const clients = new Map();
const retries = {
  'grpc.service_config': JSON.stringify({
    methodConfig: [
      {
        name: [{}],
        retryPolicy: { maxAttempts: 3, initialBackoff: '0.01s', maxBackoff: '0.1s', backoffMultiplier: 1, retryableStatusCodes: ['UNAVAILABLE'] },
      },
    ],
  }),
};
function clientOf(url, options = {}) {
  const { host } = new URL(url);
  const id = `${host} ${JSON.stringify(options)}`;
  if (!clients.has(id)) clients.set(id, new Echo(host, grpc.credentials.createInsecure(), options));
  return clients.get(id);
}
const metadataOf = (headers) => {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
};
const first = (call) =>
  new Promise((resolve, reject) => {
    call.on('data', (message) => resolve(JSON.stringify(message)));
    call.on('error', reject);
  });
const answer = (start) => new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(JSON.stringify(value)))));

module.exports = {
  unary: { schemes, call: (url, headers) => answer((done) => clientOf(url).unary({}, metadataOf(headers), done)) },
  'unary, a client each': {
    schemes,
    async call(url, headers) {
      const client = new Echo(new URL(url).host, grpc.credentials.createInsecure());
      const body = await answer((done) => client.unary({}, metadataOf(headers), done));
      client.close();
      return body;
    },
  },
  'unary, retried': {
    schemes,
    call: (url, headers) => answer((done) => clientOf(url, retries).unary({ flaky: url }, metadataOf(headers), done)),
  },
  'client stream': {
    schemes,
    call: (url, headers) =>
      answer((done) => {
        const call = clientOf(url).client(metadataOf(headers), done);
        call.write({});
        call.end();
      }),
  },
  'server stream': { schemes, call: (url, headers) => first(clientOf(url).server({}, metadataOf(headers))) },
  'both streams': {
    schemes,
    call(url, headers) {
      const call = clientOf(url).both(metadataOf(headers));
      const body = first(call);
      call.write({});
      call.end();
      return body;
    },
  },
};
