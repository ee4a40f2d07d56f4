/**
 * What a step of a regular expression costs at most, in CPU time: what `NS_PER_STEP` of core's rules/cost.ts has to be no less than, for the
 * bound on what the rules of an entry may cost a request. A step is an instruction of the program at a character of the value.
 *
 *   npm run bench -- rules [--rounds 9] [--slices 20] [--calls 40] [--quick] [--node /path/to/node]
 *
 * Each round is a process of its own, in which each program that keeps many states alive meets a value that keeps them so, in slices, in
 * turns. Printed are the median of the rounds, the quartiles and the most. Two controls show the noise: the first program once more, and a
 * value that is refused for its length before any step, counted as if it had taken them all.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { publish, readOptions, spread } from './lib/bench.mjs';

const options = readOptions({
  name: 'rules',
  purpose: 'Measures what a step of a regular expression costs at most, in ns of CPU time.',
  numbers: {
    rounds: { what: 'processes that measure all programs', usual: 9, brief: 5, quick: 2 },
    slices: { what: 'turns of each program in a round', usual: 20, brief: 10, quick: 3 },
    calls: { what: 'matches in a slice', usual: 40, quick: 5 },
  },
});
const { rounds, slices, calls } = options;

const results = [];
for (let round = 0; round < rounds; round++) {
  const script = fileURLToPath(new URL('rules/measure.cjs', import.meta.url));
  const child = fork(script, [String(slices), String(calls)], { execPath: options.node, env: { ...process.env, NODE_OPTIONS: '' } });
  const [result] = await once(child, 'message');
  results.push(result);
  console.error(`round ${round + 1} of ${rounds}`);
}

publish({
  name: 'rules',
  options,
  how: `${rounds} rounds of ${slices} × ${calls} matches; medians and quartiles`,
  tables: [
    {
      title: 'A step of a program, in ns of CPU time',
      columns: ['program', 'instructions', 'ns a step', 'most'],
      rows: results[0].programs.map(({ name, instructions }, i) => {
        const figures = results.map(({ programs }) => programs[i].nsPerStep);
        return [name, String(instructions), spread(figures), Math.max(...figures)];
      }),
    },
  ],
});
