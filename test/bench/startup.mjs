/**
 * What `--require @lane/agent` adds to the start of a process: wall time of `node -e 0` with and without, in turns.
 *
 *   npm run bench -- startup [--runs 60] [--node /path/to/node]
 */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '60' },
    node: { type: 'string', default: process.execPath },
    json: { type: 'boolean', default: false },
  },
});
const agent = createRequire(import.meta.url).resolve('@lane/agent');
const VARIANTS = [
  { name: 'no agent', args: [] },
  { name: 'no agent, again', args: [] },
  { name: 'node:http alone', args: ['--require', 'http'] },
  { name: 'lane', args: ['--require', agent] },
];

const env = { ...process.env, NODE_OPTIONS: '' };
const times = VARIANTS.map(() => []);
for (let run = -3; run < Number(values.runs); run++) {
  VARIANTS.forEach(({ args }, i) => {
    const started = process.hrtime.bigint();
    const { status } = spawnSync(values.node, [...args, '-e', '0'], { env });
    const elapsedMs = Number(process.hrtime.bigint() - started) / 1e6;
    if (status !== 0) throw new Error(`node ${args.join(' ')} -e 0 ended with ${status}`);
    if (run >= 0) times[i].push(elapsedMs);
  });
}
const at = (list, share) => list.toSorted((a, b) => a - b)[Math.floor((list.length - 1) * share)];
const version = spawnSync(values.node, ['--version'], { env }).stdout.toString().trim();
// Paired with the run of "no agent" just before it: the machine's speed drifts less within a pair.
const rows = VARIANTS.map(({ name }, i) => {
  const added = times[i].map((time, run) => time - times[0][run]);
  return { name, medianMs: at(times[i], 0.5), addedMs: at(added, 0.5), p25Ms: at(added, 0.25), p75Ms: at(added, 0.75) };
});
if (values.json) console.log(JSON.stringify({ node: version, cores: cpus().length, runs: Number(values.runs), rows }, null, 2));
else {
  console.log(`Node ${version}, ${cpus().length} cores, ${values.runs} starts each`);
  console.log('| variant | start, ms (median) | added, ms (median) | quartiles |\n| --- | --- | --- | --- |');
  for (const row of rows)
    console.log(`| ${row.name} | ${row.medianMs.toFixed(1)} | ${row.addedMs.toFixed(1)} | ${row.p25Ms.toFixed(1)} – ${row.p75Ms.toFixed(1)} |`);
}
