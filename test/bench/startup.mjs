/**
 * Measures what `--require @lane/agent` adds to the start of a process: wall time and memory with and without it, in turn, for an empty program, a server
 * until its first answer, and apps of one and of 1,000 modules, whose difference is what a module costs; what stays alive on the heap; and the size of
 * what npm installs.
 *
 *   npm run bench -- startup [--beside lane|others] [--runs 40] [--modules 1000] [--quick] [--node /path/to/node]
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publish, quantile, readOptions, shuffled, spread } from './lib/bench.mjs';

const options = readOptions({
  name: 'startup',
  purpose: 'Measures the time and memory that the agent adds to the start of a process.',
  numbers: {
    runs: { what: 'starts per variant and app', usual: 40, brief: 12, quick: 3 },
    modules: { what: 'modules per app', usual: 1_000, quick: 100 },
  },
  choices: { beside: { what: 'what to measure: Lane, or Lane and other agents', of: ['lane', 'others'], usual: 'lane' } },
});
const BESIDE = options.beside ?? 'lane';
const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const require = createRequire(import.meta.url);
const LANE = ['--require', require.resolve('@lane/agent')];
const other = (name) => ['--require', file(`others/preload/${name}.cjs`)];
const manyInstances = ['--require', file('startup/many-instances.cjs')];
const OF_LANE = [
  { name: 'an app that has 10,000 instances, without an agent', args: manyInstances },
  { name: 'lane, which knows 10,000 instances', args: [...LANE, ...manyInstances] },
  { name: '@opentelemetry/instrumentation-http', args: ['--require', file('preload/instrumentation-http.cjs')] },
];
const OF_OTHERS = [
  { name: '@opentelemetry/auto-instrumentations-node, exporters off', args: other('opentelemetry') },
  { name: 'elastic-apm-node, contextPropagationOnly', args: other('elastic') },
  { name: '@sentry/node, traces dropped', args: other('sentry') },
  { name: 'dd-trace', args: other('dd-trace') },
];
const VARIANTS = [
  { name: 'no agent', args: [] },
  { name: 'no agent, again', args: [] },
  { name: 'node:http alone', args: ['--require', 'http'] },
  { name: 'lane', args: LANE },
  ...(BESIDE === 'lane' ? OF_LANE : OF_OTHERS),
];

const folder = mkdtempSync(join(tmpdir(), 'lane-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
// The process itself reports its memory, once its modules are loaded.
const TELL = 'process.stdout.write(String(process.memoryUsage.rss()));';
const MODULES = {
  CommonJS: ['cjs', (i) => `exports.value = ${i};`, (i) => `require('./m${i}.cjs');`],
  // The event loop turns before an ES module runs, so this includes what the agent defers at start.
  ES: ['mjs', (i) => `export const value = ${i};`, (i) => `import './m${i}.mjs';`],
};
const APPS = [
  { name: 'nothing', args: ['-e', TELL] },
  // Includes the work that the agent defers at start.
  { name: 'a server, until it has answered its first request, which is tagged,', args: [file('startup/first-answer.cjs')] },
  ...Object.keys(MODULES).flatMap((kind) => [
    { name: `one ${kind} module`, args: [app(1, ...MODULES[kind])] },
    { name: `${options.modules} ${kind} modules`, args: [app(options.modules, ...MODULES[kind])], kind },
  ]),
];

function app(count, extension, module, load) {
  const own = join(folder, `${extension}-${count}`);
  mkdirSync(own);
  const numbers = Array.from({ length: count }, (_, i) => i);
  for (const i of numbers) writeFileSync(join(own, `m${i}.${extension}`), module(i));
  const main = join(own, `main.${extension}`);
  writeFileSync(main, `${numbers.map(load).join('\n')}\n${TELL}\n`);
  return main;
}

const env = { ...process.env, NODE_OPTIONS: '', NODE_DISABLE_COMPILE_CACHE: '1' };
const times = APPS.map(() => VARIANTS.map(() => []));
const sizes = APPS.map(() => VARIANTS.map(() => []));
for (let run = -2; run < options.runs; run++) {
  for (const [a, { args }] of APPS.entries()) {
    for (const { variant, v } of shuffled(VARIANTS.map((one, i) => ({ variant: one, v: i })))) {
      const started = process.hrtime.bigint();
      const { status, stdout, stderr } = spawnSync(options.node, [...variant.args, ...args], { env });
      const elapsedMs = Number(process.hrtime.bigint() - started) / 1e6;
      if (status !== 0) throw new Error(`${variant.name} with ${APPS[a].name} exited with code ${status}: ${stderr}`);
      if (run < 0) continue;
      times[a][v].push(elapsedMs);
      sizes[a][v].push(Number(stdout) / 2 ** 20);
    }
  }
  if (run >= 0 && (run + 1) % 10 === 0) console.error(`${run + 1} of ${options.runs} starts`);
}

/** Paired with the start of "no agent" in the same turn: the machine's speed drifts less within a turn. */
const added = (list, v) => spread(list[v].map((value, run) => value - list[0][run]));

/** What the agents add for each module: what they add to the app of many, without what they add to that of one. */
function moduleTable() {
  const kinds = APPS.flatMap(({ kind }, a) => (kind === undefined ? [] : [[kind, a]]));
  const more = (a, v, run) => times[a][v][run] - times[a][0][run];
  const each = (a, v) => times[a][v].map((_, run) => ((more(a, v, run) - more(a - 1, v, run)) / (options.modules - 1)) * 1e3);
  return {
    title: `Added for each of ${options.modules} modules, in µs`,
    columns: ['variant', ...kinds.map(([kind]) => kind)],
    rows: VARIANTS.slice(1).map(({ name }, i) => [name, ...kinds.map(([, a]) => spread(each(a, i + 1)))]),
    digits: 1,
  };
}

/** Bytes of the files in a folder and its subfolders, without nested packages. */
function sizeOf(folder) {
  const files = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => name !== 'node_modules');
  return files.reduce((sum, each) => sum + (each.isDirectory() ? sizeOf(join(folder, each.name)) : statSync(join(folder, each.name)).size), 0);
}

/** What `npm install @lane/agent` puts on the disk: bytes by package, ours as packed. */
function installed(name, from, found = new Map()) {
  const folder = join(from.paths(name).find((each) => exists(join(each, name))) ?? '', name);
  if (found.has(name)) return found;
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const isOurs = name.startsWith('@lane/');
  const pack = () => spawnSync('npm', ['pack', '--dry-run', '--json'], { cwd: folder, shell: process.platform === 'win32' });
  found.set(name, isOurs ? JSON.parse(pack().stdout)[0].unpackedSize : sizeOf(folder));
  for (const each of Object.keys(dependencies)) installed(each, createRequire(realpathSync(join(folder, 'package.json'))).resolve, found);
  return found;
}

const exists = (path) => statSync(path, { throwIfNoEntry: false }) !== undefined;

/** What stays alive. Memory as the system sees it has also room of the engine's for garbage and for its compiler, which any work of that size takes. */
function aliveTable() {
  const tell = `gc(); process.stdout.write(String(process.memoryUsage().heapUsed));`;
  const alive = ({ args }) => {
    const { stdout, stderr } = spawnSync(options.node, ['--expose-gc', ...args, '-e', tell], { encoding: 'utf8', env });
    if (!/^\d+$/.test(stdout)) throw new Error(stderr);
    return Number(stdout) / 2 ** 20;
  };
  const heap = VARIANTS.map(alive);
  return {
    title: 'Heap of an app of nothing, after a collection, in MiB',
    columns: ['variant', 'MiB', 'added'],
    rows: VARIANTS.map(({ name }, v) => [name, heap[v], heap[v] - heap[0]]),
  };
}

function weightTable() {
  const sizes = [...installed('@lane/agent', require.resolve)];
  const megabytes = (bytes) => bytes / 1e6;
  return {
    title: 'Installed with @lane/agent, in MB, without its optional parts',
    columns: ['package', 'MB'],
    rows: [...sizes.map(([name, bytes]) => [name, megabytes(bytes)]), ['all', megabytes(sizes.reduce((sum, [, bytes]) => sum + bytes, 0))]],
  };
}

publish({
  name: BESIDE === 'lane' ? 'startup' : 'startup-others',
  options,
  how: `${options.runs} starts each, medians and quartiles of what a start adds to that of "no agent" in its turn`,
  tables: [...APPS.map(tableOf), moduleTable(), aliveTable(), ...(BESIDE === 'lane' ? [weightTable()] : [])],
});

function tableOf({ name }, a) {
  return {
    title: `An app of ${name}`,
    columns: ['variant', 'start, ms', 'added, ms', 'added, %', 'memory, MiB', 'added, MiB'],
    rows: VARIANTS.map((variant, v) => [
      variant.name,
      quantile(times[a][v], 0.5),
      added(times[a], v),
      // Where a shared machine slows down for a while, both do.
      spread(times[a][v].map((value, run) => (value / times[a][0][run] - 1) * 100)),
      quantile(sizes[a][v], 0.5),
      added(sizes[a], v),
    ]),
    digits: 1,
  };
}
