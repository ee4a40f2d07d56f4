'use strict';
// A answers by calling B, in the way that WORKLOAD names.
const { serverOf } = require('./workloads.cjs');

async function start() {
  const server = await serverOf(process.env.WORKLOAD);
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
}

void start();
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpu: user + system });
});
process.on('disconnect', () => process.exit());
