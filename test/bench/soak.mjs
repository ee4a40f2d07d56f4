/**
 * Soak test: mixed traffic while instances, lanes and connections come and go. Counts live objects in the app between the cycles, when
 * everything is as it was at the start. Fails if a count grows, never because of time or memory.
 *
 *   npm run bench -- soak [--minutes 30] [--save] [--node /path/to/node]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos } from '@lane/nacos-registry';
import { publishLaneGroups } from '@lane/storage';
import { publish, readOptions } from './lib/bench.mjs';
import { drawLines } from './soak/draw.mjs';

const options = readOptions({
  name: 'soak',
  purpose:
    'Runs mixed traffic while lanes, instances and connections come and go. Fails if objects, listeners, handles or map entries grow, or if another lane answers.',
  numbers: {
    minutes: { what: 'minutes of traffic', usual: 30, brief: 3, quick: 1 },
    rate: { what: 'requests per second', usual: 80, quick: 80 },
  },
});
const CYCLE_MS = 8_000;
/** An instance's answer to a request of another lane. */
const WRONG = 409;
const KEY = { name: 'b', group: 'DEFAULT_GROUP' };
/** Tags and hosts that clients make up, to fill the agent's bounded caches at the start. */
const MADE_UP = 1_500;
/** A count has grown if each of the last samples exceeds all of the first ones by more than this. */
const TOLERANCE = { share: 0.005, least: 8 };
const COUNTED = ['listeners', 'handles', 'emitters', 'maps', 'entries of maps', 'sets', 'entries of sets', 'arrays', 'promises'];

const folder = mkdtempSync(join(tmpdir(), 'lane-soak-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const nacos = await startEmbeddedNacos({ port: 0 });
const registry = connectNacos({ server: nacos.address });
const instances = await Promise.all(['base', 'base', 'gray', 'gray', 'blue'].map(startInstance));
await setLanes({});
await Promise.all(instances.map(register));
const app = await startApp();
const client = { usual: new http.Agent({ keepAlive: true, maxSockets: 32 }), once: new http.Agent({ keepAlive: false }) };

const answers = { right: 0, failed: 0, wrong: 0, 'given up': 0 };
const failures = new Map();
for (let i = 0; i < MADE_UP; i += 50) await Promise.all(Array.from({ length: 50 }, (_, j) => ask('http', `made-up-${i + j}`, client.usual)));

const looks = [];
const started = Date.now();
const cycles = Math.max(4, Math.round((options.minutes * 60_000) / CYCLE_MS));
for (let cycle = 0; cycle < cycles; cycle++) {
  await Promise.all([traffic(CYCLE_MS - 2_000), changes()]);
  client.usual.destroy();
  app.child.send('quiet');
  const [{ figures }] = await once(app.child, 'message');
  looks.push({ minute: (Date.now() - started) / 60_000, figures });
  if ((cycle + 1) % 10 === 0) console.error(`${cycle + 1} of ${cycles} cycles`);
}

app.child.disconnect();
await registry.close();
await nacos.close();
for (const { server } of instances) {
  server.close();
  server.closeAllConnections();
}

// The first quarter is warm-up.
const steady = looks.slice(Math.floor(looks.length / 4));
const third = Math.max(1, Math.floor(steady.length / 3));
const rows = [...COUNTED, 'heap', 'rss'].map((name) => {
  const values = steady.map(({ figures }) => figures[name]);
  const first = Math.max(...values.slice(0, third));
  const last = Math.min(...values.slice(-third));
  const hasGrown = COUNTED.includes(name) && last - first > Math.max(TOLERANCE.least, first * TOLERANCE.share);
  return { name, first, last, hasGrown };
});
publish({
  name: 'soak',
  options,
  how: `${options.minutes} minutes at ${options.rate} requests a second, ${cycles} cycles of coming and going; ${answers.right} right, ${answers['given up']} given up, ${answers.failed} failed, ${answers.wrong} in another lane`,
  tables: [
    {
      title: 'Alive between cycles, after a garbage collection',
      columns: ['', 'maximum in the first third', 'minimum in the last third', 'grows'],
      rows: rows.map(({ name, first, last, hasGrown }) => [
        ['heap', 'rss'].includes(name) ? `${name}, MiB` : name,
        first,
        last,
        COUNTED.includes(name) ? (hasGrown ? 'yes' : 'no') : 'not judged',
      ]),
      digits: 1,
    },
  ],
});
if (options.save) {
  const results = fileURLToPath(new URL('results/', import.meta.url));
  mkdirSync(results, { recursive: true });
  writeFileSync(`${results}soak.svg`, drawLines(looks, ['heap', 'rss', 'handles', 'listeners', 'entries of maps', 'emitters']));
}
for (const [what, count] of failures) console.error(`${count} × ${what}`);
const grown = rows.filter(({ hasGrown }) => hasGrown).map(({ name }) => name);
if (grown.length > 0) console.error(`grows: ${grown.join(', ')}`);
// Failures do not count: an instance that goes takes its requests in flight with it.
if (grown.length > 0 || answers.wrong > 0 || answers.right === 0) process.exitCode = 1;

async function startInstance(tag) {
  const server = http.createServer((request, response) => {
    const [, lane] = /\blane=([\w-]+)/.exec(request.headers.baggage ?? '') ?? [];
    // Lanes without an instance fall back to base.
    const isRight = lane === tag || tag === 'base';
    const answer = () => response.writeHead(isRight ? 200 : WRONG).end(tag);
    if (request.url === '/slow') setTimeout(answer, 200);
    else answer();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { tag, server, registration: { ip: '127.0.0.1', port: server.address().port, metadata: tag === 'base' ? {} : { lane: tag } } };
}

function register({ registration }) {
  return registry.register(KEY, registration);
}

async function setLanes({ isBlueOff = false, percent = 20 }) {
  const rules = [{ name: 'share', match: { header: 'x-user', present: true }, percent, by: { header: 'x-user' } }];
  const lanes = [
    { name: 'gray', tag: 'gray', rules },
    { name: 'blue', tag: 'blue', enabled: !isBlueOff },
  ];
  await publishLaneGroups(
    registry,
    JSON.stringify({ version: 1, groups: [{ name: 'shop', services: ['a', 'b'], entry: { services: ['a'] }, lanes }] }),
  );
}

async function startApp() {
  const require = createRequire(import.meta.url);
  const child = fork(fileURLToPath(new URL('soak/app.cjs', import.meta.url)), {
    execPath: options.node,
    execArgv: ['--require', require.resolve('@lane/agent')],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      LANE_SERVICE: 'a',
      LANE_SERVICES: 'b',
      LANE_NACOS_SERVER: nacos.address,
      LANE_ADMIN_PORT: '0',
      LANE_LOG: 'error',
      LANE_SNAPSHOT_DIR: folder,
    },
  });
  const [{ port, ways }] = await once(child, 'message');
  return { child, port, ways };
}

/** Sends requests at the rate for that long, and waits until all are answered. */
async function traffic(ms) {
  const pending = [];
  const until = Date.now() + ms;
  while (Date.now() < until) {
    const way = app.ways[Math.floor(Math.random() * app.ways.length)];
    const tag = [undefined, 'gray', 'blue', `made-up-${Math.floor(Math.random() * MADE_UP)}`][Math.floor(Math.random() * 4)];
    pending.push(ask(way, tag, Math.random() < 0.1 ? client.once : client.usual, Math.random() < 0.05));
    await new Promise((resolve) => setTimeout(resolve, 1_000 / options.rate));
  }
  await Promise.all(pending);
}

function ask(way, tag, agent, isGivenUp = false) {
  const headers = { 'x-user': `user-${Math.floor(Math.random() * 100)}`, ...(tag === undefined ? {} : { baggage: `lane=${tag},userId=alice` }) };
  return new Promise((resolve) => {
    const tell = (what, detail) => {
      answers[what]++;
      if (detail !== undefined) failures.set(detail, (failures.get(detail) ?? 0) + 1);
      resolve();
    };
    const request = http.get({ port: app.port, host: '127.0.0.1', path: `/${encodeURIComponent(way)}`, headers, agent }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      answer.once('close', () => {
        if (isGivenUp) tell('given up');
        else if (answer.statusCode === WRONG) tell('wrong', `${way}, tag ${tag}: an instance of another lane answered`);
        else if (answer.statusCode === 200 && answer.complete) tell('right');
        else tell('failed', `${way}, tag ${tag === undefined || !tag.startsWith('made-up') ? tag : 'made up'}: ${answer.statusCode} ${text}`);
      });
    });
    request.once('error', (error) => (isGivenUp ? tell('given up') : tell('failed', `${way}: ${error.message}`)));
    if (isGivenUp) request.once('socket', () => setTimeout(() => request.destroy(), 2));
  });
}

/** During the traffic, one instance of each kind goes and comes back, and the lane groups change. */
async function changes() {
  const [, base, , gray, blue] = instances;
  const pause = () => new Promise((resolve) => setTimeout(resolve, 500));
  for (const step of [
    () => registry.deregister(KEY, gray.registration),
    () => setLanes({ isBlueOff: true, percent: 80 }),
    () => registry.deregister(KEY, base.registration),
    () => registry.deregister(KEY, blue.registration),
    () => base.server.closeAllConnections(),
    () => register(gray),
    () => setLanes({}),
    () => Promise.all([register(base), register(blue)]),
  ]) {
    await step();
    await pause();
  }
}
