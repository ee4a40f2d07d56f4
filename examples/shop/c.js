'use strict';
// C, the inventory center.

const express = require('express');
const { createNamingClient, serve } = require('./registration.js');

const NAME = process.env.NAME ?? 'C';
const app = express();

app.get('/health', (request, response) => response.send('ok'));
app.get('/c', (request, response) => response.send(`${NAME}[${app.locals.self}]`));

serve(app, 'spring-cloud-c', createNamingClient());
