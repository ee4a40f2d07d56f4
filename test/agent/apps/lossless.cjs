'use strict';
// Registers itself in Nacos (NACOS) as SERVICE; the argument says how it lives. It knows nothing of the agent.

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { NacosNamingClient } = require('nacos');

const [, , life] = process.argv;
const tell = (kind) => process.send({ kind });
const quiet = { info() {}, warn() {}, error() {}, debug() {} };
const client =
  life === 'registers nothing' ? undefined : new NacosNamingClient({ logger: quiet, serverList: process.env.NACOS, namespace: 'public' });

let isReady = false;
const answer = (request, response) => {
  const answers = {
    '/ready': () => response.writeHead(isReady ? 200 : 503).end(),
    '/be-ready': () => response.end(String((isReady = true))),
    '/exit': () => process.exit(3),
    '/slow': () => {
      tell('slow');
      setTimeout(() => response.end('answered'), Number(process.env.SLOW_MS ?? 500));
    },
  };
  (answers[request.url] ?? (() => response.end('ok')))();
};
const pem = (file) => fs.readFileSync(`${__dirname}/../tls/${file}.pem`);
const server = life === 'speaks TLS' ? https.createServer({ key: pem('key'), cert: pem('cert') }, answer) : http.createServer(answer);
const listen = (port) => new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server.address().port)));
const instance = (port) => ({ ip: '127.0.0.1', port });

const onSigterm = (handle) =>
  process.on('SIGTERM', async () => {
    tell('SIGTERM');
    await handle();
  });

const lives = {
  'has no handler': () => {},
  'has a handler': () => onSigterm(() => server.close(() => process.exit(7))),
  'removes all listeners': () => process.removeAllListeners('SIGTERM'),
  'counts listeners': () => onSigterm(() => process.exit(process.listenerCount('SIGTERM') === 1 ? 8 : 9)),
  'throws in its handler': () =>
    process.on('SIGTERM', () => {
      throw new Error('of the app');
    }),
  'deregisters itself': (port) =>
    onSigterm(async () => {
      await client.deregisterInstance(process.env.SERVICE, instance(port));
      process.exit(0);
    }),
  'ignores it': () => onSigterm(() => {}),
  'registers nothing': () => onSigterm(() => {}),
  'speaks TLS': () => process.on('message', () => (isReady = true)),
};

void (async () => {
  if (life === 'registers before it listens') {
    await client.registerInstance(process.env.SERVICE, instance(Number(process.env.PORT)));
    tell('registered');
    process.on('message', () => listen(Number(process.env.PORT)));
    process.send({ port: Number(process.env.PORT) });
    return;
  }
  const port = await listen(0);
  if (life === 'takes it back') {
    const registered = client.registerInstance(process.env.SERVICE, instance(port));
    await client.deregisterInstance(process.env.SERVICE, instance(port));
    await registered;
    void client.registerInstance(`${process.env.SERVICE}-2`, instance(port));
    process.send({ port });
    return;
  }
  await lives[life]?.(port);
  const registered = client?.registerInstance(process.env.SERVICE, instance(port)).then(() => tell('registered'));
  if (process.env.LANE_READY_PATH === undefined) await registered;
  process.send({ port });
})();
process.on('disconnect', () => process.exit());
