/**
 * What an entry gateway costs per request, in CPU time of its process, as ratios in one interleaved run: ours beside other engines, each as
 * plain as it can be (one instance, no route but one), so that the difference is what forwarding takes.
 *
 *   npm run bench -- gateway [--rounds 9] [--slices 20] [--requests 300] [--body 0] [--quick] [--node /path/to/node]
 *
 * Each round starts every engine anew, in a process of its own, before one backend, and lets them serve slices of requests in turns. Printed
 * are the median of the rounds and the quartiles, over a bare pipe of node:http, which has no rules at all. Two of these show the noise.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { cpuOf, publish, readOptions, shuffled, spread } from './lib/bench.mjs';

const BASE = 'a pipe of node:http';
const ENGINES = [BASE, `${BASE}, again`, 'lane', 'undici', '@fastify/reply-from', 'httpxy'];

const options = readOptions({
  name: 'gateway',
  purpose: `Measures what an entry gateway costs per request, in CPU time, as ratios to ${BASE}.`,
  numbers: {
    rounds: { what: 'times that all engines are started anew', usual: 9, brief: 5, quick: 2 },
    slices: { what: 'turns of each engine in a round', usual: 20, brief: 10, quick: 2 },
    requests: { what: 'requests in a slice', usual: 300, quick: 50 },
    warmup: { what: 'requests that each serves first, until the compiler is done', usual: 5_000, quick: 100 },
    body: { what: "bytes of each request's body", usual: 0, quick: 0 },
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
    for (const name of ENGINES) running.set(name, await start(name, backend.address().port));
    const spent = new Map(ENGINES.map((name) => [name, 0]));
    for (const engine of running.values()) await askMany(engine, warmup);
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
        title: 'An entry gateway before one instance',
        columns: ['engine', `CPU against ${BASE}`],
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
