'use strict';
const http = require('node:http');
const busboy = require('busboy');
const { listen } = require('./listen.cjs');

exports.start = () =>
  listen(
    http.createServer((request, response) => {
      const parsed = busboy({ headers: request.headers });
      let inField;
      parsed.on('field', () => (inField = heard()));
      parsed.on('close', async () => {
        const [field, closed] = [await inField, await heard()];
        response.end(field === closed ? closed : `in a field ${field}, at the end ${closed}`);
      });
      request.pipe(parsed);
    }),
  );
