'use strict';
// The server runs in a worker, from a file or from text.
const { Worker } = require('node:worker_threads');
const { join } = require('node:path');

const text = `const { parentPort } = require('node:worker_threads');
process.send = (message) => parentPort.postMessage(message);
require(${JSON.stringify(join(__dirname, 'common.cjs'))});`;
const worker = process.argv[2] === 'eval' ? new Worker(text, { eval: true }) : new Worker(join(__dirname, 'worker-file.cjs'));
worker.on('message', (message) => process.send(message));
