import { existsSync } from 'node:fs';
import { freePort } from '../free-port.mjs';
import { npm } from '../installs.mjs';
import { shop } from '../shop.mjs';

export default {
  title: 'Orders (Express) -> queue (NATS) -> Worker -> C (Express)',
  services: ['orders', 'spring-cloud-c'],
  entry: 'orders',
  async install() {
    npm('message-queue');
  },
  async processes({ root }) {
    const port = String(await freePort());
    const lanes = ['base', 'gray'].map((lane) => ({ lane, gray: lane === 'gray' ? 'gray' : '', env: lane === 'gray' ? { LANE_TAG: 'gray' } : {} }));
    return [
      { name: 'NATS', command: natsServer(), args: ['-a', '127.0.0.1', '-p', port], ready: /Server is ready/, first: true },
      ...shop(root, ['c']),
      ...lanes.flatMap(({ lane, gray, env }) => [
        {
          name: `Orders ${lane}`,
          command: process.execPath,
          args: ['orders.js'],
          agent: true,
          env: { ...env, NAME: `Orders${gray}`, NATS: `127.0.0.1:${port}` },
          ready: /registered as/,
        },
        {
          name: `Worker ${lane}`,
          command: process.execPath,
          args: ['worker.js'],
          agent: true,
          // Workers take only the messages of their lane.
          env: { ...env, NAME: `Worker${gray}`, NATS: `127.0.0.1:${port}`, LANE_MESSAGES: 'isolate' },
          ready: /waiting for orders/,
        },
      ]),
    ];
  },
  requests: [
    { path: '/order', answer: /^Orders\[[\d.:]+\] -> Worker\[\d+\] -> C\[[\d.:]+\]$/ },
    { path: '/order', gray: true, answer: /^Ordersgray\[[\d.:]+\] -> Workergray\[\d+\] -> Cgray\[[\d.:]+\]$/ },
  ],
};

/** Debian installs it in /usr/sbin, which is not in users' PATH. */
function natsServer() {
  return ['/usr/sbin/nats-server', '/usr/local/bin/nats-server'].find((file) => existsSync(file)) ?? 'nats-server';
}
