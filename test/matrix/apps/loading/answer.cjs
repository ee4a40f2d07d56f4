'use strict';
const { get } = require('node:http');

const ask = () =>
  new Promise((resolve, reject) => {
    get(process.env.PEER, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve(JSON.parse(body).baggage.join()));
    }).on('error', reject);
  });

/** Answers with the headers that node:http and fetch carried, after the late body. */
exports.answer = async (request, response) => {
  process.send?.({ kind: 'request' });
  for await (const chunk of request) void chunk;
  const { baggage } = await (await fetch(process.env.PEER)).json();
  response.end(`${await ask()}|${baggage.join()}`);
};
