/**
 * What a match of a regular expression costs at most, in CPU time, beside what core's rules/cost.ts bounds it by. "Of the bound" has to be below 1
 * for all of them, or a document is accepted whose rules cost a request more than they may. A step is an instruction of the program that is looked
 * at, at a place of the value: `NS_PER_STEP` has to be no less than the most that one takes.
 *
 *   npm run bench -- rules [--rounds 9] [--slices 20] [--calls 40] [--quick] [--node /path/to/node]
 *
 * Each round is a process of its own, in which each program meets a value that keeps many of its states alive, in slices, in turns. Printed are the median of the rounds, the quartiles and the most. Two controls show the noise: the first program once more, and a
 * value that is refused for its length before any step, counted as if it had taken them all.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    slices: { type: 'string' },
    calls: { type: 'string' },
    quick: { type: 'boolean', default: false },
    node: { type: 'string', default: process.execPath },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  console.log(`Usage: npm run bench -- rules [options]

Measures what regular expressions cost at most, in ns of CPU time, and what they are bounded by.

  --rounds <n>  processes that measure all programs (default 9)
  --slices <n>  turns of each program in a round (default 20)
  --calls <n>   matches in a slice (default 40)
  --quick       2 rounds of 3 slices of 5 matches: to see that it runs
  --node <path> the Node.js that measures
  --help        this`);
  process.exit(0);
}
const [rounds, slices, calls] = [
  values.rounds ?? (values.quick ? 2 : 9),
  values.slices ?? (values.quick ? 3 : 20),
  values.calls ?? (values.quick ? 5 : 40),
].map(Number);

const results = [];
for (let round = 0; round < rounds; round++) {
  const script = fileURLToPath(new URL('rules/measure.cjs', import.meta.url));
  const child = fork(script, [String(slices), String(calls)], { execPath: values.node, env: { ...process.env, NODE_OPTIONS: '' } });
  const [result] = await once(child, 'message');
  results.push(result);
  console.error(`round ${round + 1} of ${rounds}`);
}

const quantile = (sorted, share) => sorted[Math.floor((sorted.length - 1) * share)];
console.log(`Node ${results[0].version}, ${rounds} rounds of ${slices} × ${calls} matches, ns of CPU\n`);
console.log('| program | steps | scans | a match: median | quartiles | most | a step | of the bound |\n|' + ' --- |'.repeat(8));
results[0].programs.forEach(({ name, steps, scans, boundNs }, i) => {
  const sorted = results.map(({ programs }) => programs[i].ns).sort((a, b) => a - b);
  const [lower, median, upper, most] = [0.25, 0.5, 0.75, 1].map((share) => quantile(sorted, share));
  const [a, b, c, d] = [median, lower, upper, most].map((ns) => ns.toFixed(0));
  const ratio = (median / boundNs).toFixed(2);
  console.log(`| ${name.replaceAll('|', '\\|')} | ${steps} | ${scans} | ${a} | ${b} – ${c} | ${d} | ${(median / steps).toFixed(1)} | ${ratio} |`);
});
