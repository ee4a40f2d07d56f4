'use strict';
// A worker thread with the agent, which ends by itself; or a cluster of two workers, each with the agent, which ends once it is told to.

const cluster = require('node:cluster');
const { Worker, isMainThread } = require('node:worker_threads');

if (process.argv[2] === 'thread') {
  if (isMainThread) new Worker(__filename, { argv: ['thread'] });
} else if (cluster.isPrimary) {
  for (let i = 0; i < 2; i++) cluster.fork();
  process.once('message', () => {
    for (const worker of Object.values(cluster.workers)) worker.send('end');
    process.disconnect();
  });
  process.send({ port: 0 });
} else process.on('message', () => process.disconnect());
