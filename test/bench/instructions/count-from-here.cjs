/** The first preload of a process whose start is counted: what the engine does before, such as its search for a random hash seed, differs each time. */
'use strict';
const { execFileSync } = require('node:child_process');

execFileSync('callgrind_control', ['-i', 'on', String(process.pid)], { stdio: 'ignore', env: { ...process.env, NODE_OPTIONS: '' } });
