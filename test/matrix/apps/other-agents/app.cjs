'use strict';
// An Express app that calls a peer with axios and with fetch, and reports what the peer saw of both.

const express = require('express');
const axios = require('axios');

const app = express();
app.use((request, response, next) => {
  process.send({ kind: 'request' });
  next();
});
app.use(express.text({ type: '*/*' }));
app.post('/', async (request, response) => {
  const viaAxios = (await axios.get(process.env.PEER)).data;
  const viaFetch = await (await fetch(process.env.PEER)).json();
  const api = globalThis[Symbol.for('opentelemetry.js.api.1')];
  const active = api?.context?.active();
  response.json({
    seen: [viaAxios, viaFetch],
    spanTag: active?.getValue(Symbol.for('OpenTelemetry Context Key SPAN'))?.attributes?.['lane.tag'] ?? null,
    activeBaggage: active?.getValue(Symbol.for('OpenTelemetry Baggage Key'))?.getEntry('lane')?.value ?? null,
  });
});
app.get('/spans', (request, response) => {
  response.json((globalThis.finishedSpans?.() ?? []).map(({ name, kind, attributes }) => ({ name, kind, tag: attributes['lane.tag'] ?? null })));
});
const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
