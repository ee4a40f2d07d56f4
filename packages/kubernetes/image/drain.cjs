/*
 * The pre-stop hook, `node /lane/drain.cjs [deadlineSeconds]`: the agent deregisters the app's instances, and reports progress line
 * by line until it is done. A failure appears in the pod's events (FailedPreStopHook); the pod stops anyway.
 */
'use strict';
const http = require('node:http');

/** Lines come every second. */
const SILENCE_MS = 10_000;
const host = process.env.LANE_ADMIN_HOST || '127.0.0.1';
const port = Number(process.env.LANE_ADMIN_PORT);
const deadlineSeconds = Number(process.argv[2]);
// With a short deadline, keep part of it for requests in flight.
const query = deadlineSeconds > 0 ? '?deadlineSeconds=' + deadlineSeconds + '&settleSeconds=' + Math.min(10, Math.floor(deadlineSeconds / 2)) : '';

const fail = (reason) => {
  process.stderr.write('lane: the app was not drained: ' + reason + '\n');
  process.exitCode = 1;
};

if (!(port > 0)) fail('LANE_ADMIN_PORT is not set');
else {
  const request = http.request({ host, port, path: '/drain' + query, method: 'POST', timeout: SILENCE_MS }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk) => (text += chunk));
    response.on('end', () => {
      if (response.statusCode >= 300) return fail('POST /drain was answered with ' + response.statusCode + ': ' + text.trim());
      const { problems = [] } = JSON.parse(text.trim().split('\n').pop());
      if (problems.length > 0) fail(problems.join('; '));
    });
    response.on('error', (error) => fail(error.message));
  });
  request.on('timeout', () => request.destroy(new Error('no answer within ' + SILENCE_MS + ' ms')));
  request.on('error', (error) => fail(error.message));
  request.end();
}
