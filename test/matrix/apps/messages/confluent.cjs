'use strict';
const { Kafka, logLevel } = require('@confluentinc/kafka-javascript').KafkaJS;

module.exports = async (handle) => {
  const kafka = new Kafka({ kafkaJS: { brokers: [`127.0.0.1:${process.env.KAFKA}`], logLevel: logLevel.NOTHING } });
  const topic = `shop-confluent-${process.pid}`;
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await admin.disconnect();
  const producer = kafka.producer({ 'linger.ms': 0 });
  const consumer = kafka.consumer({ kafkaJS: { groupId: topic, fromBeginning: true } });
  await Promise.all([producer.connect(), consumer.connect()]);
  await consumer.subscribe({ topic });
  await consumer.run({ eachMessage: ({ message }) => handle(message.value.toString(), message.headers.own?.toString()) });
  const messages = (id) => [{ value: id, headers: { own: 'kept' } }];
  return {
    send: (id) => producer.send({ topic, messages: messages(id) }),
    sendBatch: (id) => producer.sendBatch({ topicMessages: [{ topic, messages: messages(id) }] }),
  };
};
