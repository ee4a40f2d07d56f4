'use strict';
const { listen, textOf } = require('./listen.cjs');

exports.start = (name) => {
  const Koa = require(name);
  const bodyParser = require('koa-bodyparser');
  const app = new Koa();
  app.use(async (context, next) => {
    if (context.path !== '/iterated') return next();
    await textOf(context.req);
    context.body = await heard();
  });
  app.use(bodyParser({ enableTypes: ['json', 'form', 'text'] }));
  app.use(async (context) => {
    context.body = await heard();
  });
  return listen(require('node:http').createServer(app.callback()));
};
