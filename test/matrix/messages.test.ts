/**
 * Messages. 51 requests of three kinds (two tags and none) publish a message each. The handler calls a peer before and after an await: the
 * calls must carry the tag of the publishing request, and none for untagged ones, even on a tagged instance. The app's own
 * content of messages stays. Brokers are real.
 *
 * Then makes each hook fail that the library's messages pass: every message is still published and handled once, with the app's
 * own content.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { makeFaultyAgent } from '../agent/faulty-agent.js';
import { startPeer, type Peer } from '../agent/peer.js';
import { openRequest, send, startApp, type App } from '../agent/run-app.js';
import { startElasticmq, STAND_IN as ELASTICMQ } from './services/elasticmq.js';
import { startKafka } from './services/kafka.js';
import { startMongo, STAND_IN as MONGO } from './services/mongo.js';
import { startNats } from './services/nats.js';
import type { Service } from '../servers/process.js';
import { startRabbitmq } from './services/rabbitmq.js';
import { startRedis } from './services/redis.js';
import { startRocketmq } from './services/rocketmq.js';
import { matrix, OTHER_ABI, type NodeMajor, type Row } from './table.js';

const BROKERS = {
  REDIS: startRedis,
  RABBITMQ: startRabbitmq,
  KAFKA: startKafka,
  NATS: startNats,
  ROCKETMQ: startRocketmq,
  SQS: startElasticmq,
  MONGO: startMongo,
};

interface MessageRow extends Row {
  /** A program in apps/messages, and its arguments. */
  readonly app: readonly [string, ...string[]];
  /** The service that it needs; apps find its port in a variable of that name. */
  readonly broker: keyof typeof BROKERS;
  /** The library calls no handler, and the app does what docs/guides/messages.md shows. */
  readonly byHand?: true;
}

const BY_HAND = { limits: 'through `runInLane`, as the guide to messages shows: the library calls no handler', byHand: true } as const;
const SQS = `\`handleMessage\`, messages with up to nine attributes; ${ELASTICMQ}`;
const AGENDA = `jobs that run once; ${MONGO}`;

const ROWS: readonly MessageRow[] = [
  { name: 'amqplib 2', dependency: 'amqplib', broker: 'RABBITMQ', app: ['amqplib.cjs', 'amqplib'], help: 'amqplib' },
  { name: 'amqplib 0.10', dependency: 'amqplib0', broker: 'RABBITMQ', app: ['amqplib.cjs', 'amqplib0'], help: 'amqplib' },
  { name: 'bullmq 6', dependency: 'bullmq', broker: 'REDIS', app: ['bullmq.cjs', 'bullmq'], help: 'bullmq' },
  {
    name: 'bullmq 6, imported',
    dependency: 'bullmq',
    broker: 'REDIS',
    app: ['bullmq.cjs', 'module'],
    help: 'bullmq',
    not: { 20: 'ES modules, which the agent reaches only through module.registerHooks (Node 22.15)' },
  },
  { name: 'bullmq 5', dependency: 'bullmq5', broker: 'REDIS', app: ['bullmq.cjs', 'bullmq5'], help: 'bullmq' },
  {
    name: 'kafkajs',
    dependency: 'kafkajs',
    broker: 'KAFKA',
    app: ['kafkajs.cjs'],
    help: 'kafkajs',
    limits: '`eachBatch` gets messages of several lanes and runs in none',
  },
  {
    name: '@confluentinc/kafka-javascript',
    dependency: '@confluentinc/kafka-javascript',
    broker: 'KAFKA',
    app: ['confluent.cjs'],
    help: 'kafkajs',
    limits: 'its KafkaJS interface; `eachBatch` behaves as in kafkajs',
    not: OTHER_ABI,
  },
  {
    name: 'amqp-connection-manager',
    dependency: 'amqp-connection-manager',
    broker: 'RABBITMQ',
    app: ['amqp-connection-manager.cjs'],
    help: 'amqp-connection-manager',
  },
  ...['nats', '@nats-io/transport-node'].map((dependency) => ({
    name: dependency,
    dependency,
    broker: 'NATS' as const,
    app: ['nats.cjs', dependency] as const,
    help: 'nats',
    limits: 'callbacks; a `for await` loop over a subscription stays in the lane that started it',
  })),
  ...['nats', '@nats-io/transport-node'].map((dependency) => ({
    name: `${dependency}, JetStream`,
    dependency: dependency === 'nats' ? dependency : '@nats-io/jetstream',
    broker: 'NATS' as const,
    app: ['jetstream.cjs', dependency] as const,
    help: 'nats',
    limits: '`consume` with a callback; `for await`, `fetch` and `next` have no handler to run in the lane',
  })),
  { name: 'bull', dependency: 'bull', broker: 'REDIS', app: ['bull.cjs'], help: 'bull' },
  {
    name: 'rocketmq-client-nodejs',
    dependency: 'rocketmq-client-nodejs',
    broker: 'ROCKETMQ',
    app: ['rocketmq.cjs'],
    help: 'rocketmq',
    limits: 'listeners of a PushConsumer',
  },
  {
    name: 'rocketmq-client-nodejs, SimpleConsumer',
    dependency: 'rocketmq-client-nodejs',
    broker: 'ROCKETMQ',
    app: ['rocketmq-simple.cjs'],
    ...BY_HAND,
  },
  { name: 'redis 6, streams', dependency: 'redis', broker: 'REDIS', app: ['streams.cjs', 'redis'], ...BY_HAND },
  { name: 'ioredis 6, streams', dependency: 'ioredis', broker: 'REDIS', app: ['streams.cjs', 'ioredis'], ...BY_HAND },
  { name: 'ioredis 5, streams', dependency: 'ioredis5', broker: 'REDIS', app: ['streams.cjs', 'ioredis5'], ...BY_HAND },
  {
    name: 'sqs-consumer 15',
    dependency: 'sqs-consumer',
    broker: 'SQS',
    app: ['sqs.cjs', 'sqs-consumer'],
    help: 'sqs',
    limits: SQS,
    not: { 20: 'needs Node 22' },
  },
  {
    name: 'sqs-consumer 15, imported',
    dependency: 'sqs-consumer',
    broker: 'SQS',
    app: ['sqs.cjs', 'module'],
    help: 'sqs',
    limits: SQS,
    not: { 20: 'needs Node 22' },
  },
  { name: 'sqs-consumer 11', dependency: 'sqs-consumer11', broker: 'SQS', app: ['sqs.cjs', 'sqs-consumer11'], help: 'sqs', limits: SQS },
  {
    name: 'agenda 6',
    dependency: 'agenda',
    broker: 'MONGO',
    app: ['agenda6.cjs'],
    limits: `through \`runInLane\`: its job store drops other fields; ${MONGO}`,
    byHand: true,
  },
  { name: 'agenda 5', dependency: 'agenda5', broker: 'MONGO', app: ['agenda5.cjs'], help: 'agenda', limits: AGENDA },
];

const KINDS = ['gray', 'blue', undefined];
const REQUESTS = 51;

let peer: Peer;
const services = new Map<keyof typeof BROKERS, Promise<Service>>();
const env: Record<string, string> = {};
const folder = mkdtempSync(join(tmpdir(), 'lane-messages-'));
let faulty: string;
beforeAll(async () => {
  faulty = makeFaultyAgent(folder);
  peer = await startPeer();
  env['PEER'] = `http://127.0.0.1:${peer.port}/`;
});
afterAll(async () => {
  await Promise.all([peer?.close(), ...[...services.values()].map(async (service) => (await service).stop())]);
  rmSync(folder, { recursive: true });
});

/** Starts the service that a row needs, once: some take a minute on a busy machine, and all of them together would exceed the timeout. */
async function started(broker: keyof typeof BROKERS): Promise<void> {
  const service = services.get(broker) ?? BROKERS[broker]();
  services.set(broker, service);
  env[broker] = String((await service).port);
}

const rows = ROWS.map((row) => ({ ...row, build: () => started(row.broker) }));
matrix('Messages', rows, async (row, node) => {
  expect((await tryOut(row, node.path)).slice(0, 10)).toEqual([]);
  expect((await tryOut(row, node.path, { LANE_TAG: 'green' })).slice(0, 10), 'on an instance with a tag').toEqual([]);
  expect((await tryOutFaults(row, node.path)).slice(0, 10), 'with hooks that fail').toEqual([]);
  const lowest = [20, 22, 24, 26].find((major) => row.not?.[major as NodeMajor] === undefined);
  if (row.help !== undefined && node.major === lowest) {
    expect(await tryOut(row, node.path, { LANE_DISABLE: row.help }), `without ${row.help}`).not.toEqual([]);
  }
});

async function tryOut(row: MessageRow, node: string, more: Record<string, string> = {}): Promise<string[]> {
  const app = await startApp({ node, script: '../../matrix/apps/message-host.cjs', args: row.app, env: { ...env, ...more } });
  try {
    const forms = JSON.parse((await send(app.port, '/forms')).body) as string[];
    const wrong: string[] = [];
    for (const form of forms) wrong.push(...(await published(app, form)));
    return wrong;
  } finally {
    await app.stop();
  }
}

/** Hooks for inbound and outbound requests: other tests cover those. */
const OF_HTTP = /^(?:http-|socket|traffic|module|builtin|es-module|global)/;

async function tryOutFaults(row: MessageRow, node: string): Promise<string[]> {
  const app = await startApp({
    node,
    agent: faulty,
    script: '../../matrix/apps/message-host.cjs',
    args: row.app,
    env,
    says: [/a bug in the agent's .* hook; the call continued without it/],
  });
  const wrong: string[] = [];
  const each = async (forms: readonly string[], fault: string): Promise<void> => {
    await send(app.port, `/fault?${fault}`);
    for (const form of forms) {
      const sent = await publish(app, form, KINDS.length);
      if (typeof sent === 'string') wrong.push(`${fault}: ${sent}`);
      else
        wrong.push(...sent.filter(({ own, times }) => own !== 'kept' || times !== 1).map((result) => `${fault}: ${form}: ${JSON.stringify(result)}`));
    }
  };
  try {
    const forms = JSON.parse((await send(app.port, '/forms')).body) as string[];
    await each(forms, '');
    const hooks = (JSON.parse((await send(app.port, '/hooks')).body) as string[]).filter((name) => !OF_HTTP.test(name));
    if (hooks.length === 0 && row.byHand !== true) wrong.push('its messages passed no hook');
    for (const name of hooks) for (const when of ['before', 'after']) await each(forms, `name=${encodeURIComponent(name)}&when=${when}`);
    // No fault remains.
    await send(app.port, '/fault');
    for (const form of forms) wrong.push(...(await published(app, form)));
  } finally {
    await app.stop();
  }
  return wrong;
}

let ids = 0;

interface Handled {
  readonly tag: string | undefined;
  readonly before?: string;
  readonly after?: string;
  readonly own?: string;
  readonly times?: number;
}

/** Publishes this many messages of all kinds concurrently; returns how they were handled, or what went wrong when publishing. */
async function publish(app: App, form: string, count: number): Promise<Handled[] | string> {
  const requests = Array.from({ length: count }, (_, i) => {
    const tag = KINDS[i % KINDS.length];
    const id = String(ids++);
    const path = `/publish?form=${encodeURIComponent(form)}&id=${id}`;
    return { tag, id, request: openRequest(app.port, path, tag === undefined ? {} : { baggage: `lane=${tag}` }) };
  });
  const answers = await Promise.all(requests.map(({ request }) => request.end()));
  const refused = answers.find(({ status }) => status !== 200);
  if (refused !== undefined) return `${form}: ${refused.body}`;
  await app.heard('handled', count);
  const results = JSON.parse((await send(app.port, '/results')).body) as Record<string, Omit<Handled, 'tag'>>;
  return requests.map(({ tag, id }) => ({ tag, ...results[id] }));
}

async function published(app: App, form: string): Promise<string[]> {
  const handled = await publish(app, form, REQUESTS);
  if (typeof handled === 'string') return [handled];
  return handled.flatMap((result) => {
    const { tag, before, after, own } = result;
    const expected = tag === undefined ? '' : `lane=${tag}`;
    return before === expected && after === expected && own === 'kept' ? [] : [`${form}: ${JSON.stringify(result)}`];
  });
}
