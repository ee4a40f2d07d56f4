'use strict';
// The lane in a worker thread, from a file and from text, and in a forked process: each is a complete app.
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { fork } = require('node:child_process');

const hasAgent = () => globalThis[Symbol.for('lane.agent.v1')] !== undefined;

if (process.argv[2] === 'child') process.send({ hasAgent: hasAgent() }, () => process.exit());
else if (!isMainThread) parentPort.postMessage(hasAgent());
else {
  const fromFile = new Promise((resolve) => new Worker(__filename).on('message', resolve));
  const fromText = new Promise((resolve) =>
    new Worker('require("node:worker_threads").parentPort.postMessage(globalThis[Symbol.for("lane.agent.v1")] !== undefined)', { eval: true }).on(
      'message',
      resolve,
    ),
  );
  const forked = new Promise((resolve) => fork(__filename, ['child']).on('message', (message) => resolve(message.hasAgent)));
  Promise.all([fromFile, fromText, forked]).then((all) => console.log(JSON.stringify({ main: hasAgent(), all })));
}
