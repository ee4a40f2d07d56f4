'use strict';
// Prints whether V8 keeps the sockets of calls as it does without an agent, and what a method called without its object says. Needs --allow-natives-syntax.

const http = require('node:http');
const { once } = require('node:events');
const { runInThisContext } = require('node:vm');
const { runInLane } = require('@lane/core');

const isFast = runInThisContext('(socket) => %HasFastProperties(socket)');

async function main() {
  const servers = {};
  for (const name of ['base', 'gray']) {
    servers[name] = http.createServer((_, response) => response.end(name));
    await once(servers[name].listen(0, '127.0.0.1'), 'listening');
  }
  const agent = globalThis[Symbol.for('lane.agent.v1')];
  const instance = (name, metadata) => ({ ip: '127.0.0.1', port: servers[name].address().port, weight: 1, healthy: true, enabled: true, metadata });
  agent?.runtime.tables.update({ name: 'stock', group: 'DEFAULT_GROUP' }, [instance('base', {}), instance('gray', { lane: 'gray' })]);

  const call = async () => {
    const request = http.get({ host: '127.0.0.1', port: servers.base.address().port, agent: false });
    const [response] = await once(request, 'response');
    const { socket } = request;
    let text = '';
    for await (const chunk of response) text += chunk;
    return { text, isFast: isFast(socket) };
  };
  const { emit } = new http.IncomingMessage(null);
  let thrown;
  try {
    emit('data');
  } catch (error) {
    thrown = error.name;
  }
  console.log(JSON.stringify({ own: await call(), gray: await runInLane('gray', call), thrown }));
  process.exit();
}

void main();
