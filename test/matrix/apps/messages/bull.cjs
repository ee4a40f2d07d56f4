'use strict';
const Queue = require('bull');

module.exports = async (handle) => {
  const queue = new Queue(`shop-${process.pid}`, { redis: { host: '127.0.0.1', port: Number(process.env.REDIS) } });
  queue.process(4, (job) => handle(job.data.id, job.data.own));
  await queue.isReady();
  const dataOf = (id) => ({ id, own: 'kept' });
  return {
    add: (id) => queue.add(dataOf(id)),
    addBulk: (id) => queue.addBulk([{ data: dataOf(id) }]),
  };
};
