/**
 * What the agent costs per request, in CPU time, as ratios in one interleaved run.
 *
 *   npm run bench -- request [--rounds 15] [--slices 30] [--requests 300] [--awaits 0] [--node /path/to/node]
 *
 * A answers by calling B over a keep-alive agent. Each round starts a fresh A process per variant and lets them serve slices
 * of requests in turns; a variant's figure for the round is its CPU time per request over that of an app without an agent
 * which gets the same requests: for untagged ones the mean of two such processes, which show the noise between them.
 * Printed are the median over the rounds and the quartiles. Believe no difference below the noise.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { cpus } from 'node:os';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const file = (name) => fileURLToPath(new URL(name, import.meta.url));

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    slices: { type: 'string', default: '30' },
    requests: { type: 'string', default: '300' },
    awaits: { type: 'string', default: '0' },
    node: { type: 'string', default: process.execPath },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const slices = Number(values.slices);
const requests = Number(values.requests);

const agent = require.resolve('@lane/agent');
const GRAY = { baggage: 'lane=gray' };
const VARIANTS = [
  { name: 'no agent', preload: [], headers: {} },
  { name: 'no agent, again', preload: [], headers: {} },
  { name: 'no agent, tagged', preload: [], headers: GRAY },
  { name: 'idle AsyncLocalStorage', preload: [file('preload/idle-als.cjs')], headers: {} },
  { name: 'lane, untagged', preload: [agent], headers: {} },
  { name: 'lane, tagged', preload: [agent], headers: GRAY },
  { name: 'lane, corrected', preload: [agent, file('preload/known-instances.cjs')], headers: GRAY },
  { name: 'lane with LANE_ADMIN_PORT, untagged', preload: [agent], headers: {}, env: { LANE_ADMIN_PORT: '0' } },
  { name: 'lane with LANE_ADMIN_PORT, tagged', preload: [agent], headers: GRAY, env: { LANE_ADMIN_PORT: '0' } },
  { name: 'instrumentation-http', preload: [file('preload/instrumentation-http.cjs')], headers: {} },
];

/** Until the compiler is done: before that, whoever has more code pays more. */
const WARM_UP = 15_000;

const children = new Set();

async function start(script, preload, env) {
  const child = fork(file(script), {
    execPath: values.node,
    execArgv: preload.flatMap((path) => ['--require', path]),
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  children.add(child);
  const [{ port }] = await once(child, 'message');
  return { child, port };
}

async function cpuOf(child) {
  child.send('cpu');
  const [{ cpu }] = await once(child, 'message');
  return cpu;
}

function send(port, headers, count, sockets) {
  return new Promise((resolve, reject) => {
    let started = 0;
    let ended = 0;
    const next = () => {
      if (started === count) return;
      started++;
      http
        .get({ host: '127.0.0.1', port, path: '/', headers, agent: sockets }, (response) => {
          if (response.statusCode !== 200) reject(new Error(`A answered ${response.statusCode}`));
          response.resume().on('end', () => (++ended === count ? resolve() : next()));
        })
        .on('error', reject);
    };
    for (let i = 0; i < 8; i++) next();
  });
}

async function round(backends) {
  const env = { B_PORT: String(backends[0].port), B_GRAY_PORT: String(backends[1].port), AWAITS: values.awaits };
  const running = [];
  for (const variant of VARIANTS)
    running.push({
      variant,
      ...(await start('app-a.cjs', variant.preload, { ...env, ...variant.env })),
      cpu: 0,
      count: 0,
      sockets: new http.Agent({ keepAlive: true, maxSockets: 8 }),
    });
  for (const one of running) await send(one.port, one.variant.headers, WARM_UP, one.sockets);
  for (let slice = 0; slice < slices; slice++) {
    // In another order each time, so that none always follows the same neighbour.
    for (const one of shuffled(running)) {
      const before = await cpuOf(one.child);
      await send(one.port, one.variant.headers, requests, one.sockets);
      one.cpu += (await cpuOf(one.child)) - before;
      one.count += requests;
    }
  }
  for (const one of running) {
    one.sockets.destroy();
    one.child.kill();
    children.delete(one.child);
  }
  return running.map(({ cpu, count }) => cpu / count);
}

const shuffled = (list) =>
  list
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
const quantile = (list, share) => list.toSorted((a, b) => a - b)[Math.floor((list.length - 1) * share)];

process.on('exit', () => children.forEach((child) => child.kill()));
const backends = [await start('app-b.cjs', [], {}), await start('app-b.cjs', [], {})];
const all = [];
for (let i = 0; i < rounds; i++) {
  all.push(await round(backends));
  process.stderr.write(`round ${i + 1} of ${rounds}\n`);
}
const [version] = await new Promise((resolve) => {
  backends[0].child.once('message', (message) => resolve([message.version]));
  backends[0].child.send('version');
});
const at = (name) => VARIANTS.findIndex((variant) => variant.name === name);
const reference = (figures, { headers }) =>
  headers === GRAY ? figures[at('no agent, tagged')] : (figures[at('no agent')] + figures[at('no agent, again')]) / 2;
const rowOf = (name, microseconds, ratios) => ({
  name,
  microseconds,
  ratio: quantile(ratios, 0.5),
  lower: quantile(ratios, 0.25),
  upper: quantile(ratios, 0.75),
});
const rows = VARIANTS.map((variant, i) =>
  rowOf(
    variant.name,
    quantile(
      all.map((figures) => figures[i]),
      0.5,
    ),
    all.map((figures) => figures[i] / reference(figures, variant)),
  ),
);
// What the budget is on Node 20 and 22, where entering any store makes each promise cost more.
const overIdle = all.map((figures) => figures[at('lane, tagged')] / figures[at('idle AsyncLocalStorage')]);
rows.push(rowOf('lane, tagged ÷ idle AsyncLocalStorage', undefined, overIdle));
for (const kind of ['untagged', 'tagged'])
  rows.push(
    rowOf(
      `LANE_ADMIN_PORT, ${kind} ÷ without`,
      undefined,
      all.map((figures) => figures[at(`lane with LANE_ADMIN_PORT, ${kind}`)] / figures[at(`lane, ${kind}`)]),
    ),
  );
if (values.json) console.log(JSON.stringify({ node: version, cores: cpus().length, rounds, slices, requests, rows }, null, 2));
else {
  console.log(`Node ${version}, ${cpus().length} cores, ${rounds} rounds of ${slices} × ${requests} requests, ${values.awaits} awaits each`);
  console.log('| variant | CPU per request, µs | ratio, median | quartiles |\n| --- | --- | --- | --- |');
  for (const { name, microseconds, ratio, lower, upper } of rows)
    console.log(`| ${name} | ${microseconds?.toFixed(1) ?? ''} | ${ratio.toFixed(3)} | ${lower.toFixed(3)} – ${upper.toFixed(3)} |`);
}
process.exit(0);
