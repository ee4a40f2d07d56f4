'use strict';
// Many calls in a lane at once through a Pool and a Client of undici, by name and by the address of base: how many connections each opens to gray.

const { createServer } = require('node:http');
const { once } = require('node:events');
const { runInLane } = require('@lane/core');
const { Client, Pool } = require(process.env.UNDICI ?? 'undici');

async function main() {
  const servers = {};
  for (const name of ['base', 'gray']) {
    const server = createServer((_, response) => response.end(name));
    server.opened = 0;
    server.on('connection', () => server.opened++);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    servers[name] = server;
  }
  const portOf = ({ base, gray }, name) => (name === 'base' ? base : gray).address().port;
  const { runtime } = globalThis[Symbol.for('lane.agent.v1')];
  runtime.tables.update(
    { name: 'stock', group: 'DEFAULT_GROUP' },
    ['base', 'gray'].map((name) => ({
      ip: '127.0.0.1',
      port: portOf(servers, name),
      weight: 1,
      healthy: true,
      enabled: true,
      metadata: name === 'gray' ? { lane: 'gray' } : {},
    })),
  );
  const told = {};
  for (const [form, url] of [
    ['name', 'http://stock'],
    ['address', `http://127.0.0.1:${portOf(servers, 'base')}`],
  ]) {
    for (const [kind, dispatcher] of [
      ['pool', new Pool(url, { connections: 2 })],
      ['client', new Client(url)],
    ]) {
      servers.gray.opened = 0;
      const call = async () => (await dispatcher.request({ path: '/', method: 'GET' })).body.text();
      const answers = await Promise.all(Array.from({ length: 30 }, () => runInLane('gray', call)));
      told[`${kind} by ${form}`] = [...new Set(answers), servers.gray.opened];
      await dispatcher.close();
    }
  }
  console.log(JSON.stringify(told));
  for (const server of Object.values(servers)) server.close();
}

main();
