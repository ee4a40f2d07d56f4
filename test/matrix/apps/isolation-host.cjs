'use strict';
// Publishes a message in each request, and consumes: reports which messages it took, and the lanes of their handlers.

const http = require('node:http');
const { join } = require('node:path');
const { currentLane } = require('@lane/core');

const took = (id) => process.send({ kind: 'took', took: { id, lane: currentLane() ?? 'none' } });

async function main() {
  const { publish, stop } = await require(join(__dirname, 'isolation', process.argv[2]))(took, ...process.argv.slice(3));
  const server = http.createServer(async (request, response) => {
    for await (const chunk of request) void chunk;
    try {
      await publish(new URL(request.url, 'http://host').searchParams.get('id'));
      response.end('published');
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error?.stack ?? error));
    }
  });
  process.on('message', async () => {
    await stop();
    process.exit();
  });
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
}
main();
