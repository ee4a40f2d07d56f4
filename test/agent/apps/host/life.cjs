'use strict';
// What an app may do with its process, by name. How it ends, and what it sees, must be the same with and without the agent.

const http = require('node:http');
const cluster = require('node:cluster');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');

/** A server, and a tagged request to it, so that the agent has work to do. */
const served = (handle = (_, response) => response.end('served')) =>
  new Promise((resolve) => {
    const server = http.createServer(handle).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      const ask = () =>
        new Promise((answered) => {
          http
            .get({ port, host: '127.0.0.1', agent: false, headers: { baggage: 'lane=gray' } }, (response) => {
              let text = '';
              response.on('data', (chunk) => (text += chunk)).on('end', () => answered(text));
            })
            .on('error', (error) => answered(`${error.code} ${error.syscall}`));
        });
      resolve({ ask, port, close: () => server.close() });
    });
  });

const lives = {
  async 'exits by a code'() {
    await (await served()).ask();
    process.exit(3);
  },
  async 'ends with a code'() {
    const { ask, close } = await served();
    process.exitCode = 4;
    process.on('exit', (code) => console.log('exit', code));
    let count = 0;
    process.on('beforeExit', () => {
      console.log('beforeExit', ++count);
      if (count < 3) setTimeout(() => {}, 1);
    });
    console.log(await ask());
    close();
  },
  async 'throws in a request'() {
    const { ask } = await served(function handleOrder() {
      throw new Error('of the app');
    });
    await ask();
  },
  async 'rejects in a request'() {
    const { ask } = await served(async () => {
      throw new Error('of the app');
    });
    await ask();
  },
  async 'catches what nobody caught'() {
    process.on('uncaughtException', (error, origin) => console.log(origin, error.message, error.stack.split('\n')[1].replace(/\S*[\\/]/, '')));
    const { ask, close } = await served((_, response) => {
      response.end('served');
      throw new Error('of the app');
    });
    console.log(await ask());
    close();
  },
  async 'is ended by a signal'() {
    await (await served()).ask();
    process.kill(process.pid, 'SIGTERM');
  },
  async 'ends in good order at a signal'() {
    const { ask, close } = await served();
    await ask();
    process.on('SIGTERM', () => {
      console.log('SIGTERM', process.listenerCount('SIGTERM'));
      close();
    });
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => {}, 20);
  },
  async 'looks who listens'() {
    await (await served()).ask();
    const names = ['exit', 'beforeExit', 'uncaughtException', 'unhandledRejection', 'warning', 'SIGTERM', 'SIGINT', 'message', 'disconnect'];
    console.log(JSON.stringify(names.map((name) => [name, process.listenerCount(name)])));
    console.log(Object.keys(globalThis).sort().join(), Error.stackTraceLimit, typeof Error.prepareStackTrace);
    process.exit();
  },
  async 'has no descriptors left'() {
    const fs = require('node:fs');
    const { ask, close } = await served();
    const open = [];
    try {
      for (;;) open.push(fs.openSync(__filename));
    } catch (error) {
      console.log(error.code);
    }
    console.log(await ask());
    for (const each of open) fs.closeSync(each);
    console.log(await ask());
    close();
  },
  async 'has no DNS'() {
    const ask = (host) =>
      new Promise((resolve) =>
        http.get({ host, agent: false }, () => resolve('?')).on('error', ({ code, message }) => resolve(`${code} ${message}`)),
      );
    console.log(await ask('stock'), await ask('stock.invalid'));
    await fetch('http://stock/').catch(({ cause }) => console.log(cause.code));
  },
  async 'has little memory'() {
    const { ask, close } = await served();
    for (let i = 0; i < 300; i++) await ask();
    console.log(await ask());
    close();
  },
  async 'has worker threads'() {
    const worker = new Worker(__filename, { argv: ['is a thread'] });
    worker.on('message', (text) => console.log(text)).on('exit', (code) => console.log('thread', code));
    worker.on('error', (error) => console.log(error.message));
  },
  async 'is a thread'() {
    const { ask, close } = await served();
    parentPort.postMessage(await ask());
    close();
    setTimeout(() => {
      throw new Error('of the thread');
    }, 10);
  },
  async 'is a cluster'() {
    if (cluster.isPrimary) {
      const worker = cluster.fork();
      cluster.on('exit', (_, code) => console.log('worker', code));
      worker.on('message', (text) => console.log(text));
      return;
    }
    const { ask } = await served();
    const first = await ask();
    process.send(first, () => process.exit(5));
  },
};

void lives[process.argv[2]]();
if (!isMainThread && process.argv[2] === undefined) process.exit(9);
