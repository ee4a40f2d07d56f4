import { withLane, type MessageHeaders } from '../messages.js';
import type { Messaging } from '../messaging.js';
import { safely } from '../../patching/safely.js';
import { wrap } from '../../patching/wrap.js';

interface Message {
  headers?: MessageHeaders;
}
interface Batch {
  messages?: unknown;
  topicMessages?: unknown;
}

/** What is none is for the library to refuse. */
function isObject<T extends object>(value: unknown): value is T {
  return typeof value === 'object' && value !== null;
}

/** Makes a producer, or a transaction of one, write the lane into the headers of what it sends. */
export const changeSender = safely('kafkajs', (sender: object, runtime: Messaging): void => {
  const inMessage = (message: unknown): unknown =>
    isObject<Message>(message) ? { ...message, headers: withLane(message.headers, runtime) } : message;
  const inBatch = (batch: unknown): unknown =>
    isObject<Batch>(batch)
      ? {
          ...batch,
          ...(Array.isArray(batch.messages) ? { messages: batch.messages.map(inMessage) } : {}),
          ...(Array.isArray(batch.topicMessages) ? { topicMessages: batch.topicMessages.map(inBatch) } : {}),
        }
      : batch;
  const withLanes = safely('kafkajs', inBatch);
  for (const method of ['send', 'sendBatch']) {
    wrap(sender, method, (original) => {
      return function sent(this: unknown, ...args: unknown[]): unknown {
        return Reflect.apply(original, this, [withLanes(args[0]) ?? args[0], ...args.slice(1)]);
      };
    });
  }
  wrap(sender, 'transaction', (original) => {
    return async function transaction(this: unknown, ...args: never[]): Promise<unknown> {
      const made = (await Reflect.apply(original, this, args)) as object;
      changeSender(made, runtime);
      return made;
    };
  });
});
