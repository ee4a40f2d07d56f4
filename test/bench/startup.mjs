/**
 * What `--require @lane/agent` adds to the start of a process: wall time and memory with and without, in turns, of nothing at all and of apps
 * of 1,000 modules.
 *
 *   npm run bench -- startup [--runs 40] [--modules 1000] [--quick] [--node /path/to/node]
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publish, quantile, readOptions, shuffled, spread } from './lib/bench.mjs';

const options = readOptions({
  name: 'startup',
  purpose: 'Measures what the agent adds to the start of a process, in time and memory.',
  numbers: {
    runs: { what: 'starts of each variant and app', usual: 40, brief: 12, quick: 3 },
    modules: { what: 'modules of each app', usual: 1_000, quick: 100 },
  },
});
const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const VARIANTS = [
  { name: 'no agent', args: [] },
  { name: 'no agent, again', args: [] },
  { name: 'node:http alone', args: ['--require', 'http'] },
  { name: 'lane', args: ['--require', createRequire(import.meta.url).resolve('@lane/agent')] },
  { name: '@opentelemetry/instrumentation-http', args: ['--require', file('preload/instrumentation-http.cjs')] },
];

const folder = mkdtempSync(join(tmpdir(), 'lane-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
// Memory is told by the process itself, when its modules are loaded.
const TELL = 'process.stdout.write(String(process.memoryUsage.rss()));';
const APPS = [
  { name: 'nothing', args: ['-e', TELL] },
  {
    name: `${options.modules} CommonJS modules`,
    args: [
      app(
        'cjs',
        (i) => `exports.value = ${i};`,
        (i) => `require('./m${i}.cjs');`,
      ),
    ],
  },
  {
    name: `${options.modules} ES modules`,
    args: [
      app(
        'mjs',
        (i) => `export const value = ${i};`,
        (i) => `import './m${i}.mjs';`,
      ),
    ],
  },
];

function app(extension, module, load) {
  const own = join(folder, extension);
  mkdirSync(own);
  const numbers = Array.from({ length: options.modules }, (_, i) => i);
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
      if (status !== 0) throw new Error(`${variant.name} with ${APPS[a].name} ended with ${status}: ${stderr}`);
      if (run < 0) continue;
      times[a][v].push(elapsedMs);
      sizes[a][v].push(Number(stdout) / 2 ** 20);
    }
  }
  if (run >= 0 && (run + 1) % 10 === 0) console.error(`${run + 1} of ${options.runs} starts`);
}

/** Paired with the start of "no agent" in the same turn: the machine's speed drifts less within a turn. */
const added = (list, v) => spread(list[v].map((value, run) => value - list[0][run]));
publish({
  name: 'startup',
  options,
  how: `${options.runs} starts each, medians and quartiles of what a start adds to that of "no agent" in its turn`,
  tables: APPS.map(({ name }, a) => ({
    title: `An app of ${name}`,
    columns: ['variant', 'start, ms', 'added, ms', 'memory, MiB', 'added, MiB'],
    rows: VARIANTS.map((variant, v) => [
      variant.name,
      quantile(times[a][v], 0.5),
      added(times[a], v),
      quantile(sizes[a][v], 0.5),
      added(sizes[a], v),
    ]),
    digits: 1,
  })),
});
