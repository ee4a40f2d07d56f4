/** A and B in one process, and requests to A, one after the other: nothing depends on chance, as far as a process can do that. */
'use strict';
const { execFileSync } = require('node:child_process');
const http = require('node:http');
const net = require('node:net');

const [before, count] = process.argv.slice(2, 4).map(Number);
const [tag, knowledge, workload] = process.argv.slice(4);
const baggage = `${tag === 'tagged' ? 'lane=gray,' : ''}userId=alice,session=8f2a91c0`;
const HEAD = `GET /api/cart HTTP/1.1\r\nHost: shop.example.com\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en\r\nUser-Agent: bench\r\nX-Request-Id: 5f0e2f1c\r\nbaggage: ${baggage}\r\n\r\n`;

const b = http.createServer((request, response) => response.end('B'));
const gray = http.createServer((request, response) => response.end('B'));

/** An HTTP answer on one connection: whether it is whole. */
function isWhole(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1];
  return length === undefined ? text.endsWith('\r\n0\r\n\r\n') : text.length >= end + 4 + Number(length);
}

/** A B over HTTP/2 and gRPC, in this process too. */
function startBackend() {
  const file = require.resolve('../others/backend.cjs');
  delete require.cache[file];
  return new Promise((resolve) => {
    process.send = resolve;
    require(file);
  });
}

function ask(left, socket) {
  // What came before isn't counted: by now, the code is compiled.
  if (left === count)
    execFileSync('callgrind_control', ['-i', 'on', String(process.pid)], { stdio: 'ignore', env: { ...process.env, NODE_OPTIONS: '' } });
  if (left === 0) process.exit();
  socket.write(HEAD);
  let got = '';
  const read = (chunk) => {
    got += chunk;
    if (!isWhole(got)) return;
    if (!got.startsWith('HTTP/1.1 200 ')) throw new Error(got);
    socket.removeListener('data', read);
    ask(left - 1, socket);
  };
  socket.on('data', read);
}

async function run() {
  for (const server of [b, gray]) await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.env.B_PORT = String(b.address().port);
  let known = [b.address().port, gray.address().port];
  if (workload === 'grpc' || workload === 'http2') {
    const backends = [await startBackend(), await startBackend()];
    known = backends.map(({ port, grpcPort }) => (workload === 'grpc' ? grpcPort : port));
    process.env[workload === 'grpc' ? 'B_GRPC_PORT' : 'B_HTTP2_PORT'] = String(known[0]);
  }
  const a = await require('../workloads.cjs').serverOf(workload);
  // Under Valgrind on a busy machine, a pause may be longer than connections are usually kept.
  for (const server of [a, b, gray]) server.keepAliveTimeout = 0;
  const shared = globalThis[Symbol.for('lane.agent.v1')];
  const at = (port, metadata) => ({ ip: '127.0.0.1', port, weight: 1, healthy: true, enabled: true, metadata });
  if (knowledge === 'known') shared.runtime.tables.update({ name: 'b', group: 'DEFAULT_GROUP' }, [at(known[0], {}), at(known[1], { lane: 'gray' })]);
  a.listen(0, '127.0.0.1', () => {
    const socket = net.connect(a.address().port, '127.0.0.1', () => ask(before + count, socket.setEncoding('latin1')));
  });
}

void run();
