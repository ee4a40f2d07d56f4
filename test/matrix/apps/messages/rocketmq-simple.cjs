'use strict';
// A SimpleConsumer calls no handler: the app sets the tag as a property, and runs the handler in it.
const { currentLane, runInLane } = require('@lane/core');
const { Producer, SimpleConsumer } = require('rocketmq-client-nodejs');

module.exports = async (handle) => {
  const options = { endpoints: `127.0.0.1:${process.env.ROCKETMQ}`, namespace: '', logger: new Proxy({}, { get: () => () => {} }) };
  const producer = new Producer(options);
  await producer.startup();
  // All tests share the topic.
  const mine = `${process.pid} `;
  const send = (id) => {
    const lane = currentLane();
    const properties = new Map([['own', 'kept'], ...(lane === undefined ? [] : [['shop-lane', lane]])]);
    return producer.send({ topic: 'shop', body: Buffer.from(mine + id), properties });
  };
  const consumer = new SimpleConsumer({
    ...options,
    consumerGroup: `shop-${process.pid}`,
    subscriptions: new Map([['shop', '*']]),
  });
  await consumer.startup();
  let isReady;
  const ready = new Promise((resolve) => (isReady = resolve));
  const receive = async () => {
    for (;;) {
      for (const message of await consumer.receive(16, 20_000)) {
        await consumer.ack(message);
        const text = message.body.toString();
        if (text === `${mine}ready`) isReady();
        else if (text.startsWith(mine))
          void runInLane(message.properties.get('shop-lane'), () => handle(text.slice(mine.length), message.properties.get('own')));
      }
    }
  };
  for (let i = 0; i < 4; i++) void receive();
  // Messages sent before the broker knows its group are not for it.
  const probes = setInterval(() => void send('ready').catch(() => {}), 200);
  await ready;
  clearInterval(probes);
  return { send };
};
