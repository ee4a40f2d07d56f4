/**
 * amqplib, with promises and callbacks: every publish goes through `sendMessage`, whose properties hold the headers, and every
 * delivery through `dispatchMessage`. Confirmations come from the socket: their callbacks are bound to who published.
 */
import { resumeContext } from '@lane/core/model';
import { bindArguments } from '../patching/bind-arguments.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import type { OwnChannelClass } from '../messages/isolation/rabbitmq.js';
import { handleInLane, laneOfMessage, withLane, type MessageHeaders } from '../messages/messages.js';
import { laneOfOptions } from '../messages/sent-in.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

/** Whoever wraps the same method for another reason is no reason to leave this out. */
const PARTY = Symbol.for('lane.sent-in.v1');

interface Delivered {
  readonly properties?: { readonly headers?: MessageHeaders };
}

export function patch({ exports, file, filename, runtime }: LoadedFile): void {
  if (file !== 'amqplib/lib/channel.js') {
    const { Channel, ConfirmChannel } = exports as Record<'Channel' | 'ConfirmChannel', { prototype: object }>;
    bindArguments(ConfirmChannel.prototype, 'publish');
    for (const { prototype } of [ConfirmChannel, Channel]) publishInLane(prototype);
    if (runtime.isolates) {
      const { isolateConsumers } = require('../messages/isolation/rabbitmq.js') as typeof import('../messages/isolation/rabbitmq.js');
      const model = filename.replace('callback_model', 'channel_model');
      const own = (): OwnChannelClass => (require(model) as { Channel: OwnChannelClass }).Channel;
      isolateConsumers(Channel.prototype, filename === model, own, runtime);
    }
    return;
  }
  const { prototype } = (exports as { BaseChannel: { prototype: object } }).BaseChannel;
  const addLane = safely('amqplib', (properties: { headers?: MessageHeaders }) => {
    const headers = withLane(properties.headers, runtime);
    if (headers !== undefined) properties.headers = headers;
  });
  const laneOf = safely('amqplib', (message: Delivered | null) => laneOfMessage(message?.properties?.headers, runtime));
  wrap(prototype, 'sendMessage', (original) => {
    return function sendMessage(this: unknown, ...args: unknown[]): unknown {
      // amqplib creates it for each message.
      addLane(args[1] as { headers?: MessageHeaders });
      return Reflect.apply(original, this, args);
    };
  });
  wrap(prototype, 'dispatchMessage', (original) => {
    return function dispatchMessage(this: unknown, ...args: unknown[]): unknown {
      const context = laneOf(args[1] as Delivered | null);
      return context === undefined ? Reflect.apply(original, this, args) : handleInLane(context, original, this, args);
    };
  });
}

/** Publishes a message that somebody else has kept in the lane in which it was handed in. */
function publishInLane(prototype: object): void {
  wrap(
    prototype,
    'publish',
    (original) => {
      return function publish(this: unknown, ...args: unknown[]): unknown {
        const context = laneOfOptions(args[3]);
        return context === undefined ? Reflect.apply(original, this, args) : resumeContext(context, original, this, args);
      };
    },
    PARTY,
  );
}
