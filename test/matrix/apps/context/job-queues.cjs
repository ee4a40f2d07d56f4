'use strict';
module.exports = async (name) => {
  const connection = { host: '127.0.0.1', port: Number(process.env.REDIS) };
  const Queue = name === 'bull' ? require(name) : require(name).Queue;
  const queue = name === 'bull' ? new Queue('shop', { redis: connection }) : new Queue('shop', { connection });
  return {
    add: async (see) => {
      await queue.add('job', {});
      see('added');
    },
    count: async (see) => {
      await queue.getWaitingCount?.();
      see('counted');
    },
  };
};
