/**
 * Messages. 51 requests of three kinds (two tags and none) publish a message each; the handler calls a peer, which must be told
 * the tag of the request that published, before and after it has awaited something, and none for untagged ones, also on an
 * instance that has a tag itself. What the app puts into its messages stays. Brokers are real ones.
 *
 * Then each hook that the library's messages pass is made to fail: every message is published and handled once all the same, with what the app has
 * put into it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { makeFaultyAgent } from '../agent/faulty-agent.js';
import { startPeer, type Peer } from '../agent/peer.js';
import { openRequest, send, startApp, type App } from '../agent/run-app.js';
import { startKafka } from './services/kafka.js';
import { startNats } from './services/nats.js';
import type { Service } from '../servers/process.js';
import { startRabbitmq } from './services/rabbitmq.js';
import { startRedis } from './services/redis.js';
import { startRocketmq } from './services/rocketmq.js';
import { matrix, OTHER_ABI, type NodeMajor, type Row } from './table.js';

interface MessageRow extends Row {
  /** In apps/messages, and what it is told. */
  readonly app: readonly [string, ...string[]];
}

const ROWS: readonly MessageRow[] = [
  { name: 'amqplib 2', dependency: 'amqplib', app: ['amqplib.cjs', 'amqplib'], help: 'amqplib' },
  { name: 'amqplib 0.10', dependency: 'amqplib0', app: ['amqplib.cjs', 'amqplib0'], help: 'amqplib' },
  { name: 'bullmq 6', dependency: 'bullmq', app: ['bullmq.cjs', 'bullmq'], help: 'bullmq' },
  {
    name: 'bullmq 6, imported',
    dependency: 'bullmq',
    app: ['bullmq.cjs', 'module'],
    help: 'bullmq',
    not: { 20: 'ES modules that only module.registerHooks (Node 22.15) can reach' },
  },
  { name: 'bullmq 5', dependency: 'bullmq5', app: ['bullmq.cjs', 'bullmq5'], help: 'bullmq' },
  {
    name: 'kafkajs',
    dependency: 'kafkajs',
    app: ['kafkajs.cjs'],
    help: 'kafkajs',
    limits: '`eachBatch` gets messages of several lanes, and runs in none',
  },
  {
    name: '@confluentinc/kafka-javascript',
    dependency: '@confluentinc/kafka-javascript',
    app: ['confluent.cjs'],
    help: 'kafkajs',
    limits: 'its KafkaJS interface; `eachBatch` as with kafkajs',
    not: OTHER_ABI,
  },
  {
    name: 'amqp-connection-manager',
    dependency: 'amqp-connection-manager',
    app: ['amqp-connection-manager.cjs'],
    help: 'amqp-connection-manager',
  },
  ...['nats', '@nats-io/transport-node'].map((dependency) => ({
    name: dependency,
    dependency,
    app: ['nats.cjs', dependency] as const,
    help: 'nats',
    limits: 'callbacks; a `for await` loop over a subscription runs in the lane in which it was started',
  })),
  ...['nats', '@nats-io/transport-node'].map((dependency) => ({
    name: `${dependency}, JetStream`,
    dependency: dependency === 'nats' ? dependency : '@nats-io/jetstream',
    app: ['jetstream.cjs', dependency] as const,
    help: 'nats',
    limits: '`consume` with a callback; nobody calls a `for await` loop, nor what `fetch` and `next` give',
  })),
  { name: 'bull', dependency: 'bull', app: ['bull.cjs'], help: 'bull' },
  {
    name: 'rocketmq-client-nodejs',
    dependency: 'rocketmq-client-nodejs',
    app: ['rocketmq.cjs'],
    help: 'rocketmq',
    limits: 'listeners of a PushConsumer; what a SimpleConsumer receives has no handler',
  },
];

const KINDS = ['gray', 'blue', undefined];
const REQUESTS = 51;

let peer: Peer;
let services: Service[] = [];
let env: Record<string, string>;
const folder = mkdtempSync(join(tmpdir(), 'lane-messages-'));
let faulty: string;
beforeAll(async () => {
  faulty = makeFaultyAgent(folder);
  const [started, redis, rabbitmq, kafka, nats, rocketmq] = await Promise.all([
    startPeer(),
    startRedis(),
    startRabbitmq(),
    startKafka(),
    startNats(),
    startRocketmq(),
  ]);
  peer = started;
  services = [redis, rabbitmq, kafka, nats, rocketmq];
  env = {
    PEER: `http://127.0.0.1:${peer.port}/`,
    REDIS: String(redis.port),
    RABBITMQ: String(rabbitmq.port),
    KAFKA: String(kafka.port),
    NATS: String(nats.port),
    ROCKETMQ: String(rocketmq.port),
  };
});
afterAll(async () => {
  await Promise.all([peer?.close(), ...services.map((service) => service.stop())]);
  rmSync(folder, { recursive: true });
});

matrix('Messages', ROWS, async (row, node) => {
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

/** Hooks by which an app hears requests and makes them: others try those. */
const OF_HTTP = /^(?:http-|socket|traffic|module|builtin|es-module|global)/;

async function tryOutFaults(row: MessageRow, node: string): Promise<string[]> {
  const app = await startApp({
    node,
    agent: faulty,
    script: '../../matrix/apps/message-host.cjs',
    args: row.app,
    env,
    says: [/a defect in the agent's .* hook; the call went on without it/],
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
    if (hooks.length === 0) wrong.push('its messages passed no hook');
    for (const name of hooks) for (const when of ['before', 'after']) await each(forms, `name=${encodeURIComponent(name)}&when=${when}`);
    // Nothing of it is left.
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

/** Publishes so many messages of all kinds at once; gives how they were handled, or what was wrong with publishing them. */
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
