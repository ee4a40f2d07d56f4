'use strict';
// Reads a global of undici without calling fetch, then calls with the app's undici.
const http = require('node:http');
const { GLOBAL, PEER } = process.env;
void globalThis[GLOBAL];
const { request } = require('undici');
const server = http.createServer(async (_, response) => {
  const { body } = await request(PEER);
  response.end(await body.text());
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
