/* The pre-stop hook: the agent takes the app's instances out of the registry, and answers when that is done. */
'use strict';
const http = require('node:http');

const TIMEOUT_MS = 20_000;
const host = process.env.LANE_ADMIN_HOST || '127.0.0.1';
const port = Number(process.env.LANE_ADMIN_PORT);

const fail = (reason) => {
  process.stderr.write(`lane: the app could not be drained: ${reason}\n`);
  process.exitCode = 1;
};

if (!(port > 0)) fail('LANE_ADMIN_PORT is not set');
else {
  const request = http.request({ host, port, path: '/drain', method: 'POST', timeout: TIMEOUT_MS }, (response) => {
    response.resume();
    if (response.statusCode >= 300) fail(`POST /drain was answered with ${response.statusCode}`);
  });
  request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
  request.on('error', (error) => fail(error.message));
  request.end();
}
