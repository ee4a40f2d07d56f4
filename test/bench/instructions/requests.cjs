/** A and B in one process, and requests to A, one after the other: nothing depends on chance, as far as a process can do that. */
'use strict';
const { execFileSync } = require('node:child_process');
const http = require('node:http');
const net = require('node:net');

const [before, count] = process.argv.slice(2, 4).map(Number);
const [tag, knowledge, workload] = process.argv.slice(4);
const baggage = `${tag === 'tagged' ? 'lane=gray,' : ''}userId=alice,session=8f2a91c0`;
const HEAD = `GET /api/cart HTTP/1.1\r\nHost: shop.example.com\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en\r\nUser-Agent: bench\r\nX-Request-Id: 5f0e2f1c\r\nbaggage: ${baggage}\r\n\r\n`;

const agent = new http.Agent({ keepAlive: true });
const b = http.createServer((request, response) => response.end('B'));
const gray = http.createServer((request, response) => response.end('B'));
const handlers = {
  http(request, response) {
    http.get({ host: '127.0.0.1', port: b.address().port, path: '/b', agent }, (answer) => {
      response.writeHead(answer.statusCode, { 'content-type': 'text/plain' });
      answer.pipe(response);
    });
  },
  async fetch(request, response) {
    const answer = await fetch(`http://127.0.0.1:${b.address().port}/b`);
    response.end(await answer.text());
  },
};
const a = http.createServer(handlers[workload]);
// Under Valgrind on a busy machine, a pause may be longer than connections are usually kept.
for (const server of [a, b, gray]) server.keepAliveTimeout = 0;

function ask(left, socket) {
  // What came before isn't counted: by now, the code is compiled.
  if (left === count)
    execFileSync('callgrind_control', ['-i', 'on', String(process.pid)], { stdio: 'ignore', env: { ...process.env, NODE_OPTIONS: '' } });
  if (left === 0) process.exit();
  socket.write(HEAD);
  let got = '';
  const read = (chunk) => {
    got += chunk;
    if (!got.endsWith('\r\n0\r\n\r\n') && !got.endsWith('\r\n\r\nB')) return;
    socket.removeListener('data', read);
    ask(left - 1, socket);
  };
  socket.on('data', read);
}

b.listen(0, '127.0.0.1', () =>
  gray.listen(0, '127.0.0.1', () =>
    a.listen(0, '127.0.0.1', () => {
      const shared = globalThis[Symbol.for('lane.agent.v1')];
      const at = ({ port }, metadata) => ({ ip: '127.0.0.1', port, weight: 1, healthy: true, enabled: true, metadata });
      if (knowledge === 'known')
        shared.runtime.tables.update({ name: 'b', group: 'DEFAULT_GROUP' }, [at(b.address(), {}), at(gray.address(), { lane: 'gray' })]);
      const socket = net.connect(a.address().port, '127.0.0.1', () => ask(before + count, socket.setEncoding('latin1')));
    }),
  ),
);
