/**
 * What entry rules cost a request at most: an entry of a thousand rules of a kind with the request that makes the most of them, and a match of a
 * regular expression, in CPU time, beside what core's rules/cost.ts bounds it by. "Of the bound" has to be below 1
 * for all of them, or a document is accepted whose rules cost a request more than they may. A step is an instruction of the program that is looked
 * at, at a place of the value: `NS_PER_STEP` has to be no less than the most that one takes.
 *
 *   npm run bench -- rules [--rounds 9] [--slices 20] [--calls 40] [--requests 20] [--quick] [--node /path/to/node]
 *
 * Each round is a process of its own, in which each expression meets a value that keeps many of its states alive, in slices, in turns. Printed are
 * the median of the rounds, the quartiles and the most. Two controls show the noise: the first program once more, and a value that is refused
 * for its length before any step.
 */
import { measureInProcesses, publish, readOptions, spread } from './lib/bench.mjs';

const options = readOptions({
  name: 'rules',
  purpose: 'Measures what entry rules and regular expressions cost at most, in CPU time, and what they are bounded by.',
  numbers: {
    rounds: { what: 'processes that measure all programs', usual: 9, brief: 5, quick: 2 },
    slices: { what: 'turns of each program in a round', usual: 20, brief: 10, quick: 3 },
    calls: { what: 'matches in a slice', usual: 40, quick: 5 },
    requests: { what: 'requests to an entry in a slice', usual: 20, quick: 3 },
  },
});
const { rounds, slices, calls, requests } = options;

const results = await measureInProcesses(options, new URL('rules/measure.cjs', import.meta.url), [slices, calls, requests]);

publish({
  name: 'rules',
  options,
  how: `${rounds} rounds of ${slices} × ${calls} matches and ${slices} × ${requests} requests; medians and quartiles`,
  tables: [
    {
      title: 'A request to an entry, in µs of CPU time',
      columns: ['rules', 'number', 'µs a request', 'most', 'bound', 'of the bound'],
      rows: results[0].entries.map(({ name, rules, boundNs }, i) => {
        const figures = results.map(({ entries }) => entries[i].ns / 1000);
        const most = Math.max(...figures);
        return [name, String(rules), spread(figures), most.toFixed(0), (boundNs / 1000).toFixed(0), ((most * 1000) / boundNs).toFixed(2)];
      }),
    },
    {
      title: 'A match, in ns of CPU time',
      columns: ['program', 'steps', 'scans', 'ns a match', 'most', 'ns a step', 'of the bound'],
      rows: results[0].programs.map(({ name, steps, scans, boundNs }, i) => {
        const figures = results.map(({ programs }) => programs[i].ns);
        const most = Math.max(...figures);
        return [
          name,
          String(steps),
          String(scans),
          spread(figures),
          most.toFixed(0),
          steps === 0 ? '' : (most / steps).toFixed(1),
          (most / boundNs).toFixed(2),
        ];
      }),
    },
  ],
});
