'use strict';
const Queue = require('bull');

module.exports = async (took, queueName) => {
  const queue = new Queue(queueName, { redis: { host: '127.0.0.1', port: Number(process.env.REDIS) } });
  queue.process(4, async (job) => took(job.data.id));
  await queue.isReady();
  return { publish: (id) => queue.add({ id }), stop: () => queue.close() };
};
