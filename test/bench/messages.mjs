/**
 * Measures the CPU time that the agent adds to a message, in the sending and in the receiving process.
 *
 *   npm run bench -- messages [--library kafkajs] [--rounds 9] [--slices 16] [--share 1] [--quick] [--node /path/to/node]
 *
 * The brokers are real: redis-server, rabbitmq-server and nats-server from Debian, Kafka from Maven Central. The libraries are those of the matrix, which
 * `npm run bench -- messages` installs. Each round starts a fresh process per variant and direction, which send or receive slices of messages in turn.
 * Prints the time added to that without an agent, which is the mean of two such processes; their difference shows the noise. Believe no difference below it.
 * Senders of a tag without the agent set the header by hand, which shows what the library itself takes for a header.
 */
import { buildSync } from 'esbuild';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { publish, quantile, readOptions, shuffled, spread, warmUp } from './lib/bench.mjs';

const require = createRequire(import.meta.url);
const file = (name) => fileURLToPath(new URL(name, import.meta.url));

/** `messages`: per slice, chosen so that slices take about equally long. */
const LIBRARIES = {
  kafkajs: { service: 'kafka', start: 'startKafka', messages: 400 },
  amqplib: { service: 'rabbitmq', start: 'startRabbitmq', messages: 2_000 },
  bullmq: { service: 'redis', start: 'startRedis', messages: 400 },
  nats: { service: 'nats', start: 'startNats', messages: 8_000 },
};
const options = readOptions({
  name: 'messages',
  purpose: 'Measures the CPU time that the agent adds to sending and to receiving a message.',
  numbers: {
    rounds: { what: 'rounds, each with fresh processes', usual: 9, brief: 3, quick: 2 },
    slices: { what: 'turns of each variant per round', usual: 16, brief: 8, quick: 2 },
    share: {
      what: `share of ${Object.entries(LIBRARIES)
        .map(([name, { messages }]) => `${messages} (${name})`)
        .join(', ')} messages per slice`,
      usual: 1,
      quick: 0.1,
    },
    warmup: { what: 'warm-up slices per process, until the JIT is done', usual: 6, brief: 4, quick: 1 },
  },
  choices: { library: { what: 'the library that sends and receives', of: Object.keys(LIBRARIES) } },
});
const { rounds, slices, share, warmup } = options;

const agent = require.resolve('@lane/agent');
const BY_HAND = { HEADERS: JSON.stringify({ baggage: 'lane=gray' }) };
const VARIANTS = [
  { name: 'no agent', preload: [] },
  { name: 'no agent, again', preload: [] },
  { name: 'no agent, the header by hand', preload: [], env: BY_HAND, tagged: true },
  { name: 'no agent, by hand in an AsyncLocalStorage', preload: [], env: { ...BY_HAND, IN_STORE: 'yes' }, tagged: true },
  { name: 'lane, untagged', preload: [agent] },
  { name: 'lane, tagged', preload: [agent], env: { SENDS_IN: 'gray' }, tagged: true },
];
const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill()));

let queues = 0;

/** Starts a process that sends or receives; each receiver has its own queue. */
async function start(library, role, queue, port, { preload, env }) {
  const child = fork(file('messages/app.cjs'), [library, role, queue, String(port)], {
    execPath: options.node,
    execArgv: preload.flatMap((path) => ['--require', path]),
    env: { ...process.env, NODE_OPTIONS: '', LANE_LOG_LEVEL: 'warn', ...env },
  });
  children.add(child);
  await told(child);
  return child;
}

/** The next message of a process; rejects if it exits instead. */
async function told(child) {
  const ended = new AbortController();
  try {
    const [said] = await Promise.race([
      once(child, 'message', { signal: ended.signal }),
      once(child, 'exit', { signal: ended.signal }).then(([code]) =>
        Promise.reject(new Error(`a process of the benchmark exited with code ${code}`)),
      ),
    ]);
    return said;
  } finally {
    ended.abort();
  }
}

async function send(child, count) {
  child.send({ count });
  return (await told(child)).cpu;
}

/** CPU time of each variant to send a message and to receive one, in µs. */
async function round(library, port) {
  const count = Math.max(1, Math.round(LIBRARIES[library].messages * share));
  const name = () => `bench-${process.pid}-${queues++}`;
  const turns = [];
  for (const variant of shuffled(VARIANTS)) {
    const sender = await start(library, 'send', name(), port, variant);
    turns.push({ variant, role: 'send', cpu: 0, processes: [sender], turn: () => send(sender, count) });
    const queue = name();
    const receiver = await start(library, 'receive', queue, port, variant);
    const feeder = await start(library, 'send', queue, port, { preload: [], env: variant.tagged ? BY_HAND : {} });
    const receive = async () => {
      receiver.send({ count });
      await told(receiver);
      const received = told(receiver);
      await send(feeder, count);
      return (await received).cpu;
    };
    turns.push({ variant, role: 'receive', cpu: 0, processes: [receiver, feeder], turn: receive });
  }
  await warmUp(turns, warmup, async ({ turn }, count) => {
    for (let i = 0; i < count; i++) await turn();
  });
  for (let slice = 0; slice < slices; slice++) for (const one of shuffled(turns)) one.cpu += await one.turn();
  for (const { processes } of turns) {
    for (const child of processes) {
      child.kill();
      children.delete(child);
    }
  }
  const of = (role) => VARIANTS.map((variant) => turns.find((turn) => turn.role === role && turn.variant === variant).cpu / slices / count);
  return { send: of('send'), receive: of('receive') };
}

function tableOf(library, all) {
  const median = (role, i) =>
    quantile(
      all.map((figures) => figures[role][i]),
      0.5,
    ).toFixed(1);
  const more = (role, i) => spread(all.map((figures) => figures[role][i] - (figures[role][0] + figures[role][1]) / 2));
  return {
    title: `${library} ${require(`../matrix/node_modules/${library}/package.json`).version}: CPU time per message, µs`,
    columns: ['variant', 'send', 'added', 'receive', 'added'],
    rows: VARIANTS.map(({ name }, i) => [name, median('send', i), more('send', i), median('receive', i), more('receive', i)]),
  };
}

/** Loads the matrix's function that starts a broker, which is TypeScript. */
function starterOf({ service, start: name }) {
  const outfile = file(`../../.cache/bench/${service}.cjs`);
  buildSync({ entryPoints: [file(`../matrix/services/${service}.ts`)], bundle: true, platform: 'node', format: 'cjs', outfile, logLevel: 'error' });
  return require(outfile)[name];
}

if (!existsSync(file('../matrix/node_modules'))) {
  console.error('skipped messages: the libraries of the matrix are not installed. npm run bench -- messages installs them');
  process.exit(0);
}
const tables = [];
for (const library of Object.keys(LIBRARIES)) {
  if (options.library !== undefined && options.library !== library) continue;
  let broker;
  try {
    broker = await starterOf(LIBRARIES[library])();
  } catch (error) {
    console.error(`skipped ${library}: ${error.message}`);
    continue;
  }
  try {
    const all = [];
    for (let i = 0; i < rounds; i++) {
      all.push(await round(library, broker.port));
      console.error(`${library}: round ${i + 1} of ${rounds}`);
    }
    tables.push(tableOf(library, all));
  } finally {
    await broker.stop();
  }
}
publish({
  name: options.library === undefined ? 'messages' : `messages-${options.library}`,
  options,
  how: `${rounds} rounds of ${slices} slices; medians and quartiles`,
  tables,
});
process.exit(tables.length === 0 ? 1 : 0);
