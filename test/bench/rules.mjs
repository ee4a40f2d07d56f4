/**
 * Measures the highest CPU time that entry rules can cost a request: a thousand rules of one kind with the most expensive request for them, and a match of a
 * regular expression; compares both with the bounds of core's rules/cost.ts. The share of the bound must be below 1 everywhere, or we accept documents
 * whose rules cost a request more than allowed. A step is one instruction of the program, examined at one position of the value: `NS_PER_STEP` must
 * not be below the longest step.
 *
 *   npm run bench -- rules [--rounds 9] [--slices 20] [--calls 40] [--requests 20] [--quick] [--node /path/to/node]
 *
 * Each round is a separate process, which matches each expression with a value that keeps many of its states alive, in slices, in turn. Prints
 * the median, quartiles and highest of the rounds. Two controls show the noise: the first program again, and a value that is rejected
 * for its length before any step.
 */
import { measureInProcesses, publish, readOptions, spread } from './lib/bench.mjs';

const options = readOptions({
  name: 'rules',
  purpose: 'Measures the highest CPU time of entry rules and regular expressions, and compares it with their bounds.',
  numbers: {
    rounds: { what: 'processes, each of which measures all programs', usual: 9, brief: 5, quick: 2 },
    slices: { what: 'turns of each program per round', usual: 20, brief: 10, quick: 3 },
    calls: { what: 'matches per slice', usual: 40, quick: 5 },
    requests: { what: 'requests to an entry per slice', usual: 20, quick: 3 },
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
      columns: ['rules', 'number', 'µs per request', 'highest', 'bound', 'share of the bound'],
      rows: results[0].entries.map(({ name, rules, boundNs }, i) => {
        const figures = results.map(({ entries }) => entries[i].ns / 1000);
        const most = Math.max(...figures);
        return [name, String(rules), spread(figures), most.toFixed(0), (boundNs / 1000).toFixed(0), ((most * 1000) / boundNs).toFixed(2)];
      }),
    },
    {
      title: 'A match, in ns of CPU time',
      columns: ['program', 'steps', 'scans', 'ns per match', 'highest', 'ns per step', 'share of the bound'],
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
