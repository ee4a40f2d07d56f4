'use strict';
// Another agent that came first: it keeps the options of a call, and hands them to Node later.

const http = require('node:http');
const { addRequest } = http.Agent.prototype;
http.Agent.prototype.addRequest = function late(...args) {
  setImmediate(() => addRequest.apply(this, args));
};
