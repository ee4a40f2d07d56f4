'use strict';
const { parentPort } = require('node:worker_threads');

process.send = (message) => parentPort.postMessage(message);
require('./common.cjs');
