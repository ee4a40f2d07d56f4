'use strict';
// Puts orders into a queue, and answers each once it is handled.

const express = require('express');
const { connect, StringCodec } = require('nats');
const { createNamingClient, serve } = require('../shop/registration.js');

const NAME = process.env.NAME ?? 'Orders';
const text = StringCodec();
const app = express();

app.get('/health', (request, response) => response.send('ok'));

app.get('/order', async (request, response) => {
  const queue = await app.locals.queue;
  const handled = await queue.request('orders', text.encode('a book'), { timeout: 5000 });
  response.send(`${NAME}[${app.locals.self}] -> ${text.decode(handled.data)}`);
});

app.use((error, request, response, _next) => response.status(502).send(`${NAME}: ${error.message}`));

app.locals.queue = connect({ servers: process.env.NATS });
serve(app, 'orders', createNamingClient());
