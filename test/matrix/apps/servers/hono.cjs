'use strict';
const { Hono } = require('hono');
const { serve } = require('@hono/node-server');

exports.start = () => {
  const app = new Hono();
  app.post('/json', async (context) => {
    await context.req.json();
    return context.text(await heard());
  });
  app.post('/text', async (context) => {
    await context.req.text();
    return context.text(await heard());
  });
  app.post('/urlencoded', async (context) => {
    await context.req.parseBody();
    return context.text(await heard());
  });
  return new Promise((resolve) => serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => resolve(port)));
};
