'use strict';
// Reports what the app's http.Agent finds in the options of a redirected call, before and after Node used them; and who answers.

const http = require('node:http');
const { once } = require('node:events');
const { runInLane } = require('@lane/core');

const noted = [];
const textOf = ({ host, port, servername }) => `${host}:${port} ${servername ?? '-'}`;
class Noting extends http.Agent {
  addRequest(request, given, ...rest) {
    const options = process.argv[2] === 'frozen' ? Object.freeze({ ...given }) : given;
    const before = textOf(options);
    super.addRequest(request, options, ...rest);
    noted.push([before, textOf(options)]);
  }
}

async function main() {
  const servers = {};
  for (const name of ['base', 'gray']) {
    servers[name] = http.createServer((_, response) => response.end(name));
    await once(servers[name].listen(0, '127.0.0.1'), 'listening');
  }
  const portOf = (name) => servers[name].address().port;
  const instance = (name, metadata) => ({ ip: '127.0.0.1', port: portOf(name), weight: 1, healthy: true, enabled: true, metadata });
  const { runtime } = globalThis[Symbol.for('lane.agent.v1')];
  runtime.tables.update({ name: 'stock', group: 'DEFAULT_GROUP' }, [instance('base', {}), instance('gray', { lane: 'gray' })]);

  const agent = new Noting({ keepAlive: true });
  const call = (lane, target) =>
    new Promise((resolve, reject) => {
      const make = () =>
        http
          .get({ ...target, agent }, (response) => {
            let text = '';
            response.on('data', (chunk) => (text += chunk)).on('end', () => resolve(text));
          })
          .on('error', reject);
      if (lane === undefined) make();
      else runInLane(lane, make);
    });
  const base = { host: '127.0.0.1', port: portOf('base') };
  const answers = [];
  for (const target of [base, { host: 'stock', port: 80 }]) {
    for (const lane of ['gray', undefined, 'gray']) answers.push(await call(lane, target));
  }
  const all = await Promise.all(Array.from({ length: 50 }, (_, i) => call(i % 2 === 0 ? 'gray' : undefined, base)));
  agent.destroy();
  console.log(
    JSON.stringify({
      answers,
      interleaved: all.every((name, i) => name === (i % 2 === 0 ? 'gray' : 'base')),
      isAsGiven: noted.every(([a, b]) => a === b),
      noted: noted.length,
    }),
  );
  for (const server of Object.values(servers)) server.close();
}

main();
