/** The two libraries with KafkaJS' interface differ in how a consumer is configured, and in how it reports its partitions. */
import type { IsolatedGroup } from '../isolation/kafka.js';
import { wrap } from '../../patching/wrap.js';

/** A consumer's configuration. */
export type ConsumerConfig = Readonly<Record<string, unknown>>;

/** What isolation needs of a consumer, beyond the common interface. */
export interface Dialect {
  /** undefined: not in the configuration. */
  groupIdOf(config: ConsumerConfig): string | undefined;
  /** The configuration of a consumer in that group. */
  within(config: ConsumerConfig, group: IsolatedGroup): ConsumerConfig;
  /** Follows the consumer created from it. */
  follow(consumer: object, group: IsolatedGroup): void;
}

interface KafkajsConsumer {
  on(event: string, listener: () => void): unknown;
  readonly events: { readonly GROUP_JOIN: string };
}

/** kafkajs. */
export const KAFKAJS: Dialect = {
  groupIdOf: ({ groupId }) => (typeof groupId === 'string' ? groupId : undefined),
  within: (config, { groupId }) => ({ ...config, groupId }),
  follow(consumer, group) {
    const { events } = consumer as KafkajsConsumer;
    (consumer as KafkajsConsumer).on(events.GROUP_JOIN, () => group.reassigned());
    if (!group.startsNow) return;
    wrap(consumer, 'subscribe', (subscribe) => {
      return function subscribed(this: unknown, ...args: unknown[]): unknown {
        return Reflect.apply(subscribe, this, [{ ...(args[0] as object), fromBeginning: false }, ...args.slice(1)]);
      };
    });
  },
};

type Rebalanced = (...args: unknown[]) => unknown;

/** @confluentinc/kafka-javascript: KafkaJS' settings are in a block of their own, and those of librdkafka beside it come first. */
export const CONFLUENT: Dialect = {
  groupIdOf(config) {
    const id = config['group.id'] ?? (config['kafkaJS'] as { groupId?: unknown } | undefined)?.groupId;
    return typeof id === 'string' ? id : undefined;
  },
  within(config, group) {
    const own = config['rebalance_cb'] as Rebalanced | undefined;
    return {
      ...config,
      'group.id': group.groupId,
      ...(group.startsNow ? { 'auto.offset.reset': 'latest' } : {}),
      rebalance_cb(...args: unknown[]): unknown {
        group.reassigned();
        return typeof own === 'function' ? own(...args) : undefined;
      },
    };
  },
  follow() {},
};
