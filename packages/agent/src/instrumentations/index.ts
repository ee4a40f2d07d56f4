/**
 * The table of all instrumentations, by their name in LANE_DISABLE. Node's own modules are patched at start; the code for a package is
 * loaded with its first file.
 */
import type { Instrumentation } from '../patching/instrumentation.js';
import { boundLibraries } from './bound.js';
import { onBuiltinLoaded } from '../patching/builtin-hook.js';
import { install as installGlobalPromise } from './global-promise.js';
import { install as installHttpClient } from './http-client.js';
import { install as installCreateConnection } from './http-create-connection.js';
import { install as installHttpServer } from './http-server.js';
import { install as installHttp2Server } from './http2-server.js';
import { install as installOpenTelemetry } from './opentelemetry.js';
import { install as installUndici } from './undici-in-node.js';

export const INSTRUMENTATIONS: Readonly<Record<string, Instrumentation>> = {
  'http-server': {
    library: 'node:http, node:https',
    versions: { node: '>=20.19' },
    patches: 'net.Server.prototype.emit; from the first tagged request on, emit of IncomingMessage and ServerResponse',
    install: installHttpServer,
  },
  'http-client': {
    library: 'node:http, node:https',
    versions: { node: '>=20.19' },
    patches: 'http.Agent.prototype.addRequest, ClientRequest.prototype._storeHeader and onSocket',
    install: installHttpClient,
  },
  'http-create-connection': {
    library: 'node:http, node:https',
    versions: { node: '>=20.19' },
    patches: 'http.request and http.get, for their createConnection option; those of https once it is loaded',
    install: installCreateConnection,
  },
  undici: {
    library: 'undici, global fetch',
    versions: { undici: '5 - 8', node: '>=20.19' },
    patches:
      'DispatcherBase.prototype.dispatch; ProxyAgent.prototype.dispatch, to detect proxied calls; interceptors.dns, which would resolve service names; the global dispatcher, to detect when the undici inside Node loads',
    install: installUndici,
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
    install: (late) => onBuiltinLoaded('http2', () => (require('./http2-client.js') as typeof import('./http2-client.js')).install(late.get())),
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
    versions: { nacos: '2 - 3', 'nacos-naming': '2 - 3' },
    patches:
      'NacosNamingClient.prototype: registerInstance, getAllInstances, selectInstances, selectOneHealthyInstance, subscribe, unSubscribe; BeatReactor.prototype._startBeat',
    // From the inside out: a later one finds the class patched already.
    files: [
      ...['lib', 'dist'].flatMap((folder) => ['beat_reactor', 'client'].map((file) => `nacos-naming/${folder}/naming/${file}.js`)),
      'nacos-naming/index.js',
      'nacos-naming/dist/index.js',
      'nacos/dist/index.js',
    ],
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
    patches: 'net.Server.prototype.emit; from the first tagged request on, emit of ServerHttp2Stream',
    install: installHttp2Server,
  },
  'http2-wrapper': {
    library: 'http2-wrapper, got 11 - 14',
    versions: { 'http2-wrapper': '1 - 2' },
    patches: 'Agent.prototype.getSession: its callbacks',
    files: ['http2-wrapper/source/agent.js'],
    patch: (loaded) => (require('./http2-wrapper.js') as typeof import('./http2-wrapper.js')).patch(loaded),
  },
  agenda: {
    library: 'agenda',
    versions: { agenda: '5.x' },
    patches: 'Job.prototype: save, run',
    files: ['agenda/dist/job/index.js'],
    patch: (loaded) => (require('./agenda.js') as typeof import('./agenda.js')).patch(loaded),
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
    patches: 'Promise.prototype._then, and methods that take a callback per element',
    files: ['bluebird/js/release/bluebird.js'],
    patch: (loaded) => (require('./bluebird.js') as typeof import('./bluebird.js')).patch(loaded),
  },
  bull: {
    library: 'bull',
    versions: { bull: '4.x' },
    patches: 'Job.prototype.toData, Queue.prototype.processJob; with LANE_MESSAGES=isolate also Queue.prototype: process, close',
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
  'faye-websocket': {
    library: 'faye-websocket as a client, also inside sockjs-client',
    versions: { 'faye-websocket': '0.10 - 0.11' },
    patches: 'Client: its headers, and the address of its socket',
    files: ['faye-websocket/lib/faye/websocket/client.js'],
    patch: (loaded) => (require('./faye-websocket.js') as typeof import('./faye-websocket.js')).patch(loaded),
  },
  fastq: {
    library: 'fastq',
    versions: { fastq: '1.x' },
    patches: 'the exported function: the lane of each task',
    files: ['fastq/queue.js'],
    patch: (loaded) => (require('./fastq.js') as typeof import('./fastq.js')).patch(loaded),
  },
  'global-promise': {
    library: 'zone.js, and any other library that replaces the global Promise',
    versions: { node: '>=20.19' },
    patches: "then and finally of a global Promise that is not Node's own; a replaced queueMicrotask",
    install: installGlobalPromise,
  },
  injected: {
    library:
      "light-my-request (fastify.inject), @hapi/shot (hapi's server.inject), serverless-http, @codegenie/serverless-express, @vendia/serverless-express",
    versions: {
      'light-my-request': '4 - 6',
      '@hapi/shot': '4 - 6',
      'serverless-http': '2 - 4',
      '@codegenie/serverless-express': '4.x',
      '@vendia/serverless-express': '4.x',
    },
    patches: 'the functions through which they call the app',
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
    patches: 'Redis.prototype.connect: connections belong to no request, whoever opens them',
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
    patches: 'the functions that make cache keys, which get the tag; or the look-ups, which tagged requests bypass',
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
    patches: 'the exported function: callbacks of functions memoized with `async`',
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
    versions: { 'p-queue': '>=6', eventemitter3: '5.x' },
    // p-queue 6, which is not an ES module, builds on it.
    needless: { eventemitter3: '1 - 4' },
    patches: 'PQueue.prototype.add: its tasks; before Node 22.15 through eventemitter3, its base class',
    files: ['p-queue/dist/index.js', 'eventemitter3/index.js'],
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
    install: installOpenTelemetry,
  },
  rocketmq: {
    library: 'rocketmq-client-nodejs',
    versions: { 'rocketmq-client-nodejs': '1.x' },
    patches:
      'PublishingMessage.prototype.toProtobuf, ConsumeService.prototype.consumeMessage; with LANE_MESSAGES=isolate also the class PushConsumer',
    files: [
      'rocketmq-client-nodejs/dist/message/PublishingMessage.js',
      'rocketmq-client-nodejs/dist/consumer/ConsumeService.js',
      'rocketmq-client-nodejs/dist/consumer/PushConsumer.js',
    ],
    patch: (loaded) => (require('./rocketmq.js') as typeof import('./rocketmq.js')).patch(loaded),
  },
  schedulers: {
    library: 'node-schedule, cron (also inside @nestjs/schedule), node-cron',
    versions: { 'node-schedule': '2.x', cron: '2 - 4', 'node-cron': '3 - 4' },
    patches: 'Job.prototype: schedule, runOnDate, reschedule; CronJob.prototype.start; ScheduledTask.prototype.start of node-cron',
    files: ['node-schedule/lib/Job.js', 'cron/dist/job.js', 'node-cron/src/scheduler.js', 'node-cron/dist/_shared.cjs'],
    modules: { 'node-cron/dist/_shared.js': ['InlineScheduledTask'] },
    patch: (loaded) => (require('./schedulers.js') as typeof import('./schedulers.js')).patch(loaded),
  },
  sqs: {
    library: '@aws-sdk/client-sqs, sqs-consumer',
    // The consumer's ES module on Node 22.15 and later alone.
    versions: { '@aws-sdk/client-sqs': '3.x', 'sqs-consumer': '11 - 15' },
    patches: 'SQSClient.prototype.send; Consumer.prototype: start, executeHandler of sqs-consumer',
    files: ['@aws-sdk/client-sqs/dist-cjs/index.js', 'sqs-consumer/dist/cjs/consumer.js'],
    modules: { 'sqs-consumer/dist/esm/consumer.js': ['Consumer'] },
    patch: (loaded) => (require('./sqs.js') as typeof import('./sqs.js')).patch(loaded),
  },
  workerpool: {
    library: 'workerpool',
    versions: { workerpool: '6 - 10' },
    patches: "Pool.prototype.exec: its promise's callbacks",
    files: ['workerpool/src/Pool.js'],
    patch: (loaded) => (require('./workerpool.js') as typeof import('./workerpool.js')).patch(loaded),
  },
  ...boundLibraries(),
};
