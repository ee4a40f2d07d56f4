/**
 * What the agent costs per request, in CPU time and in time to the answer, as ratios in one interleaved run.
 *
 *   npm run bench -- request [--workload http] [--rounds 9] [--slices 20] [--requests 300] [--quick] [--node /path/to/node]
 *
 * A answers by calling B; requests have the headers that a browser sends, and three members of baggage. Each round starts a fresh A process
 * per variant and lets them serve slices of requests in turns. A variant's figure for the round is over that of an app without an agent
 * which gets the same requests: for untagged ones the mean of two such processes, whose own ratios show the noise. Printed are the medians
 * over the rounds and the quartiles. Believe no difference below the noise.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { cpuOf, publish, quantile, readOptions, shuffled, spread } from './lib/bench.mjs';

const require = createRequire(import.meta.url);
const file = (name) => fileURLToPath(new URL(name, import.meta.url));

const WORKLOADS = {
  http: 'node:http with a keep-alive agent',
  awaits: 'node:http, 60 awaits and JSON',
  fetch: 'fetch',
  undici: 'undici.request',
};
const options = readOptions({
  name: 'request',
  purpose: 'Measures what the agent costs per request, in CPU time and in time to the answer, beside others.',
  numbers: {
    rounds: { what: 'times that all variants are started anew', usual: 9, brief: 3, quick: 2 },
    slices: { what: 'turns of each variant in a round', usual: 20, brief: 10, quick: 3 },
    requests: { what: 'requests in a slice', usual: 300, quick: 100 },
    warmup: {
      what: 'requests that each process serves first, until the compiler is done: before that, whoever has more code pays more',
      usual: 12_000,
      brief: 6_000,
      quick: 500,
    },
  },
  choices: { workload: { what: 'what A does', of: Object.keys(WORKLOADS) } },
});
const { rounds, slices, requests, warmup } = options;

/** What Chrome sends for a call of a page, and what services behind a gateway add. */
const BROWSER = {
  host: 'shop.example.com',
  accept: 'application/json, text/plain, */*',
  'accept-encoding': 'gzip, deflate, br, zstd',
  'accept-language': 'en-GB,en;q=0.9,de;q=0.8',
  referer: 'https://shop.example.com/cart',
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'x-request-id': '5f0e2f1c-6f0f-4b52-9a3f-3a1d9d9f6f11',
};
const UNTAGGED = { ...BROWSER, baggage: 'userId=alice,session=8f2a91c0' };
const TAGGED = { ...BROWSER, baggage: 'lane=gray,userId=alice,session=8f2a91c0' };

const agent = require.resolve('@lane/agent');
const known = file('preload/known-instances.cjs');
const VARIANTS = [
  { name: 'no agent', preload: [], headers: UNTAGGED },
  { name: 'no agent, again', preload: [], headers: UNTAGGED },
  { name: 'no agent, tagged', preload: [], headers: TAGGED },
  { name: 'no agent, tagged, again', preload: [], headers: TAGGED },
  { name: 'idle AsyncLocalStorage', preload: [file('preload/idle-als.cjs')], headers: TAGGED },
  { name: 'lane, untagged', preload: [agent], headers: UNTAGGED },
  { name: 'lane, tagged', preload: [agent], headers: TAGGED },
  { name: 'lane, corrected', preload: [agent, known], headers: TAGGED },
  { name: 'lane with LANE_ADMIN_PORT, untagged', preload: [agent], headers: UNTAGGED, env: { LANE_ADMIN_PORT: '0' } },
  { name: 'lane with LANE_ADMIN_PORT, tagged', preload: [agent], headers: TAGGED, env: { LANE_ADMIN_PORT: '0' } },
  { name: '@opentelemetry/instrumentation-http', preload: [file('preload/instrumentation-http.cjs')], headers: UNTAGGED },
];
const CONCURRENCY = 8;
const children = new Set();

async function start(script, preload, env) {
  const child = fork(file(script), {
    execPath: options.node,
    execArgv: preload.flatMap((path) => ['--require', path]),
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  children.add(child);
  const [{ port }] = await once(child, 'message');
  return { child, port };
}

/** Sends requests, some at a time; gives how long each took, in µs. */
function send({ port, sockets, variant }, count) {
  return new Promise((resolve, reject) => {
    const took = [];
    let started = 0;
    const next = () => {
      if (started === count) return;
      started++;
      const from = process.hrtime.bigint();
      http
        .get({ host: '127.0.0.1', port, path: '/api/cart?currency=EUR', headers: variant.headers, agent: sockets }, (response) => {
          if (response.statusCode !== 200) reject(new Error(`A answered ${response.statusCode}`));
          response.resume().on('end', () => {
            took.push(Number(process.hrtime.bigint() - from) / 1e3);
            if (took.length === count) resolve(took);
            else next();
          });
        })
        .on('error', reject);
    };
    for (let i = 0; i < CONCURRENCY; i++) next();
  });
}

/** CPU time and the 95th percentile of the time to the answer, in µs a request, of each variant. */
async function round(backends, workload) {
  const env = { B_PORT: String(backends[0].port), B_GRAY_PORT: String(backends[1].port), WORKLOAD: workload };
  const running = [];
  for (const variant of VARIANTS)
    running.push({
      variant,
      ...(await start('app-a.cjs', variant.preload, { ...env, ...variant.env })),
      cpu: 0,
      took: [],
      sockets: new http.Agent({ keepAlive: true, maxSockets: CONCURRENCY }),
    });
  for (const one of running) await send(one, warmup);
  for (let slice = 0; slice < slices; slice++) {
    for (const one of shuffled(running)) {
      const before = await cpuOf(one);
      const took = await send(one, requests);
      one.cpu += (await cpuOf(one)) - before;
      for (const time of took) one.took.push(time);
    }
  }
  for (const one of running) {
    one.sockets.destroy();
    one.child.kill();
    children.delete(one.child);
  }
  return running.map(({ cpu, took }) => ({ cpu: cpu / slices / requests, p95: quantile(took, 0.95) }));
}

const at = (name) => VARIANTS.findIndex((variant) => variant.name === name);

function tableOf(workload, all) {
  const reference = (figures, { headers }, of) => {
    const name = headers === TAGGED ? 'no agent, tagged' : 'no agent';
    return (of(figures[at(name)]) + of(figures[at(`${name}, again`)])) / 2;
  };
  const ratios = (of, i) => spread(all.map((figures) => of(figures[i]) / reference(figures, VARIANTS[i], of)));
  const over = (name, other) => spread(all.map((figures) => figures[at(name)].cpu / figures[at(other)].cpu));
  const cpu = ({ cpu: value }) => value;
  const p95 = ({ p95: value }) => value;
  const rows = VARIANTS.map(({ name }, i) => [
    name,
    quantile(
      all.map((figures) => figures[i].cpu),
      0.5,
    ).toFixed(0),
    ratios(cpu, i),
    ratios(p95, i),
  ]);
  // What the budget is on Node 20 and 22, where entering any store makes each promise cost more.
  rows.push(['lane, tagged ÷ idle AsyncLocalStorage', '', over('lane, tagged', 'idle AsyncLocalStorage'), '']);
  for (const kind of ['untagged', 'tagged'])
    rows.push([`LANE_ADMIN_PORT, ${kind} ÷ without`, '', over(`lane with LANE_ADMIN_PORT, ${kind}`, `lane, ${kind}`), '']);
  return {
    title: WORKLOADS[workload],
    columns: ['variant', 'CPU, µs', 'CPU against no agent', 'p95 against no agent'],
    rows,
    digits: 3,
  };
}

process.on('exit', () => children.forEach((child) => child.kill()));
const backends = [await start('app-b.cjs', [], {}), await start('app-b.cjs', [], {})];
const tables = [];
for (const workload of Object.keys(WORKLOADS)) {
  if (options.workload !== undefined && options.workload !== workload) continue;
  const all = [];
  for (let i = 0; i < rounds; i++) {
    all.push(await round(backends, workload));
    console.error(`${WORKLOADS[workload]}: round ${i + 1} of ${rounds}`);
  }
  tables.push(tableOf(workload, all));
}
publish({ name: 'request', options, how: `${rounds} rounds of ${slices} × ${requests} requests; medians and quartiles`, tables });
process.exit(0);
