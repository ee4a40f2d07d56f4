import { withLane, type MessageHeaders } from '../messages.js';
import type { Messaging } from '../messaging.js';
import { safely } from '../../patching/safely.js';
import { wrap } from '../../patching/wrap.js';

interface Message {
  headers?: MessageHeaders;
}
interface Batch {
  messages?: Message[];
  topicMessages?: Batch[];
}

/** Makes a producer, or a transaction of one, write the lane into the headers of what it sends. */
export function changeSender(sender: object, runtime: Messaging): void {
  const addLane = (batch: Batch): Batch => ({
    ...batch,
    ...(Array.isArray(batch.messages)
      ? { messages: batch.messages.map((message) => ({ ...message, headers: withLane(message.headers, runtime) }) as Message) }
      : {}),
    ...(Array.isArray(batch.topicMessages) ? { topicMessages: batch.topicMessages.map(addLane) } : {}),
  });
  const withLanes = safely('kafka', addLane);
  for (const method of ['send', 'sendBatch']) {
    wrap(sender, method, (original) => {
      return function sent(this: unknown, ...args: unknown[]): unknown {
        return Reflect.apply(original, this, [withLanes(args[0] as Batch) ?? args[0], ...args.slice(1)]);
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
}
