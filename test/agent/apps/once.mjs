// Serves one request that calls a peer, sends that request itself, and exits.
import { createServer, get } from 'node:http';

const server = createServer((request, response) => {
  get(process.env.PEER, (answer) => answer.pipe(response));
});
server.listen(0, '127.0.0.1', () => {
  get({ port: server.address().port, host: '127.0.0.1', agent: false }, (answer) => {
    answer.resume();
    answer.on('end', () => server.close());
  });
});
