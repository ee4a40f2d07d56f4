'use strict';
setImmediate(async () => {
  const { createServer } = await import('node:http');
  const { default: loaded } = await import('./answer.cjs');
  const server = createServer(loaded.answer);
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
});
