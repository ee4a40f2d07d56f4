'use strict';
// Pushes from two lanes into acme-queue, which it loads from the working folder; reports the lanes of the callbacks.
const { createRequire } = require('node:module');
const { join } = require('node:path');
const { currentLane, runInLane } = require('@lane/core');

const { Queue } = createRequire(join(process.cwd(), 'index.js'))('acme-queue');
const queue = new Queue();
const seen = [];
const done = () => seen.push(currentLane()) === 2 && process.stdout.write(seen.join());
runInLane('gray', () => queue.push(1, done));
runInLane('blue', () => queue.push(2, done));
