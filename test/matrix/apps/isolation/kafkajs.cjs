'use strict';
const { Kafka, logLevel } = require('kafkajs');

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';

module.exports = async (took, form, topic) => {
  const kafka = new Kafka({ brokers: [`127.0.0.1:${process.env.KAFKA}`], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50, retries: 20 } });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await admin.disconnect();
  const producer = kafka.producer();
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 100 });
  await Promise.all([producer.connect(), consumer.connect()]);
  await consumer.subscribe({ topic, fromBeginning: true });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.run(
    form === 'eachBatch'
      ? { eachBatch: async ({ batch }) => batch.messages.forEach((message) => took(message.value.toString())) }
      : { eachMessage: async ({ message }) => took(message.value.toString()) },
  );
  await joined;
  return {
    publish: (id) => producer.send({ topic, messages: [{ value: id }] }),
    stop: () => consumer.disconnect(),
  };
};
