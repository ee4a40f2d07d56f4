'use strict';
// A machine whose resolver does not answer, for whoever looks names up: before the agent, as it would be.
const dns = require('node:dns');

const gone = (hostname) => Object.assign(new Error(`getaddrinfo EAI_AGAIN ${hostname}`), { code: 'EAI_AGAIN', syscall: 'getaddrinfo', hostname });
dns.lookup = (hostname, options, done) => process.nextTick(typeof options === 'function' ? options : done, gone(hostname));
dns.promises.lookup = async (hostname) => {
  throw gone(hostname);
};
