'use strict';
module.exports = async (took, name, queueName) => {
  const { Queue, Worker } = require(name);
  const connection = { host: '127.0.0.1', port: Number(process.env.REDIS), maxRetriesPerRequest: null };
  const queue = new Queue(queueName, { connection });
  const worker = new Worker(queueName, async (job) => took(job.data.id), { connection, concurrency: 4 });
  await worker.waitUntilReady();
  return { publish: (id) => queue.add('job', { id }), stop: () => worker.close() };
};
