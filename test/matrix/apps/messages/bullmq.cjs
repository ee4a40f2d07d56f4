'use strict';
module.exports = async (handle, name) => {
  const connection = { host: '127.0.0.1', port: Number(process.env.REDIS) };
  const { FlowProducer, Queue, Worker } = name === 'module' ? await import('bullmq') : require(name);
  const queueName = `shop-${process.pid}`;
  const queue = new Queue(queueName, { connection });
  const flows = new FlowProducer({ connection });
  const worker = new Worker(queueName, (job) => handle(job.data.id, job.data.own), {
    connection: { ...connection, maxRetriesPerRequest: null },
    concurrency: 4,
  });
  await worker.waitUntilReady();
  const dataOf = (id) => ({ id, own: 'kept' });
  return {
    add: (id) => queue.add('job', dataOf(id)),
    addBulk: (id) => queue.addBulk([{ name: 'job', data: dataOf(id) }]),
    delayed: (id) => queue.add('job', dataOf(id), { delay: 5 }),
    flow: (id) => flows.add({ name: 'job', queueName, data: dataOf(id) }),
  };
};
