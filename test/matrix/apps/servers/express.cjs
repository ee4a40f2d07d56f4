'use strict';
const { listen } = require('./listen.cjs');

exports.start = (name) => {
  const express = require(name);
  const app = express();
  const router = express.Router();
  router.post('/unparsed', async (request, response) => response.send(await heard()));
  router.post('/json', express.json(), async (request, response) => response.send(await heard()));
  router.post('/urlencoded', express.urlencoded({ extended: true }), async (request, response) => response.send(await heard()));
  router.post('/text', express.text(), async (request, response) => response.send(await heard()));
  router.post('/raw', express.raw(), async (request, response) => response.send(await heard()));
  app.use(router);
  return listen(require('node:http').createServer(app));
};
