'use strict';
const { createServer } = require('node:http');
const { answer } = require('./answer.cjs');

createServer(answer).listen(0, '127.0.0.1', function () {
  process.send({ port: this.address().port });
});
