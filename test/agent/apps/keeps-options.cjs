'use strict';
// Simulates another agent, loaded first, that keeps the options of a call and passes them to Node later.

const http = require('node:http');
const { addRequest } = http.Agent.prototype;
http.Agent.prototype.addRequest = function late(...args) {
  setImmediate(() => addRequest.apply(this, args));
};
