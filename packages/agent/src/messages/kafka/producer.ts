import { withLane, type MessageHeaders } from '../messages.js';
import type { Messaging } from '../messaging.js';
import { copyWith } from '../../patching/copy-with.js';
import { safely } from '../../patching/safely.js';
import { wrap } from '../../patching/wrap.js';

interface Message {
  headers?: MessageHeaders;
}
interface Batch {
  messages?: unknown;
  topicMessages?: unknown;
}

/** The library refuses what is not a message. */
function isObject<T extends object>(value: unknown): value is T {
  return typeof value === 'object' && value !== null;
}

/** Makes a producer, or its transaction, write the lane into the headers of what it sends. */
export const changeSender = safely('kafkajs', (sender: object, runtime: Messaging): void => {
  const inMessage = (message: unknown): unknown => {
    if (!isObject<Message>(message)) return message;
    const headers = withLane(message.headers, runtime);
    return headers === message.headers ? message : copyWith(message, 'headers', headers);
  };
  const inBatch = (batch: unknown): unknown => {
    if (!isObject<Batch>(batch)) return batch;
    const copy = { ...batch };
    if (Array.isArray(batch.messages)) copy.messages = batch.messages.map(inMessage);
    if (Array.isArray(batch.topicMessages)) copy.topicMessages = batch.topicMessages.map(inBatch);
    return copy;
  };
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
