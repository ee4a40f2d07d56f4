import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const { answer } = createRequire(import.meta.url)('./answer.cjs');
const server = createServer(answer);
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
