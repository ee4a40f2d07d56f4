'use strict';
// Calls a service by name, in the first tick or later, with nothing else that keeps the process alive; reports the outcome.

const http = require('node:http');

const WAYS = {
  fetch: async (url) => (await fetch(url)).text(),
  undici: async (url) => (await require('undici').request(url)).body.text(),
  http: (url) =>
    new Promise((resolve, reject) => {
      http
        .get(url, (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (chunk) => (text += chunk));
          answer.once('end', () => resolve(text));
        })
        .once('error', reject);
    }),
  http2: (url) =>
    new Promise((resolve, reject) => {
      const session = require('node:http2').connect(url);
      const stream = session.once('error', reject).request({ ':path': '/' }).once('error', reject);
      let text = '';
      stream.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      stream.once('end', () => {
        session.close();
        resolve(text);
      });
    }),
  grpc: (url) =>
    new Promise((resolve, reject) => {
      const { Client, credentials } = require('@grpc/grpc-js');
      const same = (value) => value;
      const client = new Client(url.replace('http://', 'dns:').replace(/\/$/, ''), credentials.createInsecure());
      client.makeUnaryRequest('/stock.Stock/Who', same, same, Buffer.from(''), (error, answer) => (error ? reject(error) : resolve(String(answer))));
    }),
};

async function call() {
  const { CALL, WAY = 'fetch', TIMES = '1' } = process.env;
  for (let i = 0; i < Number(TIMES); i++) {
    const called = WAYS[WAY](CALL);
    const timers = process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    const note = i > 0 && timers === 0 ? ", without a timer of the agent's" : '';
    try {
      console.log((await called) + note);
    } catch (error) {
      console.log(`failed: ${error.cause?.code ?? error.code ?? error.message}${note}`);
    }
  }
}

/** As an app does that loads its modules. */
const block = (ms = 0) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));

const { LATER, BLOCKED_BEFORE, BLOCKED_AFTER } = process.env;
if (LATER === undefined) void call();
else
  setTimeout(() => {
    block(BLOCKED_BEFORE);
    void call();
  }, Number(LATER));
block(BLOCKED_AFTER);
