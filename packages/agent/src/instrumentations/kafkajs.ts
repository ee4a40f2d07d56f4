/**
 * kafkajs: what `producer` and `consumer` give are plain objects, so they are changed as they are made.
 * Limit: a batch holds messages of several lanes: `eachBatch` is run in none.
 */
import type { LoadedFile } from '../instrumentation.js';
import { handleInLane, laneOfMessage, withLane, type MessageHeaders } from '../messages.js';
import { safely } from '../safely.js';
import { wrap } from '../wrap.js';

interface Message {
  headers?: MessageHeaders;
}
interface Batch {
  messages?: Message[];
  topicMessages?: Batch[];
}
type EachMessage = (payload: { message: Message }) => unknown;

export function patch({ exports, runtime }: LoadedFile): void {
  const { prototype } = exports as { prototype: object };
  const addLane = (batch: Batch): Batch => ({
    ...batch,
    ...(Array.isArray(batch.messages)
      ? { messages: batch.messages.map((message) => ({ ...message, headers: withLane(message.headers, runtime) }) as Message) }
      : {}),
    ...(Array.isArray(batch.topicMessages) ? { topicMessages: batch.topicMessages.map(addLane) } : {}),
  });
  const withLanes = safely('kafkajs', addLane);
  const laneOf = safely('kafkajs', (message: Message | undefined) => laneOfMessage(message?.headers, runtime));

  const changeSender = (sender: object): void => {
    for (const method of ['send', 'sendBatch']) {
      wrap(sender, method, (original) => {
        return function sent(this: unknown, ...args: unknown[]): unknown {
          return Reflect.apply(original, this, [withLanes(args[0] as Batch) ?? args[0], ...args.slice(1)] as never);
        };
      });
    }
    wrap(sender, 'transaction', (original) => {
      return async function transaction(this: unknown, ...args: never[]): Promise<unknown> {
        const made = (await Reflect.apply(original, this, args)) as object;
        changeSender(made);
        return made;
      };
    });
  };
  wrap(prototype, 'producer', (original) => {
    return function producer(this: unknown, ...args: never[]): unknown {
      const made = Reflect.apply(original, this, args) as object;
      changeSender(made);
      return made;
    };
  });
  wrap(prototype, 'consumer', (original) => {
    return function consumer(this: unknown, ...args: never[]): unknown {
      const made = Reflect.apply(original, this, args) as object;
      wrap(made, 'run', (run) => {
        return function running(this: unknown, given?: { eachMessage?: EachMessage }): unknown {
          const handler = given?.eachMessage;
          if (typeof handler !== 'function') return Reflect.apply(run, this, [given] as never);
          const eachMessage: EachMessage = (payload) => {
            const context = laneOf(payload.message);
            return context === undefined ? handler(payload) : handleInLane(context, handler, undefined, [payload]);
          };
          return Reflect.apply(run, this, [{ ...given, eachMessage }] as never);
        };
      });
      return made;
    };
  });
}
