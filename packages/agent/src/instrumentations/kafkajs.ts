/**
 * kafkajs, and @confluentinc/kafka-javascript with the same interface: the results of `producer` and `consumer` are changed as they are made.
 * Limit: a batch holds messages of several lanes, so `eachBatch` runs in none.
 */
import type { LoadedFile } from '../patching/instrumentation.js';
import { changeConsumer, isolateConfig } from '../messages/kafka/consumer.js';
import { CONFLUENT, KAFKAJS, type ConsumerConfig } from '../messages/kafka/dialects.js';
import type { Kafka } from '../messages/isolation/kafka.js';
import { changeSender } from '../messages/kafka/producer.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

export function patch({ exports, file, runtime }: LoadedFile): void {
  const dialect = file.startsWith('kafkajs/') ? KAFKAJS : CONFLUENT;
  const isolate = safely('kafkajs isolation', isolateConfig);
  const consumerInLane = safely('kafkajs', changeConsumer);
  const { prototype } = (exports as { Kafka?: { prototype: object } }).Kafka ?? (exports as { prototype: object });
  wrap(prototype, 'producer', (original) => {
    return function producer(this: unknown, ...args: never[]): unknown {
      const made = Reflect.apply(original, this, args) as object;
      changeSender(made, runtime);
      return made;
    };
  });
  wrap(prototype, 'consumer', (original) => {
    return function consumer(this: Kafka, ...args: unknown[]): unknown {
      const isolated = isolate(this, args[0] as ConsumerConfig | undefined, dialect, runtime);
      const made = Reflect.apply(original, this, isolated === undefined ? args : [isolated.config, ...args.slice(1)]) as object;
      consumerInLane(made as Parameters<typeof changeConsumer>[0], isolated === undefined ? undefined : { group: isolated.group, dialect }, runtime);
      return made;
    };
  });
}
