/**
 * Isolation on RabbitMQ. Consumers of one queue share its messages, so a lane's consumers declare a second queue for the lane. Base consumes the
 * original queue and forwards messages of a lane with a consumer. Messages that nobody in the lane takes return by themselves: the lane's queue has
 * a time limit, and the original one as its dead-letter queue. https://www.rabbitmq.com/docs/dlx
 *
 * Limits: queues that the server names, exclusive consumers and `get` are left alone; a forwarded message loses the
 * publisher's `userId`, because the broker allows nobody to write another's.
 */
import type { Tag } from '@lane/core/model';
import { laneOfMessage, type MessageHeaders } from '../messages.js';
import type { Messaging } from '../messaging.js';
import { safely } from '../../patching/safely.js';
import { wrap } from '../../patching/wrap.js';
import { createTakes, handleTaken, nameInLane } from './takes.js';

const HOLDS_MS = 500;
const WAITS_IN_LANE_MS = 10_000;
const UNUSED_LANE_MS = 3_600_000;

interface Death {
  readonly queue: string;
  readonly reason: string;
}
interface Message {
  readonly content: Buffer;
  readonly properties: { readonly headers?: MessageHeaders & { readonly 'x-death'?: Death[] } } & Record<string, unknown>;
}
interface ConsumeOptions {
  readonly noAck?: boolean;
  readonly exclusive?: boolean;
}
type Consumer = (message: Message | null) => unknown;
type Done = (error: unknown) => void;

/** The channel of an app. */
interface Channel {
  readonly connection: { emit(event: 'frameError', error: unknown): unknown };
  ack(message: Message): void;
  nack(message: Message, upTo: boolean, requeue: boolean): void;
  sendToQueue(queue: string, content: Buffer, options: object): unknown;
}

/** Our own channel, because the broker closes a channel on which it refuses something. */
interface OwnChannel {
  open(): Promise<unknown>;
  close(): Promise<void>;
  on(event: 'error', listener: () => void): void;
  assertQueue(queue: string, options: object): Promise<unknown>;
  checkQueue(queue: string): Promise<{ consumerCount: number }>;
}
export type OwnChannelClass = new (connection: unknown) => OwnChannel;

/** Isolates consumers on channels of this class: amqplib's with promises, or with callbacks. */
export function isolateConsumers(prototype: object, withPromises: boolean, own: () => OwnChannelClass, runtime: Messaging): void {
  const { tag } = runtime.options;
  type Consume = (this: Channel, queue: string, consumer: Consumer, options?: ConsumeOptions, done?: Done) => unknown;
  wrap(prototype, 'consume', (original: Consume) => {
    return function consume(this: Channel, queue: string, consumer: Consumer, options?: ConsumeOptions, done?: Done): unknown {
      if (typeof consumer !== 'function' || !isIsolatable(queue, options)) return original.call(this, queue, consumer, options, done);
      if (tag === undefined)
        return original.call(this, queue, passingOn(this, queue, consumer, options?.noAck === true, own(), runtime), options, done);
      const consuming = queueInLane(this, queue, tag, own(), runtime).then((name) => original.call(this, name, consumer, options, done));
      if (withPromises) return consuming;
      consuming.catch((error: unknown) => done?.(error));
      return this;
    };
  });
}

function isIsolatable(queue: unknown, options: ConsumeOptions | undefined): boolean {
  return typeof queue === 'string' && queue !== '' && !queue.startsWith('amq.') && options?.exclusive !== true;
}

/** Declares a lane's queue beside another, and returns its name; if the broker refuses, logs that and returns the other's. */
async function queueInLane(channel: Channel, queue: string, tag: Tag, Own: OwnChannelClass, { log }: Messaging): Promise<string> {
  const name = nameInLane(queue, tag);
  const options = { messageTtl: WAITS_IN_LANE_MS, expires: UNUSED_LANE_MS, deadLetterExchange: '', deadLetterRoutingKey: queue };
  try {
    await onOwnChannel(channel, Own, (own) => own.assertQueue(name, options));
    return name;
  } catch (error) {
    log.error(`LANE_MESSAGES=isolate: queue ${name} can't be declared; messages of all lanes are taken from ${queue}`, {
      error: (error as Error).message,
    });
    return queue;
  }
}

/** A consumer of base, which forwards what belongs to a lane. */
function passingOn(channel: Channel, queue: string, consumer: Consumer, noAck: boolean, Own: OwnChannelClass, runtime: Messaging): Consumer {
  const takes = createTakes(runtime, 'RabbitMQ', {
    ask: async (tag) => {
      const state = await onOwnChannel(channel, Own, (own) => own.checkQueue(nameInLane(queue, tag)), isNotFound);
      return state !== undefined && state.consumerCount > 0;
    },
    holds: HOLDS_MS,
  });
  const tagOf = safely('amqplib isolation', (message: Message) => laneOfMessage(message.properties.headers, runtime).tag);
  const passOn = ({ content, properties }: Message, tag: Tag): void => {
    const { headers = {}, userId: _, ...others } = properties;
    const { 'x-death': deaths, ...own } = headers;
    const elsewhere = deaths?.filter((death) => death.queue !== nameInLane(queue, tag)) ?? [];
    channel.sendToQueue(nameInLane(queue, tag), content, {
      ...others,
      headers: elsewhere.length === 0 ? own : { ...own, 'x-death': elsewhere },
    });
  };
  /** Like amqplib's own call of a consumer (acceptLoop in its lib/connection.js). */
  const thrown = (error: unknown): unknown => channel.connection.emit('frameError', error);
  return function consume(this: unknown, message) {
    const tag = message === null ? undefined : tagOf(message);
    if (message === null || tag === undefined) return consumer.call(this, message);
    const last = message.properties.headers?.['x-death']?.[0];
    if (last?.queue === nameInLane(queue, tag) && last.reason === 'rejected' && !noAck) {
      // A consumer of the lane has rejected it: treat it as if one of ours had.
      channel.nack(message, false, false);
      return undefined;
    }
    const leaveOut = (): void => {
      try {
        passOn(message, tag);
        if (!noAck) channel.ack(message);
      } catch (error) {
        // The channel has been closed meanwhile: the broker redelivers the message.
        runtime.log.debug('could not pass a message on to its lane', { queue, error: (error as Error).message });
      }
    };
    return handleTaken(takes(tag), () => consumer.call(this, message), leaveOut, thrown);
  };
}

const isNotFound = (error: unknown): boolean => (error as { code?: number }).code === 404;

/** undefined: the error is an answer. */
async function onOwnChannel<R>(
  { connection }: Channel,
  Own: OwnChannelClass,
  work: (own: OwnChannel) => Promise<R>,
  isAnswer: (error: unknown) => boolean = () => false,
): Promise<R | undefined> {
  const own = new Own(connection);
  own.on('error', () => {});
  await own.open();
  try {
    const result = await work(own);
    await own.close();
    return result;
  } catch (error) {
    // With its refusal the broker has closed the channel.
    if (isAnswer(error)) return undefined;
    throw error;
  }
}
