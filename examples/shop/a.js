'use strict';
// A, the transaction center: calls B with fetch.

const express = require('express');
const { createNamingClient, serve } = require('./registration.js');

const NAME = process.env.NAME ?? 'A';
const naming = createNamingClient();
const app = express();

app.get('/health', (request, response) => response.send('ok'));

app.get('/a', async (request, response) => {
  const instances = await naming.selectInstances('spring-cloud-b');
  if (instances.length === 0) return response.status(502).send('spring-cloud-b has no healthy instance');
  const { ip, port } = instances[Math.floor(Math.random() * instances.length)];
  const answer = await fetch(`http://${ip}:${port}/b`);
  response.status(answer.ok ? 200 : 502).send(`${NAME}[${app.locals.self}] -> ${await answer.text()}`);
});

app.use((error, request, response, _next) => response.status(502).send(`${NAME}: ${error.cause?.message ?? error.message}`));

serve(app, 'spring-cloud-a', naming);
