'use strict';
// Simulates a machine whose resolver fails for everybody. Loaded before the agent, since it would be so from the start.
const dns = require('node:dns');

const gone = (hostname) => Object.assign(new Error(`getaddrinfo EAI_AGAIN ${hostname}`), { code: 'EAI_AGAIN', syscall: 'getaddrinfo', hostname });
dns.lookup = (hostname, options, done) => process.nextTick(typeof options === 'function' ? options : done, gone(hostname));
dns.promises.lookup = async (hostname) => {
  throw gone(hostname);
};
