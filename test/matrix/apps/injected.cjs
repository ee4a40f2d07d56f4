'use strict';
// Handlers that no server calls; reports the lane in which each has run, for each tag, and for a request within a tagged one.
const { currentLane, runInLane } = require('@lane/core');
const express = require('express');
const fastify = require('fastify');
const serverless = require('serverless-http');
const inject = require('light-my-request');

const app = fastify();
app.get('/', async () => ({ lane: currentLane() ?? 'none' }));
app.post('/', async (request) => ({ lane: currentLane() ?? 'none', body: request.body }));
const appOf = (library) => library().get('/', (request, response) => response.json({ lane: currentLane() ?? 'none' }));
const expressApp = appOf(express);
// A separate copy: light-my-request changes the classes of the one that it gets.
const handler = serverless(appOf(require('express4')));

const hapi = require('@hapi/hapi').server();
hapi.route({ method: 'GET', path: '/', handler: () => ({ lane: currentLane() ?? 'none' }) });
hapi.route({ method: 'POST', path: '/', handler: async () => ({ lane: currentLane() ?? 'none' }) });
const lambda = require('@codegenie/serverless-express')({ app: appOf(require('express4')) });
const frozen = Object.freeze((request, response) => response.end(JSON.stringify({ lane: currentLane() ?? 'none' })));

const headersOf = (tag) => (tag === undefined ? {} : { baggage: `lane=${tag}` });
const WAYS = {
  'fastify.inject': async (headers) => (await app.inject({ url: '/', headers })).json().lane,
  'fastify.inject, a body': async (headers) => (await app.inject({ method: 'POST', url: '/', headers, payload: { a: 1 } })).json().lane,
  'fastify.inject, chained': async (headers) => (await app.inject().get('/').headers(headers)).json().lane,
  'light-my-request, express': async (headers) => (await inject(expressApp, { url: '/', headers })).json().lane,
  'light-my-request, frozen': async (headers) => (await inject(frozen, { url: '/', headers })).json().lane,
  'hapi, inject': async (headers) => (await hapi.inject({ url: '/', headers })).result.lane,
  'hapi, inject, a body': async (headers) => (await hapi.inject({ method: 'POST', url: '/', headers, payload: { a: 1 } })).result.lane,
  'serverless-express': async (headers) => {
    const http = { method: 'GET', path: '/', sourceIp: '127.0.0.1' };
    return JSON.parse((await lambda({ version: '2.0', rawPath: '/', rawQueryString: '', headers, requestContext: { http } }, {})).body).lane;
  },
  'serverless-http': async (headers) => JSON.parse((await handler({ httpMethod: 'GET', path: '/', headers, requestContext: {} }, {})).body).lane,
};

async function main() {
  await app.ready();
  const told = {};
  for (const [name, ask] of Object.entries(WAYS)) {
    const alone = await Promise.all(['gray', undefined, 'blue'].map((tag) => ask(headersOf(tag))));
    const within = await Promise.all(['gray', undefined].map((tag) => runInLane('green', () => ask(headersOf(tag)))));
    told[name] = [...alone, ...within].join();
  }
  process.stdout.write(JSON.stringify(told));
}
main();
