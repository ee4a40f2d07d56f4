'use strict';
const { Kafka, logLevel } = require('@confluentinc/kafka-javascript').KafkaJS;

module.exports = async (took, form, topic) => {
  const kafka = new Kafka({ kafkaJS: { brokers: [`127.0.0.1:${process.env.KAFKA}`], logLevel: logLevel.NOTHING } });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await admin.disconnect();
  const producer = kafka.producer({ 'linger.ms': 0 });
  let assigned;
  const joined = new Promise((resolve) => (assigned = resolve));
  const consumer = kafka.consumer({
    kafkaJS: { groupId: topic, fromBeginning: true },
    'fetch.wait.max.ms': 100,
    rebalance_cb: () => assigned(),
  });
  await Promise.all([producer.connect(), consumer.connect()]);
  await consumer.subscribe({ topic });
  await consumer.run(
    form === 'eachBatch'
      ? { eachBatch: async ({ batch }) => batch.messages.forEach((message) => took(message.value.toString())) }
      : { eachMessage: async ({ message }) => took(message.value.toString()) },
  );
  await joined;
  return {
    publish: (id) => producer.send({ topic, messages: [{ value: id }] }),
    stop: async () => {
      await consumer.disconnect();
      await producer.disconnect();
    },
  };
};
