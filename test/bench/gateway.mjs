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
import { parseArgs } from 'node:util';

const BASE = 'a pipe of node:http';
const ENGINES = [BASE, `${BASE}, again`, 'lane', 'undici', '@fastify/reply-from', 'httpxy'];

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    slices: { type: 'string' },
    requests: { type: 'string' },
    body: { type: 'string', default: '0' },
    quick: { type: 'boolean', default: false },
    node: { type: 'string', default: process.execPath },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  console.log(`Usage: npm run bench -- gateway [options]

Measures what an entry gateway costs per request, in CPU time, as ratios to ${BASE}.

  --rounds <n>    times that all engines are started anew (default 9)
  --slices <n>    turns of each engine in a round (default 20)
  --requests <n>  requests in a slice (default 300)
  --body <n>      bytes of each request's body (default 0)
  --quick         2 rounds of 2 slices of 50 requests, hardly warmed up: to see that it runs
  --node <path>   the Node.js that runs the engines
  --help          this

Engines: ${ENGINES.join(', ')}`);
  process.exit(0);
}
const usual = values.quick ? { rounds: 2, slices: 2, requests: 50 } : { rounds: 9, slices: 20, requests: 300 };
const [rounds, slices, requests] = ['rounds', 'slices', 'requests'].map((name) => Number(values[name] ?? usual[name]));
const bodyBytes = Number(values.body);
/** Requests until the compiler is done. */
const WARM_UP = values.quick ? 100 : 5_000;
const CONCURRENCY = 16;

const children = new Set();

async function start(engine, backend) {
  const script = fileURLToPath(new URL('gateway/engine.cjs', import.meta.url));
  const child = fork(script, [engine.replace(/, again$/, ''), String(backend)], { execPath: values.node });
  children.add(child);
  child.once('exit', () => children.delete(child));
  const [{ port }] = await once(child, 'message');
  return { child, port, agent: new http.Agent({ keepAlive: true, maxSockets: CONCURRENCY }) };
}

/** CPU time of the process so far, in microseconds. */
async function cpuOf({ child }) {
  child.send('cpu');
  const [{ cpu }] = await once(child, 'message');
  return cpu;
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

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

const backend = http.createServer((request, response) => request.resume().on('end', () => response.end('ok'))).listen(0, '127.0.0.1');
await once(backend, 'listening');
const ratios = new Map(ENGINES.map((name) => [name, []]));
try {
  for (let round = 0; round < rounds; round++) {
    const running = new Map();
    for (const name of ENGINES) running.set(name, await start(name, backend.address().port));
    const spent = new Map(ENGINES.map((name) => [name, 0]));
    for (const engine of running.values()) await askMany(engine, WARM_UP);
    for (let slice = 0; slice < slices; slice++) {
      for (const [name, engine] of running) {
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
  for (const [name, list] of ratios) {
    const sorted = list.sort((a, b) => a - b);
    console.log(`${name.padEnd(28)}${[0.5, 0.25, 0.75].map((q) => quantile(sorted, q).toFixed(3)).join('  ')}`);
  }
} finally {
  for (const child of children) child.kill();
  backend.closeAllConnections();
  backend.close();
}
