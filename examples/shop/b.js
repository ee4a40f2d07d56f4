'use strict';
// B, the commodity center: calls C with node:http, over kept-alive connections.

const http = require('node:http');
const express = require('express');
const { createNamingClient, serve } = require('./registration.js');

const NAME = process.env.NAME ?? 'B';
const naming = createNamingClient();
const agent = new http.Agent({ keepAlive: true });
const app = express();

function get(url) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode, body }));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

app.get('/health', (request, response) => response.send('ok'));

app.get('/b', async (request, response) => {
  const instances = (await naming.getAllInstances('spring-cloud-c')).filter((instance) => instance.healthy);
  if (instances.length === 0) return response.status(502).send('spring-cloud-c has no healthy instance');
  const { ip, port } = instances[Math.floor(Math.random() * instances.length)];
  const answer = await get(`http://${ip}:${port}/c`);
  response.status(answer.status === 200 ? 200 : 502).send(`${NAME}[${app.locals.self}] -> ${answer.body}`);
});

app.use((error, request, response, _next) => response.status(502).send(`${NAME}: ${error.message}`));

serve(app, 'spring-cloud-b', naming);
