'use strict';
const { fork, spawn } = require('node:child_process');
const { join } = require('node:path');

const file = join(__dirname, 'common.cjs');
const child = process.argv[2] === 'spawn' ? spawn(process.execPath, [file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }) : fork(file);
child.on('message', (message) => process.send(message));
process.on('SIGTERM', () => {
  child.kill();
  process.exit();
});
