/**
 * rocketmq-client-nodejs: the tag goes in the message's properties; the listener of a PushConsumer runs in the lane of its message.
 * Under LANE_MESSAGES=isolate, its class is replaced by one whose consumers are isolated.
 * Limit: nobody calls a handler for a SimpleConsumer's messages; use `runInLane`.
 */
import { createRequire } from 'node:module';
import type { ConsumerClass } from '../messages/isolation/rocketmq.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { handleInLane, laneOfMessage, withLane, type MessageHeaders } from '../messages/messages.js';
import type { Messaging } from '../messages/messaging.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

interface Message {
  properties?: Map<string, string>;
}

export function patch({ exports, filename, runtime }: LoadedFile): void {
  const { ConsumeService, PublishingMessage } = exports as Partial<Record<'ConsumeService' | 'PublishingMessage', { prototype: object }>>;
  if (PublishingMessage !== undefined) {
    const addLane = safely('rocketmq', (message: Message) => {
      const headers = headersOf(message);
      const written = withLane(headers, runtime);
      if (written !== headers) message.properties = new Map(Object.entries(written as Record<string, string>));
    });
    wrap(PublishingMessage.prototype, 'toProtobuf', (original) => {
      return function toProtobuf(this: Message, ...args: never[]): unknown {
        addLane(this);
        return Reflect.apply(original, this, args);
      };
    });
  }
  if (runtime.isolates && 'PushConsumer' in (exports as object)) isolate(exports as object, filename, runtime);
  if (ConsumeService === undefined) return;
  const laneOf = safely('rocketmq', (message: Message) => laneOfMessage(headersOf(message), runtime));
  wrap(ConsumeService.prototype, 'consumeMessage', (original) => {
    return function consumeMessage(this: unknown, ...args: unknown[]): unknown {
      const context = laneOf(args[0] as Message);
      return context === undefined ? Reflect.apply(original, this, args) : handleInLane(context, original, this, args);
    };
  });
}

function isolate(exports: object, filename: string, runtime: Messaging): void {
  const { isolatePushConsumers } = require('../messages/isolation/rocketmq.js') as typeof import('../messages/isolation/rocketmq.js');
  const { ConsumeResult } = createRequire(filename)('./ConsumeResult') as { ConsumeResult: { SUCCESS: unknown } };
  wrap(exports, 'PushConsumer', (original: ConsumerClass) => isolatePushConsumers(original, () => ConsumeResult.SUCCESS, runtime));
}

function headersOf({ properties }: Message): MessageHeaders {
  return properties === undefined ? {} : Object.fromEntries(properties);
}
