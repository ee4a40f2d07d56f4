/**
 * Measures the CPU time per request of entry gateways, ours and other engines, as ratios in one interleaved run. Each is as plain
 * as possible (one instance, one route), so that the difference is the cost of forwarding.
 *
 *   npm run bench -- gateway [--rounds 9] [--slices 20] [--requests 300] [--body 0] [--quick] [--node /path/to/node]
 *
 * Each round starts every engine in a fresh process, in front of one backend, and sends slices of requests to each in turn. Prints the median
 * and quartiles of the rounds, relative to a bare pipe of node:http, which has no rules. Two of these show the noise.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { cpuOf, publish, readOptions, shuffled, spread, warmUp } from './lib/bench.mjs';

const BASE = 'a pipe of node:http';
const ENGINES = [BASE, `${BASE}, again`, 'lane', 'undici', '@fastify/reply-from', 'httpxy'];

const options = readOptions({
  name: 'gateway',
  purpose: `Measures CPU time per request of entry gateways, relative to ${BASE}.`,
  numbers: {
    rounds: { what: 'rounds, each with fresh engines', usual: 9, brief: 5, quick: 2 },
    slices: { what: 'turns of each engine per round', usual: 20, brief: 10, quick: 2 },
    requests: { what: 'requests per slice', usual: 300, quick: 50 },
    warmup: { what: 'warm-up requests per engine, until the JIT is done', usual: 5_000, quick: 100 },
    body: { what: 'bytes of each request body', usual: 0, quick: 0 },
  },
});
const { rounds, slices, requests, warmup, body: bodyBytes } = options;
const CONCURRENCY = 16;

const children = new Set();

async function start(engine, backend) {
  const script = fileURLToPath(new URL('gateway/engine.cjs', import.meta.url));
  const child = fork(script, [engine.replace(/, again$/, ''), String(backend)], { execPath: options.node });
  children.add(child);
  child.once('exit', () => children.delete(child));
  const [{ port }] = await once(child, 'message');
  return { child, port, agent: new http.Agent({ keepAlive: true, maxSockets: CONCURRENCY }) };
}

const body = Buffer.alloc(bodyBytes, 'a');

function ask({ port, agent }) {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, host: '127.0.0.1', path: '/a', method: bodyBytes > 0 ? 'POST' : 'GET', agent }, (response) => {
      response.resume().on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`))));
    });
    request.on('error', reject).end(bodyBytes > 0 ? body : undefined);
  });
}

async function askMany(engine, count) {
  let left = count;
  const one = async () => {
    while (left-- > 0) await ask(engine);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, one));
}

const backend = http.createServer((request, response) => request.resume().on('end', () => response.end('ok'))).listen(0, '127.0.0.1');
await once(backend, 'listening');
const ratios = new Map(ENGINES.map((name) => [name, []]));
try {
  for (let round = 0; round < rounds; round++) {
    const running = new Map();
    for (const name of shuffled(ENGINES)) running.set(name, await start(name, backend.address().port));
    const spent = new Map(ENGINES.map((name) => [name, 0]));
    await warmUp([...running.values()], warmup, askMany);
    for (let slice = 0; slice < slices; slice++) {
      for (const [name, engine] of shuffled([...running])) {
        const before = await cpuOf(engine);
        await askMany(engine, requests);
        spent.set(name, spent.get(name) + (await cpuOf(engine)) - before);
      }
    }
    for (const name of ENGINES) ratios.get(name).push(spent.get(name) / spent.get(BASE));
    console.error(`round ${round + 1} of ${rounds}: ${BASE} ${(spent.get(BASE) / slices / requests).toFixed(1)} µs a request`);
    for (const { child, agent } of running.values()) {
      agent.destroy();
      child.kill();
    }
  }
  publish({
    name: 'gateway',
    options,
    how: `${rounds} rounds of ${slices} × ${requests} requests${bodyBytes > 0 ? ` with ${bodyBytes} bytes each` : ''}; medians and quartiles`,
    tables: [
      {
        title: 'An entry gateway in front of one instance',
        columns: ['engine', `CPU relative to ${BASE}`],
        rows: ENGINES.map((name) => [name, spread(ratios.get(name))]),
        digits: 3,
      },
    ],
  });
} finally {
  for (const child of children) child.kill();
  backend.closeAllConnections();
  backend.close();
}
