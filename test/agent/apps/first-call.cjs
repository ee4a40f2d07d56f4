'use strict';
// Calls a service by name, in the first tick or later, with nothing else that keeps the process alive; tells how it went.

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
if (process.env.LATER === undefined) void call();
else setTimeout(call, Number(process.env.LATER));
