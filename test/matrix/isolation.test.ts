/**
 * LANE_MESSAGES=isolate. An instance of base and one of gray consume the same queue or topic: gray takes gray messages, base the
 * rest. When gray stops, base takes all; when gray is back, it takes its own again. No message is lost. Brokers are real.
 * If a bug keeps the agent from reading the tags of messages, each message is still taken by somebody.
 */
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nodeVersions } from '../agent/nodes.js';
import { openRequest, runApp, startApp, type App } from '../agent/run-app.js';
import { startKafka } from './services/kafka.js';
import { startNats } from './services/nats.js';
import type { Service } from '../servers/process.js';
import { startRabbitmq } from './services/rabbitmq.js';
import { startRedis } from './services/redis.js';
import { startRocketmq } from './services/rocketmq.js';
import { matrix, OTHER_ABI, type Row } from './table.js';

interface IsolationRow extends Row {
  /** A program in apps/isolation, and its arguments before the name of the queue. */
  readonly app: readonly [string, ...string[]];
  /** The handler does not run in the message's lane. */
  readonly outsideLanes?: true;
  /** Expected log lines of its agents; a comment beside each says why they are true. */
  readonly says?: readonly RegExp[];
}

const AGAIN =
  'at least once: base and gray both handle messages that arrive while gray starts, and gray handles again what base handled while it was away';
const ROWS: readonly IsolationRow[] = [
  { name: 'kafkajs, eachMessage', dependency: 'kafkajs', app: ['kafkajs.cjs', 'eachMessage'], limits: AGAIN },
  { name: 'kafkajs, eachBatch', dependency: 'kafkajs', app: ['kafkajs.cjs', 'eachBatch'], limits: AGAIN, outsideLanes: true },
  {
    name: '@confluentinc/kafka-javascript, eachMessage',
    dependency: '@confluentinc/kafka-javascript',
    app: ['confluent.cjs', 'eachMessage'],
    limits: AGAIN,
    not: OTHER_ABI,
  },
  {
    name: '@confluentinc/kafka-javascript, eachBatch',
    dependency: '@confluentinc/kafka-javascript',
    app: ['confluent.cjs', 'eachBatch'],
    limits: AGAIN,
    outsideLanes: true,
    not: OTHER_ABI,
  },
  { name: 'amqplib 2', dependency: 'amqplib', app: ['amqplib.cjs', 'amqplib', 'promises'] },
  { name: 'amqplib 2, callbacks', dependency: 'amqplib', app: ['amqplib.cjs', 'amqplib', 'callbacks'] },
  { name: 'amqplib 0.10', dependency: 'amqplib0', app: ['amqplib.cjs', 'amqplib0', 'promises'] },
  {
    name: 'bullmq 6',
    dependency: 'bullmq',
    app: ['bullmq.cjs', 'bullmq'],
    limits: 'a job that the wrong worker takes is put back, which delays it',
  },
  {
    name: 'bullmq 5',
    dependency: 'bullmq5',
    app: ['bullmq.cjs', 'bullmq5'],
    limits: 'a job that the wrong worker takes is put back, which delays it',
  },
  {
    name: 'bull',
    dependency: 'bull',
    app: ['bull.cjs'],
    limits: 'a job that the wrong worker takes is put back, which delays it',
  },
  ...['nats', '@nats-io/transport-node'].flatMap((dependency): IsolationRow[] => [
    { name: `${dependency}, queue groups`, dependency, app: ['nats.cjs', dependency, 'callback'], limits: 'without JetStream' },
    { name: `${dependency}, for await`, dependency, app: ['nats.cjs', dependency, 'iterator'], limits: 'without JetStream', outsideLanes: true },
  ]),
  {
    name: 'rocketmq-client-nodejs',
    dependency: 'rocketmq-client-nodejs',
    app: ['rocketmq.cjs'],
    limits: 'PushConsumer; the service must be registered in Nacos, and messages that a lane leaves unhandled wait until it returns',
    // All of gray stops.
    says: [/the registry dropped many instances at once: 1 of 2 of shop-/],
  },
];

const KINDS = ['gray', 'blue', undefined];
const MESSAGES = 51;

let services: readonly Service[] = [];
let nacos: EmbeddedNacos | undefined;
let env: Record<string, string>;
beforeAll(async () => {
  const started = await Promise.all([startRedis(), startRabbitmq(), startKafka(), startNats(), startRocketmq()]);
  const [redis, rabbitmq, kafka, nats, rocketmq] = started;
  services = started;
  nacos = await startEmbeddedNacos({ port: 0 });
  env = {
    // A lane that vanishes silently stays registered this long: consumers that follow the registry wait for it.
    LANE_REGISTRY_HOLD: '2s',
    REDIS: String(redis.port),
    RABBITMQ: String(rabbitmq.port),
    KAFKA: String(kafka.port),
    NATS: String(nats.port),
    ROCKETMQ: String(rocketmq.port),
    NACOS: nacos.address,
  };
});
afterAll(async () => {
  await Promise.all([nacos?.close(), ...services.map((service) => service.stop())]);
});

matrix('Message isolation', ROWS, async (row, node) => {
  const trial = new Trial(row, node.path, `shop-${process.pid}-${trials++}`);
  try {
    await trial.start('base');
    await trial.start('gray');
    await trial.settled('gray');
    expect(await trial.wrong('gray'), 'base and gray').toEqual([]);
    await trial.stop('gray');
    await trial.settled('base');
    expect(await trial.wrong('base'), 'without gray').toEqual([]);
    await trial.start('gray');
    await trial.settled('gray');
    expect(await trial.wrong('gray'), 'gray is back').toEqual([]);
  } finally {
    await trial.end();
  }
  if (node.major !== 20) return;
  const shared = new Trial(row, node.path, `shop-${process.pid}-${trials++}`, 'share');
  try {
    await shared.start('base');
    await shared.start('gray');
    expect(await shared.wrong('gray'), 'without LANE_MESSAGES=isolate').not.toEqual([]);
  } finally {
    await shared.end();
  }
  // With RocketMQ, the app is up once a message of its lane has reached it, which none does here.
  if (row.name.startsWith('rocketmq')) return;
  const broken = new Trial(row, node.path, `shop-${process.pid}-${trials++}`, 'isolate', 'message');
  try {
    await broken.start('base');
    await broken.start('gray');
    await broken.taken();
  } finally {
    await broken.end();
  }
});

test.each(nodeVersions())('an exception in a RabbitMQ consumer is reported as without the agent, on $name', async ({ path: node }) => {
  const run = (load: '--require' | 'none'): ReturnType<typeof runApp> =>
    runApp({ node, script: '../../matrix/apps/throwing-consumer.cjs', load, env: { ...env, LANE_MESSAGES: 'isolate' } });
  const without = await run('none');
  expect(without.stdout).toBe('error of the app\nclose\n');
  expect(await run('--require')).toEqual(without);
});

const subscribers = nodeVersions().flatMap(({ name, path }) => ['nats', '@nats-io/transport-node'].map((library) => ({ name, path, library })));
test.each(subscribers)(
  'a callback of $library that throws ends the reader of its connection, as it does without the agent, on $name',
  async (one) => {
    const run = (load: '--require' | 'none'): ReturnType<typeof runApp> =>
      runApp({
        node: one.path,
        script: '../../matrix/apps/throwing-subscriber.cjs',
        args: [one.library],
        load,
        env: { ...env, LANE_MESSAGES: 'isolate' },
      });
    const without = await run('none');
    expect(without.stdout).toBe('called first\nreader closed of the app\n');
    expect(await run('--require')).toEqual(without);
  },
);

let trials = 0;
type Instance = 'base' | 'gray';
interface Taken {
  readonly by: Instance;
  readonly lane: string;
}

/** Two instances on one queue. */
class Trial {
  readonly #apps = new Map<Instance, App>();
  readonly #taken = new Map<string, Taken[]>();
  #ids = 0;
  #wake = (): void => {};
  #failure: Error | undefined;

  constructor(
    private readonly row: IsolationRow,
    private readonly node: string,
    private readonly queue: string,
    private readonly messages = 'isolate',
    /** Which internal of the agent throws, by its name in break-hooks.cjs. */
    private readonly defect?: string,
  ) {}

  async start(name: Instance): Promise<void> {
    const app = await startApp({
      node: this.node,
      script: '../../matrix/apps/isolation-host.cjs',
      args: [...this.row.app, this.queue],
      env: {
        ...env,
        LANE_MESSAGES: this.messages,
        ...(name === 'gray' ? { LANE_TAG: 'gray' } : {}),
        ...(this.defect === undefined ? {} : { BREAK: this.defect }),
      },
      preload: this.defect === undefined ? [] : ['break-hooks.cjs'],
      says: [...(this.row.says ?? []), ...(this.defect === undefined ? [] : [/a bug in the agent's \S+.* hook; the call continued without it/])],
    });
    app.child.on('message', ({ took }: { took?: { id: string; lane: string } }) => {
      if (took === undefined) return;
      const before = this.#taken.get(took.id) ?? [];
      this.#taken.set(took.id, [...before, { by: name, lane: took.lane }]);
      this.#wake();
    });
    // Not at its exit: its last output may still be in flight.
    app.child.once('close', () => {
      if (this.#apps.get(name) !== app) return;
      this.#failure = new Error(`${name} has ended: ${app.stderr()}`);
      this.#wake();
    });
    this.#apps.set(name, app);
  }

  /** Stops it cleanly, and waits for its end. */
  async stop(name: Instance): Promise<void> {
    const app = this.#apps.get(name) as App;
    this.#apps.delete(name);
    const ended = new Promise((resolve) => app.child.once('exit', resolve));
    app.child.send('stop');
    await ended;
  }

  async end(): Promise<void> {
    const apps = [...this.#apps.values()];
    this.#apps.clear();
    await Promise.all(apps.map((app) => app.stop()));
  }

  /** Publishes gray messages one by one until only this instance takes them. */
  async settled(by: Instance): Promise<void> {
    for (let inRow = 0; inRow < 3;) {
      const id = await this.#publish('gray');
      await this.#until(() => this.#taken.has(id));
      const marker = await this.#publish(undefined);
      await this.#until(() => this.#taken.has(marker));
      inRow = this.#taken.get(id)?.every((taken) => taken.by === by) === true ? inRow + 1 : 0;
    }
  }

  /** Publishes some messages of three kinds; resolves once each was taken. */
  async taken(): Promise<void> {
    const ids = await Promise.all(KINDS.map((tag) => this.#publish(tag)));
    await this.#until(() => ids.every((id) => this.#taken.has(id)));
  }

  /** Publishes many messages of three kinds; returns those that were not taken exactly once, in their lane, by the right instance. */
  async wrong(grayGoesTo: Instance): Promise<string[]> {
    const published = await Promise.all(
      Array.from({ length: MESSAGES }, async (_, i) => {
        const tag = KINDS[i % 3];
        return { tag, id: await this.#publish(tag) };
      }),
    );
    await this.#until(() => published.every(({ id }) => this.#taken.has(id)));
    return published.flatMap(({ tag, id }) => {
      const expected: Taken = { by: tag === 'gray' ? grayGoesTo : 'base', lane: tag ?? 'none' };
      const taken = this.#taken.get(id) ?? [];
      const right = taken.length === 1 && taken[0]?.by === expected.by && (this.row.outsideLanes === true || taken[0].lane === expected.lane);
      return right ? [] : [`${tag ?? 'no tag'}: ${JSON.stringify(taken)}`];
    });
  }

  async #publish(tag: string | undefined): Promise<string> {
    const id = String(this.#ids++);
    const { port } = this.#apps.get('base') as App;
    const { status, body } = await openRequest(port, `/?id=${id}`, tag === undefined ? {} : { baggage: `lane=${tag}` }).end();
    if (status !== 200) throw new Error(body);
    return id;
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      if (this.#failure !== undefined) throw this.#failure;
    }
  }
}
