'use strict';
// The ten lines with cls-hooked, whose async_hooks see every promise.
const http = require('node:http');
const lane = require('cls-hooked').createNamespace('lane');
const { emit } = http.Server.prototype;
http.Server.prototype.emit = function (event, request, ...rest) {
  if (event !== 'request') return emit.call(this, event, request, ...rest);
  return lane.runAndReturn(() => {
    lane.set('baggage', request.headers.baggage);
    return emit.call(this, event, request, ...rest);
  });
};
const { get } = http;
http.get = (options, ...rest) => get({ ...options, headers: { ...options.headers, baggage: lane.get('baggage') } }, ...rest);
