'use strict';
// An app that reads the tag from cls-hooked's namespace, after a late body.
const { createServer } = require('node:http');
const { getNamespace } = require('cls-hooked');

const tag = () => getNamespace('lane')?.get('tag') ?? 'none';
createServer((request, response) => {
  process.send({ kind: 'request' });
  const seen = [tag()];
  request.on('data', () => seen.push(tag()));
  request.on('end', () => setTimeout(async () => response.end([...seen, tag(), await Promise.resolve().then(tag)].join()), 1));
}).listen(0, '127.0.0.1', function () {
  process.send({ port: this.address().port });
});
