'use strict';
const cluster = require('node:cluster');
const { createServer } = require('node:http');
const { answer } = require('./answer.cjs');

if (cluster.isPrimary) {
  let ready = 0;
  for (let i = 0; i < 2; i++) {
    const worker = cluster.fork();
    worker.on('message', (message) => {
      if (message.port === undefined || ++ready === 2) process.send(message);
    });
  }
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill();
    process.exit();
  });
} else {
  createServer(answer).listen(Number(process.env.PORT), '127.0.0.1', function () {
    process.send({ port: this.address().port });
  });
}
