'use strict';
// The floor: ten lines, the minimum that carries a header from a request to the calls that it makes.
const http = require('node:http');
const { AsyncLocalStorage } = require('node:async_hooks');
const lane = new AsyncLocalStorage();
const { emit } = http.Server.prototype;
http.Server.prototype.emit = function (event, request, ...rest) {
  if (event !== 'request') return emit.call(this, event, request, ...rest);
  return lane.run(request.headers.baggage, () => emit.call(this, event, request, ...rest));
};
const { get } = http;
http.get = (options, ...rest) => get({ ...options, headers: { ...options.headers, baggage: lane.getStore() } }, ...rest);
