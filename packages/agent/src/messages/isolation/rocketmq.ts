/**
 * Isolation on RocketMQ. A lane's consumers form their own group. Each group gets every message and skips
 * those that are not for it. The client can't list a group's members, so a lane has a live consumer if the registry has an
 * instance of this service in it.
 *
 * Limits: what a lane has not handled when it ends waits in its group; SimpleConsumer and LitePushConsumer share messages.
 */
import { laneOfMessage, type MessageHeaders } from '../messages.js';
import type { Messaging } from '../messaging.js';
import { safely } from '../../patching/safely.js';
import { isInRegistry } from './in-registry.js';
import { createTakes, handleTaken, type Takes } from './takes.js';

interface Message {
  readonly properties?: ReadonlyMap<string, string>;
}
interface Listener {
  consume(message: Message): unknown;
}
interface Options {
  readonly consumerGroup: string;
  readonly messageListener: Listener;
}
/** The class PushConsumer. */
export type ConsumerClass = new (options: Options) => object;

/** A replacement for PushConsumer whose consumers are isolated. `leftOut` is the listener's answer for a message that is not for it. */
export function isolatePushConsumers(PushConsumer: ConsumerClass, leftOut: () => unknown, runtime: Messaging): ConsumerClass {
  const { tag } = runtime.options;
  const takes = createTakes(runtime, 'RocketMQ', { ask: (lane) => isInRegistry(lane, runtime), holds: 0 });
  const isolated: ConsumerClass = new Proxy(PushConsumer, {
    construct(target, [options, ...rest]: [Options, ...unknown[]], newTarget) {
      // A LitePushConsumer extends it, and has other rules.
      if (newTarget !== isolated || typeof options?.messageListener?.consume !== 'function')
        return Reflect.construct(target, [options, ...rest], newTarget) as object;
      const consumerGroup = tag === undefined ? options.consumerGroup : groupInLane(options.consumerGroup, tag);
      const changed = { ...options, consumerGroup, messageListener: ofLane(options.messageListener, takes, leftOut, runtime) };
      return Reflect.construct(target, [changed, ...rest], newTarget) as object;
    },
  });
  return isolated;
}

/** Names of groups have no dots; a tag has no bar. */
function groupInLane(group: string, tag: string): string {
  return `${group}-lane-${tag.replaceAll('.', '|')}`;
}

function ofLane(listener: Listener, takes: Takes, leftOut: () => unknown, runtime: Messaging): Listener {
  const tagOf = safely('rocketmq isolation', ({ properties }: Message) => {
    const headers: MessageHeaders = properties === undefined ? {} : Object.fromEntries(properties);
    return laneOfMessage(headers, runtime).tag;
  });
  return {
    consume(message) {
      return handleTaken(takes(tagOf(message)), () => listener.consume(message), leftOut, 'awaited');
    },
  };
}
