/**
 * Measures what the agent costs per request, in CPU time and latency, as ratios in one interleaved run.
 *
 *   npm run bench -- request [--workload http] [--beside lane|others] [--rounds 9] [--slices 20] [--requests 300] [--quick] [--node /path/to/node]
 *
 * A answers by calling B; requests have a browser's headers and three members of baggage. Each round starts a fresh A process per variant and
 * sends slices of requests to each in turn. A variant's figure is relative to an app without an agent that gets the same requests:
 * the mean of two such processes, whose own ratios show the noise. Prints the medians and quartiles of the rounds. Believe no difference
 * below the noise.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { cpuOf, publish, quantile, readOptions, shuffled, spread, warmUp } from './lib/bench.mjs';
import { WORKLOADS } from './lib/workloads.mjs';

const require = createRequire(import.meta.url);
const file = (name) => fileURLToPath(new URL(name, import.meta.url));

/** The default workloads. */
const USUAL = ['http', 'awaits', 'fetch', 'undici'];
/** Workloads whose requests are so large that fewer suffice. */
const LARGE = new Set(['upload', 'download']);
const options = readOptions({
  name: 'request',
  purpose: 'Measures what the agent adds to a request in CPU time and latency, compared with no agent or other agents.',
  numbers: {
    rounds: { what: 'rounds, each with fresh processes', usual: 9, brief: 3, quick: 2 },
    slices: { what: 'turns of each variant per round', usual: 20, brief: 10, quick: 3 },
    requests: { what: 'requests per slice', usual: 300, quick: 100 },
    warmup: {
      what: 'warm-up requests per process, until the JIT is done; before that, more code costs more',
      usual: 12_000,
      brief: 6_000,
      quick: 500,
    },
  },
  choices: {
    workload: { what: 'what A does; more: all but the default', of: [...Object.keys(WORKLOADS), 'more', 'all'], usual: USUAL.join(', ') },
    beside: { what: "what to measure: Lane's variants, or Lane and other agents", of: ['lane', 'others'], usual: 'lane' },
  },
});
const BESIDE = options.beside ?? 'lane';
const { rounds, slices, requests, warmup } = options;

/** The headers of a call from a page in Chrome, and those that a gateway adds. */
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
const others = (name) => file(`others/preload/${name}.cjs`);
/** Without an agent, twice, to show the noise. */
const NONE = [
  { name: 'no agent', preload: [], headers: UNTAGGED },
  { name: 'no agent, again', preload: [], headers: UNTAGGED },
  { name: 'no agent, tagged', preload: [], headers: TAGGED },
  { name: 'no agent, tagged, again', preload: [], headers: TAGGED },
];
const OF_LANE = [
  { name: 'idle AsyncLocalStorage', preload: [file('preload/idle-als.cjs')], headers: TAGGED },
  { name: 'lane, untagged', preload: [agent], headers: UNTAGGED },
  { name: 'lane, tagged', preload: [agent], headers: TAGGED },
  { name: 'lane, corrected', preload: [agent, known], headers: TAGGED },
  { name: 'lane with LANE_ADMIN_PORT, untagged', preload: [agent], headers: UNTAGGED, env: { LANE_ADMIN_PORT: '0' } },
  { name: 'lane with LANE_ADMIN_PORT, tagged', preload: [agent], headers: TAGGED, env: { LANE_ADMIN_PORT: '0' } },
  // The difference to the variants above is the cost of judging instances by their answers.
  { name: 'lane without LANE_OUTLIER, untagged', preload: [agent], headers: UNTAGGED, env: { LANE_OUTLIER: 'off' } },
  { name: 'lane without LANE_OUTLIER, corrected', preload: [agent, known], headers: TAGGED, env: { LANE_OUTLIER: 'off' } },
  { name: '@opentelemetry/instrumentation-http', preload: [file('preload/instrumentation-http.cjs')], headers: UNTAGGED },
];
const OF_OTHERS = [
  { name: 'idle AsyncLocalStorage', preload: [file('preload/idle-als.cjs')], headers: TAGGED },
  { name: 'ten lines that carry a header', preload: [others('ten-lines')], headers: TAGGED },
  { name: 'lane, tagged', preload: [agent], headers: TAGGED },
  { name: 'the ten lines by cls-hooked', preload: [others('cls-hooked')], headers: TAGGED },
  { name: '@opentelemetry/instrumentation-http, no provider', preload: [others('instrumentation-http')], headers: TAGGED },
  { name: '@opentelemetry/auto-instrumentations-node, exporters off', preload: [others('opentelemetry')], headers: TAGGED },
  { name: 'elastic-apm-node, contextPropagationOnly', preload: [others('elastic')], headers: TAGGED },
  { name: '@sentry/node, traces dropped', preload: [others('sentry')], headers: TAGGED },
  { name: 'dd-trace', preload: [others('dd-trace')], headers: TAGGED },
];
const VARIANTS = [...NONE, ...(BESIDE === 'lane' ? OF_LANE : OF_OTHERS)];
const CONCURRENCY = 8;
const children = new Set();

async function start(script, preload, env) {
  const child = fork(file(script), {
    execPath: options.node,
    execArgv: preload.flatMap((path) => ['--require', path]),
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  children.add(child);
  const [ports] = await once(child, 'message');
  return { child, ...ports };
}

const BODY = Buffer.alloc(1_000_000, 'a');

/** Sends messages over kept WebSockets, several at a time; returns how long each echo took, in µs. */
async function echo(one, count) {
  const { WebSocket } = require('./others/node_modules/ws');
  one.webSockets ??= await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${one.port}/`, { headers: one.variant.headers });
      await once(socket, 'open');
      return socket;
    }),
  );
  const took = [];
  let left = count;
  await Promise.all(
    one.webSockets.map(async (socket) => {
      while (left-- > 0) {
        const from = process.hrtime.bigint();
        socket.send('a message');
        await once(socket, 'message');
        took.push(Number(process.hrtime.bigint() - from) / 1e3);
      }
    }),
  );
  return took;
}

/** Sends requests, several at a time; returns how long each took, in µs. */
function send(one, count, workload) {
  if (workload === 'websocket') return echo(one, count);
  return ask(one, LARGE.has(workload) ? Math.ceil(count / 30) : count, workload);
}

function ask({ port, sockets, variant }, count, workload) {
  const isUpload = workload === 'upload';
  return new Promise((resolve, reject) => {
    const took = [];
    let started = 0;
    const next = () => {
      if (started === count) return;
      started++;
      const from = process.hrtime.bigint();
      const method = isUpload ? 'POST' : 'GET';
      http
        .request({ host: '127.0.0.1', port, method, path: '/api/cart?currency=EUR', headers: variant.headers, agent: sockets }, (response) => {
          if (response.statusCode !== 200) reject(new Error(`A answered ${response.statusCode}`));
          response.resume().on('end', () => {
            took.push(Number(process.hrtime.bigint() - from) / 1e3);
            if (took.length === count) resolve(took);
            else next();
          });
        })
        .on('error', reject)
        .end(isUpload ? BODY : undefined);
    };
    for (let i = 0; i < CONCURRENCY; i++) next();
  });
}

/** CPU time and 95th percentile of the latency of each variant, in µs per request. */
async function round(backends, workload) {
  const [base, gray, more] = backends;
  const env = { B_PORT: String(base.port), B_GRAY_PORT: String(gray.port), WORKLOAD: workload };
  if (more !== undefined) Object.assign(env, { B_HTTP2_PORT: String(more.port), B_GRPC_PORT: String(more.grpcPort) });
  const running = [];
  for (const variant of shuffled(VARIANTS))
    running.push({
      variant,
      ...(await start('app-a.cjs', variant.preload, { ...env, ...variant.env })),
      cpu: 0,
      took: [],
      sockets: new http.Agent({ keepAlive: true, maxSockets: CONCURRENCY }),
    });
  await warmUp(running, warmup, (one, count) => send(one, count, workload));
  for (let slice = 0; slice < slices; slice++) {
    for (const one of shuffled(running)) {
      const before = await cpuOf(one);
      const took = await send(one, requests, workload);
      one.cpu += (await cpuOf(one)) - before;
      for (const time of took) one.took.push(time);
    }
  }
  for (const one of running) {
    one.sockets.destroy();
    for (const socket of one.webSockets ?? []) socket.terminate();
    one.child.kill();
    children.delete(one.child);
  }
  // In the order of the table.
  const measured = VARIANTS.map((variant) => running.find((one) => one.variant === variant));
  return measured.map(({ cpu, took }) => ({ cpu: cpu / took.length, p95: quantile(took, 0.95) }));
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
  // The budget on Node 20 and 22, where each promise costs more once any store has been entered.
  rows.push(['lane, tagged ÷ idle AsyncLocalStorage', '', over('lane, tagged', 'idle AsyncLocalStorage'), '']);
  rows.push(['no agent ÷ no agent, again', '', over('no agent', 'no agent, again'), '']);
  if (BESIDE === 'lane') {
    for (const kind of ['untagged', 'tagged'])
      rows.push([`LANE_ADMIN_PORT, ${kind} ÷ without`, '', over(`lane with LANE_ADMIN_PORT, ${kind}`, `lane, ${kind}`), '']);
    for (const kind of ['untagged', 'corrected'])
      rows.push([`LANE_OUTLIER, ${kind} ÷ without`, '', over(`lane, ${kind}`, `lane without LANE_OUTLIER, ${kind}`), '']);
  }
  return {
    title: WORKLOADS[workload],
    columns: ['variant', 'CPU, µs', 'CPU relative to no agent', 'p95 relative to no agent'],
    rows,
    digits: 3,
  };
}

process.on('exit', () => children.forEach((child) => child.kill()));
const { workload: chosen } = options;
const workloads = {
  all: Object.keys(WORKLOADS),
  more: Object.keys(WORKLOADS).filter((name) => !USUAL.includes(name)),
  undefined: BESIDE === 'lane' ? USUAL : ['http'],
}[chosen] ?? [chosen];
const backends = [await start('app-b.cjs', [], {}), await start('app-b.cjs', [], {})];
if (BESIDE === 'others' || workloads.some((name) => !USUAL.includes(name))) {
  backends.push(await start('others/backend.cjs', [], {}));
}
const tables = [];
for (const workload of workloads) {
  const all = [];
  for (let i = 0; i < rounds; i++) {
    all.push(await round(backends, workload));
    console.error(`${WORKLOADS[workload]}: round ${i + 1} of ${rounds}`);
  }
  tables.push(tableOf(workload, all));
}
publish({
  name: ['request', ...(BESIDE === 'lane' ? [] : [BESIDE]), ...(chosen === undefined ? [] : [chosen])].join('-'),
  options,
  how: `${rounds} rounds of ${slices} × ${requests} requests; medians and quartiles`,
  tables,
});
process.exit(0);
