const { createServer } = require('node:http') as typeof import('node:http');
const { answer } = require('./answer.cjs') as { answer: (request: unknown, response: unknown) => Promise<void> };

const server = createServer(answer);
server.listen(0, '127.0.0.1', (): void => {
  const { port } = server.address() as { port: number };
  (process.send as (message: object) => void)({ port });
});
