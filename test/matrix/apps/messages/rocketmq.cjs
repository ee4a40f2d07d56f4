'use strict';
const { ConsumeResult, Producer, PushConsumer } = require('rocketmq-client-nodejs');

module.exports = async (handle) => {
  const options = { endpoints: `127.0.0.1:${process.env.ROCKETMQ}`, namespace: '', logger: new Proxy({}, { get: () => () => {} }) };
  const producer = new Producer(options);
  await producer.startup();
  // All tests share the topic.
  const mine = `${process.pid} `;
  const send = (id) => producer.send({ topic: 'shop', body: Buffer.from(mine + id), properties: new Map([['own', 'kept']]) });
  let isReady;
  const ready = new Promise((resolve) => (isReady = resolve));
  const consumer = new PushConsumer({
    ...options,
    consumerGroup: `shop-${process.pid}`,
    subscriptions: new Map([['shop', '*']]),
    messageListener: {
      async consume({ body, properties }) {
        const text = body.toString();
        if (text === `${mine}ready`) isReady();
        else if (text.startsWith(mine)) await handle(text.slice(mine.length), properties.get('own'));
        return ConsumeResult.SUCCESS;
      },
    },
  });
  await consumer.startup();
  // It polls for its queues; earlier messages are not for it.
  const probes = setInterval(() => void send('ready').catch(() => {}), 200);
  await ready;
  clearInterval(probes);
  return { send };
};
