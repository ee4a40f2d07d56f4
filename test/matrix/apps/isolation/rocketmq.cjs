'use strict';
const { NacosNamingClient } = require('nacos');
const { runInLane } = require('@lane/core');
const { ConsumeResult, Producer, PushConsumer } = require('rocketmq-client-nodejs');

const SILENT = new Proxy({}, { get: () => () => {} });

module.exports = async (took, queue) => {
  const options = { endpoints: `127.0.0.1:${process.env.ROCKETMQ}`, namespace: '', logger: SILENT };
  const producer = new Producer(options);
  await producer.startup();
  // All tests share the topic.
  const send = (id) => producer.send({ topic: 'shop', body: Buffer.from(`${queue} ${id}`) });
  let isReady;
  const ready = new Promise((resolve) => (isReady = resolve));
  const consumer = new PushConsumer({
    ...options,
    consumerGroup: queue,
    subscriptions: new Map([['shop', '*']]),
    messageListener: {
      async consume({ body }) {
        const [to, id] = body.toString().split(' ');
        if (to === queue && id === 'ready') isReady();
        else if (to === queue) took(id);
        return ConsumeResult.SUCCESS;
      },
    },
  });
  await consumer.startup();
  // It polls for its queues; earlier messages are not for it.
  const probes = setInterval(() => runInLane(process.env.LANE_TAG, () => void send('ready').catch(() => {})), 200);
  await ready;
  clearInterval(probes);

  const naming = new NacosNamingClient({ logger: SILENT, serverList: process.env.NACOS, namespace: 'public' });
  await naming.ready();
  const instance = { ip: '127.0.0.1', port: 1 + (process.pid % 65_000) };
  await naming.registerInstance(queue, instance);
  return {
    publish: send,
    async stop() {
      await naming.deregisterInstance(queue, instance);
      await consumer.shutdown();
    },
  };
};
