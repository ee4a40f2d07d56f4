'use strict';
const { Kafka, logLevel } = require('kafkajs');

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';

module.exports = async (handle) => {
  const kafka = new Kafka({ brokers: [`127.0.0.1:${process.env.KAFKA}`], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50, retries: 20 } });
  const topic = `shop-${process.pid}`;
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await admin.disconnect();
  const producer = kafka.producer();
  const transactional = kafka.producer({ transactionalId: topic, idempotent: true, maxInFlightRequests: 1 });
  const consumer = kafka.consumer({ groupId: topic });
  await Promise.all([producer.connect(), transactional.connect(), consumer.connect()]);
  await consumer.subscribe({ topic, fromBeginning: true });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.run({ eachMessage: ({ message }) => handle(message.value.toString(), message.headers.own?.toString()) });
  await joined;
  const messages = (id) => [{ value: id, headers: { own: 'kept' } }];
  let last = Promise.resolve();
  return {
    send: (id) => producer.send({ topic, messages: messages(id) }),
    sendBatch: (id) => producer.sendBatch({ topicMessages: [{ topic, messages: messages(id) }] }),
    // A producer has one transaction at a time.
    transaction: async (id) => {
      const before = last;
      let done;
      last = new Promise((resolve) => (done = resolve));
      await before;
      const transaction = await transactional.transaction();
      await transaction.send({ topic, messages: messages(id) });
      await transaction.commit();
      done();
    },
  };
};
