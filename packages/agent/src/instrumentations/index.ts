/**
 * The table of all instrumentations, by their name in LANE_DISABLE. The code of each is run only once it is needed: at start
 * for what Node itself has, and for a package when a file of it is loaded.
 */
import type { AgentLog } from '../boot/log.js';
import { BINDING_ACCEPTED, joinBindings, parseBinding, type Binding } from '../patching/bindings.js';
import type { Instrumentation } from '../patching/instrumentation.js';
import { boundLibraries, boundLibrary } from './bound.js';

export const INSTRUMENTATIONS: Readonly<Record<string, Instrumentation>> = {
  'http-server': {
    library: 'node:http, node:https',
    versions: { node: '>=20.19' },
    patches: 'net.Server.prototype.emit; IncomingMessage and ServerResponse emit, from the first tagged request on',
    install: (runtime) => (require('./http-server.js') as typeof import('./http-server.js')).install(runtime),
  },
  'http-client': {
    library: 'node:http, node:https',
    versions: { node: '>=20.19' },
    patches: 'http.Agent.prototype.addRequest, ClientRequest.prototype._storeHeader and onSocket',
    install: (runtime) => (require('./http-client.js') as typeof import('./http-client.js')).install(runtime),
  },
  'http-create-connection': {
    library: 'node:http, node:https',
    versions: { node: '>=20.19' },
    patches: 'http.request and get, for their createConnection option; those of https once it is loaded',
    install: (runtime) => (require('./http-create-connection.js') as typeof import('./http-create-connection.js')).install(runtime),
  },
  undici: {
    library: 'undici, global fetch',
    versions: { undici: '5 - 8', node: '>=20.19' },
    patches:
      'DispatcherBase.prototype.dispatch; ProxyAgent.prototype.dispatch, to know what goes by a proxy; interceptors.dns, which would resolve names of services; the global dispatcher, to know when the copy inside Node comes',
    install: (runtime) => (require('./undici.js') as typeof import('./undici.js')).install(runtime),
    files: [
      'undici/lib/dispatcher/dispatcher-base.js',
      'undici/lib/dispatcher-base.js',
      'undici/lib/dispatcher/proxy-agent.js',
      'undici/lib/proxy-agent.js',
      'undici/lib/interceptor/dns.js',
    ],
    patch: (loaded) => (require('./undici.js') as typeof import('./undici.js')).patch(loaded),
  },
  'http2-client': {
    library: 'node:http2',
    versions: { node: '>=20.19' },
    patches: 'ClientHttp2Session.prototype.request, once http2 is loaded; net.Socket.prototype.connect, for service names',
    install: (runtime) => (require('./http2-client.js') as typeof import('./http2-client.js')).install(runtime),
  },
  'grpc-client': {
    library: '@grpc/grpc-js',
    versions: { '@grpc/grpc-js': '1.x' },
    patches: 'ChannelImplementation.prototype: createCall, close',
    files: ['@grpc/grpc-js/build/src/channel.js'],
    patch: (loaded) => (require('./grpc-client.js') as typeof import('./grpc-client.js')).patch(loaded),
  },
  nacos: {
    library: 'nacos, nacos-naming',
    versions: { nacos: '2.x', 'nacos-naming': '2.x' },
    patches:
      'NacosNamingClient.prototype: registerInstance, getAllInstances, selectInstances, subscribe, unSubscribe; BeatReactor.prototype._startBeat',
    // From the inside out; a later one finds the class patched already.
    files: ['nacos-naming/lib/naming/beat_reactor.js', 'nacos-naming/lib/naming/client.js', 'nacos-naming/index.js', 'nacos/dist/index.js'],
    patch: (loaded) => (require('./nacos.js') as typeof import('./nacos.js')).patch(loaded),
  },
  'nacos-grpc': {
    library: 'nacos-sdk-rust-binding-node',
    versions: { 'nacos-sdk-rust-binding-node': '0.8' },
    patches:
      'NacosNamingClient.prototype: registerInstance, batchRegisterInstance, getAllInstances, selectInstances, selectOneHealthyInstance, subscribe',
    files: ['nacos-sdk-rust-binding-node/index.js'],
    patch: (loaded) => (require('./nacos-grpc.js') as typeof import('./nacos-grpc.js')).patch(loaded),
  },
  'http2-server': {
    library: 'node:http2',
    versions: { node: '>=20.19' },
    patches: 'net.Server.prototype.emit; ServerHttp2Stream emit, from the first tagged request on',
    install: (runtime) => (require('./http2-server.js') as typeof import('./http2-server.js')).install(runtime),
  },
  'http2-wrapper': {
    library: 'http2-wrapper, got 11 - 14',
    versions: { 'http2-wrapper': '1 - 2' },
    patches: 'Agent.prototype.getSession: what it calls',
    files: ['http2-wrapper/source/agent.js'],
    patch: (loaded) => (require('./http2-wrapper.js') as typeof import('./http2-wrapper.js')).patch(loaded),
  },
  'amqp-connection-manager': {
    library: 'amqp-connection-manager',
    versions: { 'amqp-connection-manager': '3 - 5' },
    patches: 'ChannelWrapper.prototype: publish, sendToQueue',
    files: ['lib', 'dist/cjs'].map((folder) => `amqp-connection-manager/${folder}/ChannelWrapper.js`),
    modules: { 'amqp-connection-manager/dist/esm/ChannelWrapper.js': ['ChannelWrapper'] },
    patch: (loaded) => (require('./amqp-connection-manager.js') as typeof import('./amqp-connection-manager.js')).patch(loaded),
  },
  amqplib: {
    library: 'amqplib',
    versions: { amqplib: '0.10 - 2' },
    patches: 'BaseChannel.prototype: sendMessage, dispatchMessage; ConfirmChannel.prototype.publish: its callback',
    files: ['amqplib/lib/channel.js', 'amqplib/lib/channel_model.js', 'amqplib/lib/callback_model.js'],
    patch: (loaded) => (require('./amqplib.js') as typeof import('./amqplib.js')).patch(loaded),
  },
  async: {
    library: 'async, neo-async',
    versions: { async: '2 - 3', 'neo-async': '2.x' },
    patches: 'queue, priorityQueue, cargo, cargoQueue: the lane of each task; memoize: its callbacks',
    files: [
      'async/dist/async.js',
      'neo-async/async.js',
      ...['queue', 'priorityQueue', 'cargo', 'cargoQueue', 'memoize'].map((name) => `async/${name}.js`),
    ],
    patch: (loaded) => (require('./async.js') as typeof import('./async.js')).patch(loaded),
  },
  'better-queue': {
    library: 'better-queue',
    versions: { 'better-queue': '3.x' },
    patches: 'Queue.prototype: push, _startBatch',
    files: ['better-queue/lib/queue.js'],
    patch: (loaded) => (require('./better-queue.js') as typeof import('./better-queue.js')).patch(loaded),
  },
  bluebird: {
    library: 'bluebird',
    versions: { bluebird: '3.x' },
    patches: 'Promise.prototype._then, and what takes a callback for each element',
    files: ['bluebird/js/release/bluebird.js'],
    patch: (loaded) => (require('./bluebird.js') as typeof import('./bluebird.js')).patch(loaded),
  },
  bull: {
    library: 'bull',
    versions: { bull: '4.x' },
    patches: 'Job.prototype.toData, Queue.prototype.processJob',
    files: ['bull/lib/job.js', 'bull/lib/queue.js'],
    patch: (loaded) => (require('./bull.js') as typeof import('./bull.js')).patch(loaded),
  },
  bullmq: {
    library: 'bullmq',
    // Imported as an ES module on Node 22.15 and later alone.
    versions: { bullmq: '5 - 6' },
    patches: 'Job: create, createBulk; FlowProducer.prototype: add, addBulk; Worker.prototype.callProcessJob',
    files: ['bullmq/dist/cjs/classes/job.js', 'bullmq/dist/cjs/classes/flow-producer.js', 'bullmq/dist/cjs/classes/worker.js'],
    modules: {
      'bullmq/dist/esm/classes/job.js': ['Job'],
      'bullmq/dist/esm/classes/flow-producer.js': ['FlowProducer'],
      'bullmq/dist/esm/classes/worker.js': ['Worker'],
    },
    patch: (loaded) => (require('./bullmq.js') as typeof import('./bullmq.js')).patch(loaded),
  },
  fastq: {
    library: 'fastq',
    versions: { fastq: '1.x' },
    patches: 'what it exports: the lane of each task',
    files: ['fastq/queue.js'],
    patch: (loaded) => (require('./fastq.js') as typeof import('./fastq.js')).patch(loaded),
  },
  'global-promise': {
    library: 'zone.js, and whatever else replaces the global Promise',
    versions: { node: '>=20.19' },
    patches: 'then and finally of a global Promise that is not that of Node; a replaced queueMicrotask',
    install: () => (require('./global-promise.js') as typeof import('./global-promise.js')).install(),
  },
  injected: {
    library:
      "light-my-request (and with it fastify.inject), @hapi/shot (hapi's server.inject), serverless-http, @codegenie/serverless-express (and @vendia's)",
    versions: {
      'light-my-request': '4 - 6',
      '@hapi/shot': '4 - 6',
      'serverless-http': '2 - 4',
      '@codegenie/serverless-express': '4.x',
      '@vendia/serverless-express': '4.x',
    },
    patches: 'what they call the app by',
    files: [
      'light-my-request/index.js',
      '@hapi/shot/lib/index.js',
      'serverless-http/lib/framework/get-framework.js',
      ...['@codegenie', '@vendia'].map((scope) => `${scope}/serverless-express/src/frameworks/index.js`),
    ],
    patch: (loaded) => (require('./injected.js') as typeof import('./injected.js')).patch(loaded),
  },
  ioredis: {
    library: 'ioredis',
    versions: { ioredis: '4 - 6' },
    patches: 'Redis.prototype.connect: a connection is of the background, whoever made it',
    files: ['ioredis/built/redis/index.js', 'ioredis/built/Redis.js'],
    patch: (loaded) => (require('./ioredis.js') as typeof import('./ioredis.js')).patch(loaded),
  },
  caches: {
    library:
      "Next's data cache, undici's cache() and deduplicate(), got's cache (cacheable-request), axios-cache-interceptor, make-fetch-happen, CacheInterceptor of @nestjs/cache-manager",
    versions: {
      next: '13 - 16',
      undici: '7 - 8',
      'cacheable-request': '6 - 13',
      'axios-cache-interceptor': '1.x',
      'make-fetch-happen': '10 - 16',
      '@nestjs/cache-manager': '1 - 12',
    },
    patches: 'what makes their keys, so that it has the tag; or what asks them, so that tagged requests go past',
    files: [
      'next/dist/server/lib/incremental-cache/index.js',
      'undici/lib/interceptor/cache.js',
      'undici/lib/interceptor/deduplicate.js',
      'axios-cache-interceptor/dist/index.cjs',
      'axios-cache-interceptor/dev/index.cjs',
      'cacheable-request/src/index.js',
      'make-fetch-happen/lib/cache/key.js',
      '@nestjs/cache-manager/dist/interceptors/cache.interceptor.js',
    ],
    // ES modules: on Node 22.15 and later alone.
    modules: {
      'axios-cache-interceptor/dist/index.mjs': [],
      'axios-cache-interceptor/dev/index.mjs': [],
      'cacheable-request/dist/index.js': ['CacheableRequest'],
      '@nestjs/cache-manager/dist/interceptors/cache.interceptor.js': ['CacheInterceptor'],
    },
    patch: (loaded) => (require('./caches.js') as typeof import('./caches.js')).patch(loaded),
  },
  kafkajs: {
    library: 'kafkajs, @confluentinc/kafka-javascript',
    versions: { kafkajs: '2.x', '@confluentinc/kafka-javascript': '1.x' },
    patches: 'Kafka.prototype: producer (send, sendBatch, transaction), consumer (run)',
    files: ['kafkajs/src/index.js', '@confluentinc/kafka-javascript/lib/kafkajs/_kafka.js'],
    patch: (loaded) => (require('./kafkajs.js') as typeof import('./kafkajs.js')).patch(loaded),
  },
  memoizee: {
    library: 'memoizee',
    versions: { memoizee: '0.4' },
    patches: 'what it exports: callbacks of what is memoized with `async`',
    files: ['memoizee/index.js'],
    patch: (loaded) => (require('./memoizee.js') as typeof import('./memoizee.js')).patch(loaded),
  },
  mysql2: {
    library: 'mysql2',
    versions: { mysql2: '3.x' },
    patches: 'Connection.prototype.addCommand, Pool.prototype.getConnection: their callbacks and events',
    files: ['mysql2/lib/base/connection.js', 'mysql2/lib/base/pool.js', 'mysql2/lib/connection.js', 'mysql2/lib/pool.js'],
    patch: (loaded) => (require('./mysql2.js') as typeof import('./mysql2.js')).patch(loaded),
  },
  nats: {
    library: 'nats, @nats-io/transport-node',
    versions: { nats: '2.x', '@nats-io/nats-core': '3.x' },
    patches: 'ProtocolHandler.prototype: publish, subscribe (its callback)',
    // Headers first: the protocol needs them.
    files: ['nats/lib/nats-base-client', '@nats-io/nats-core/lib'].flatMap((folder) => [`${folder}/headers.js`, `${folder}/protocol.js`]),
    patch: (loaded) => (require('./nats.js') as typeof import('./nats.js')).patch(loaded),
  },
  'p-queue': {
    library: 'p-queue',
    // Imported as an ES module on Node 22.15 and later alone.
    versions: { 'p-queue': '>=6' },
    patches: 'PQueue.prototype.add: its tasks',
    files: ['p-queue/dist/index.js'],
    modules: { 'p-queue/dist/index.js': ['PQueue'] },
    patch: (loaded) => (require('./p-queue.js') as typeof import('./p-queue.js')).patch(loaded),
  },
  pg: {
    library: 'pg, pg-pool',
    versions: { pg: '8.x', 'pg-pool': '3.x' },
    patches: 'Client.prototype.query and connect, pg-pool connect and query: their callbacks',
    files: ['pg/lib/client.js', 'pg-pool/index.js'],
    patch: (loaded) => (require('./pg.js') as typeof import('./pg.js')).patch(loaded),
  },
  q: {
    library: 'q',
    versions: { q: '1.x' },
    patches: 'Promise.prototype.then: its handlers',
    files: ['q/q.js'],
    patch: (loaded) => (require('./q.js') as typeof import('./q.js')).patch(loaded),
  },
  opentelemetry: {
    library: '@opentelemetry/api',
    versions: { '@opentelemetry/api': '1.x' },
    patches: 'the registered tracers: startSpan; the context manager: active',
    install: (runtime) => (require('./opentelemetry.js') as typeof import('./opentelemetry.js')).install(runtime),
  },
  rocketmq: {
    library: 'rocketmq-client-nodejs',
    versions: { 'rocketmq-client-nodejs': '1.x' },
    patches: 'PublishingMessage.prototype.toProtobuf, ConsumeService.prototype.consumeMessage; under LANE_MESSAGES=isolate the class PushConsumer',
    files: [
      'rocketmq-client-nodejs/dist/message/PublishingMessage.js',
      'rocketmq-client-nodejs/dist/consumer/ConsumeService.js',
      'rocketmq-client-nodejs/dist/consumer/PushConsumer.js',
    ],
    patch: (loaded) => (require('./rocketmq.js') as typeof import('./rocketmq.js')).patch(loaded),
  },
  schedulers: {
    library: 'node-schedule, cron (and with it @nestjs/schedule), node-cron, agenda',
    versions: { 'node-schedule': '2.x', cron: '2 - 4', 'node-cron': '3 - 4', agenda: '5.x' },
    patches:
      'Job.prototype: schedule, runOnDate, reschedule; CronJob.prototype.start; ScheduledTask.prototype.start of node-cron; Job.prototype.run of agenda',
    files: ['node-schedule/lib/Job.js', 'cron/dist/job.js', 'node-cron/src/scheduler.js', 'node-cron/dist/_shared.cjs', 'agenda/dist/job/index.js'],
    modules: { 'node-cron/dist/_shared.js': ['InlineScheduledTask'] },
    patch: (loaded) => (require('./schedulers.js') as typeof import('./schedulers.js')).patch(loaded),
  },
  workerpool: {
    library: 'workerpool',
    versions: { workerpool: '6 - 10' },
    patches: 'Pool.prototype.exec: what its promise calls',
    files: ['workerpool/src/Pool.js'],
    patch: (loaded) => (require('./workerpool.js') as typeof import('./workerpool.js')).patch(loaded),
  },
  ...boundLibraries(),
};

/** What LANE_BIND says, as an instrumentation. */
export function bindingsOf(lines: readonly string[], log: AgentLog): Instrumentation {
  const read: Binding[] = [];
  for (const line of lines) {
    const binding = parseBinding(line);
    if (binding === undefined) log.error(`LANE_BIND names ${JSON.stringify(line)}: accepted is ${BINDING_ACCEPTED}. The app runs without that`);
    else read.push(binding);
  }
  return boundLibrary('those of LANE_BIND', {}, joinBindings(read), ({ file, path }) =>
    log.once(
      `LANE_BIND ${file}:${path}`,
      'error',
      `LANE_BIND: ${file} exports no method ${path}, or one that can't be replaced. Its callbacks follow no lane; name what it has, in the version that the app uses`,
    ),
  );
}
