import type { IsolatedGroup, Kafka } from '../isolation/kafka.js';
import { handleInLane, laneOfMessage, type MessageHeaders } from '../messages.js';
import type { Messaging } from '../messaging.js';
import { safely } from '../../patching/safely.js';
import { wrap } from '../../patching/wrap.js';
import type { ConsumerConfig, Dialect } from './dialects.js';

interface Message {
  readonly offset: string;
  readonly headers?: MessageHeaders;
}
interface Batch {
  readonly topic: string;
  readonly partition: number;
  readonly messages: Message[];
}
interface Delivery {
  readonly topic: string;
  readonly partition: number;
  readonly message: Message;
}
type EachMessage = (payload: Delivery) => unknown;
type EachBatch = (payload: { batch: Batch }) => unknown;
interface RunConfig {
  eachMessage?: EachMessage;
  eachBatch?: EachBatch;
}
interface Consumer {
  seek(to: { topic: string; partition: number; offset: string }): void;
}
/** Under LANE_MESSAGES=isolate: a consumer's group, and the configuration with it. */
export function isolateConfig(
  kafka: Kafka,
  config: ConsumerConfig = {},
  dialect: Dialect,
  runtime: Messaging,
): { readonly config: ConsumerConfig; readonly group: IsolatedGroup } | undefined {
  if (!runtime.isolates) return undefined;
  const groupId = dialect.groupIdOf(config);
  if (groupId === undefined) {
    runtime.log.once(
      'kafka isolate',
      'warn',
      'LANE_MESSAGES=isolate has no effect on a Kafka consumer without a group id: pass groupId to consumer()',
    );
    return undefined;
  }
  const { IsolatedGroup: Group } = require('../isolation/kafka.js') as typeof import('../isolation/kafka.js');
  const group = new Group(kafka, groupId, runtime);
  return { config: dialect.within(config, group), group };
}

/** Makes a consumer run its handlers in the lane of each message, for messages that are for it. */
export function changeConsumer(consumer: Consumer, isolated: { group: IsolatedGroup; dialect: Dialect } | undefined, runtime: Messaging): void {
  const group = isolated?.group;
  const laneOf = safely('kafkajs', (message: Message) => laneOfMessage(message.headers, runtime));
  const inLane: (handler: EachMessage) => EachMessage = (handler) => (payload) => {
    const context = laneOf(payload.message);
    return context === undefined ? handler(payload) : handleInLane(context, handler, undefined, [payload]);
  };
  wrap(consumer, 'run', (run) => {
    return function running(this: unknown, given?: RunConfig): unknown {
      const changed = { ...given };
      if (typeof given?.eachMessage === 'function') {
        const handler = inLane(given.eachMessage);
        changed.eachMessage = group === undefined ? handler : eachOfLane(handler, group, (message) => laneOf(message)?.tag);
      }
      if (typeof given?.eachBatch === 'function' && group !== undefined)
        changed.eachBatch = batchOfLane(given.eachBatch, group, (message) => laneOf(message)?.tag);
      return Reflect.apply(run, this, [given === undefined ? given : changed]);
    };
  });
  if (isolated === undefined) return;
  isolated.dialect.follow(consumer, isolated.group);
  follow(consumer, isolated.group);
}

type TagOf = (message: Message) => string | undefined;

function eachOfLane(handler: EachMessage, group: IsolatedGroup, tagOf: TagOf): EachMessage {
  return async (payload) => {
    const { topic, partition, message } = payload;
    if (await group.takes({ topic, partition, offset: message.offset, tag: tagOf(message) })) await handler(payload);
    group.done({ topic, partition }, message.offset);
  };
}

function batchOfLane(handler: EachBatch, group: IsolatedGroup, tagOf: TagOf): EachBatch {
  return async (payload) => {
    const { batch } = payload;
    const { topic, partition } = batch;
    const messages: Message[] = [];
    for (const message of batch.messages)
      if (await group.takes({ topic, partition, offset: message.offset, tag: tagOf(message) })) messages.push(message);
    // Its offsets, counted for the whole batch, are still the broker's.
    const own = Object.create(batch, { messages: { value: messages, enumerable: true } }) as Batch;
    if (messages.length > 0) await handler({ ...payload, batch: own });
    const last = batch.messages.at(-1);
    if (last !== undefined) group.done({ topic, partition }, last.offset);
  };
}

/** Keeps the group informed about its consumer. */
function follow(consumer: Consumer, group: IsolatedGroup): void {
  const { seek } = consumer;
  group.consumer = { seek: (to) => seek.call(consumer, to) };
  wrap(consumer, 'seek', (original) => {
    return function sought(this: unknown, ...args: unknown[]): unknown {
      group.sought(args[0] as { topic: string; partition: number });
      return Reflect.apply(original, this, args);
    };
  });
  wrap(consumer, 'connect', (connect) => {
    return function connected(this: unknown, ...args: never[]): unknown {
      group.open();
      return Reflect.apply(connect, this, args);
    };
  });
  wrap(consumer, 'disconnect', (disconnect) => {
    return async function disconnected(this: unknown, ...args: never[]): Promise<unknown> {
      await group.close();
      return Reflect.apply(disconnect, this, args);
    };
  });
}
