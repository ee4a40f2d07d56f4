/** What A does in the benchmarks of a request, in words; the code is in ../workloads.cjs and ../others/workloads.cjs. */
export const WORKLOADS = {
  http: 'node:http with a keep-alive agent',
  awaits: 'node:http, 60 awaits and JSON',
  fetch: 'fetch',
  undici: 'undici.request',
  express: 'Express and axios',
  fastify: 'Fastify and undici',
  nestjs: 'NestJS and axios',
  grpc: 'a unary gRPC call',
  http2: 'node:http2',
  upload: 'a streamed upload of 1 MB',
  download: 'a streamed answer of 1 MB',
  websocket: 'a WebSocket that echoes',
};
