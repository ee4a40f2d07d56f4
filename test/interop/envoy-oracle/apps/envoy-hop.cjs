'use strict';
// Instances behind Envoy, without the agent: each forwards its baggage byte by byte, and sends all calls through Envoy.

const http = require('node:http');
const { serve, requestByHttp, listenAsTold } = require('./hop.cjs');

let envoyUrl;
process.on('message', (message) => (envoyUrl ??= message.envoyUrl));

const agent = new http.Agent({ keepAlive: true });

async function call({ service, calls }, baggage) {
  const headers = { host: service, 'x-calls': JSON.stringify(calls), ...(baggage.length > 0 ? { baggage } : {}) };
  const { status, body } = await requestByHttp(envoyUrl, { headers, agent });
  if (status === 503 && /no healthy upstream/.test(body)) return { service, unavailable: true };
  if (status !== 200) throw new Error(`${status} ${body}`);
  return JSON.parse(body);
}

listenAsTold((instance) => serve(instance, call));
