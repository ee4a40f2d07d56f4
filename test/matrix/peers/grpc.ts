/** A gRPC peer: one service with a call of each kind, which answers with what it saw. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as Grpc from '@grpc/grpc-js';
import type { Peer } from '../../agent/peer.js';

const grpc = createRequire(join(__dirname, 'grpc.ts'))('@grpc/grpc-js') as typeof Grpc;

const json = {
  serialize: (value: unknown) => Buffer.from(JSON.stringify(value)),
  deserialize: (bytes: Buffer): unknown => JSON.parse(bytes.toString()),
};
const method = (path: string, requestStream: boolean, responseStream: boolean): Grpc.MethodDefinition<unknown, unknown> => ({
  path: `/shop.Echo/${path}`,
  requestStream,
  responseStream,
  requestSerialize: json.serialize,
  requestDeserialize: json.deserialize,
  responseSerialize: json.serialize,
  responseDeserialize: json.deserialize,
});

/** Starts it; each message of an answer is what it saw. */
export async function startGrpcPeer(name: string): Promise<Peer> {
  const seen = (call: { metadata: Grpc.Metadata; getPath(): string; getHost(): string }): unknown => ({
    name,
    url: call.getPath(),
    host: call.getHost(),
    baggage: call.metadata.get('baggage').map(String),
    headers: call.metadata.getMap(),
    body: '',
  });
  const broken = new Set<string>();
  const server = new grpc.Server();
  server.addService(
    {
      unary: method('unary', false, false),
      client: method('client', true, false),
      server: method('server', false, true),
      both: method('both', true, true),
    },
    {
      unary: (call: Grpc.ServerUnaryCall<{ flaky?: string }, unknown>, done: Grpc.sendUnaryData<unknown>) => {
        const { flaky } = call.request;
        if (flaky !== undefined && !broken.has(flaky)) {
          broken.add(flaky);
          done({ code: grpc.status.UNAVAILABLE, details: 'the first time' });
        } else done(null, seen(call));
      },
      client: (call: Grpc.ServerReadableStream<unknown, unknown>, done: Grpc.sendUnaryData<unknown>) => {
        call.on('data', () => {});
        call.on('end', () => done(null, seen(call)));
      },
      server: (call: Grpc.ServerWritableStream<unknown, unknown>) => {
        call.write(seen(call));
        call.end();
      },
      both: (call: Grpc.ServerDuplexStream<unknown, unknown>) => {
        call.on('data', () => call.write(seen(call)));
        call.on('end', () => call.end());
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  return { port, close: async () => server.forceShutdown() };
}
