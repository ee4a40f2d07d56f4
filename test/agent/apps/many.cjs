'use strict';
// A cluster of two workers, or a worker thread, each with the agent; ends by itself.

const cluster = require('node:cluster');
const { Worker, isMainThread } = require('node:worker_threads');

if (process.argv[2] === 'thread') {
  if (isMainThread) new Worker(__filename, { argv: ['thread'] });
} else if (cluster.isPrimary) {
  for (let i = 0; i < 2; i++) cluster.fork();
} else setTimeout(() => process.disconnect(), 200);
