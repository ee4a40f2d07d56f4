/**
 * Measures reading and writing a member of W3C baggage, compared with the propagator of @opentelemetry/core. Both have the same task: find the
 * member in an inbound header, and make an outbound header that sets it and keeps all others.
 *
 *   npm run bench -- baggage [--rounds 9] [--milliseconds 60] [--quick] [--node /path/to/node]
 *
 * Each round is a separate process that measures all sizes in turn. Compares the results of both before it measures anything.
 */
import { measureInProcesses, publish, readOptions, spread } from './lib/bench.mjs';

const options = readOptions({
  name: 'baggage',
  purpose: 'Measures the cost of reading and writing a baggage member, compared with @opentelemetry/core.',
  numbers: {
    rounds: { what: 'processes, each of which measures every size', usual: 9, brief: 5, quick: 2 },
    milliseconds: { what: 'duration of each measurement in ms', usual: 60, quick: 30 },
  },
});

const rounds = await measureInProcesses(options, new URL('baggage/measure.cjs', import.meta.url), [options.milliseconds]);

const cell = (row, of) => spread(rounds.map((round) => of(round[row])));
publish({
  name: 'baggage',
  options,
  how: `medians and quartiles of ${options.rounds} processes`,
  tables: [
    {
      title: 'Reading one header and writing one, in µs; "again" is the null control.',
      columns: ['members', 'lane', 'lane, again', '@opentelemetry/core', 'speed-up'],
      rows: rounds[0].map(({ members }, row) => [
        String(members),
        cell(row, ({ ours }) => ours / 1e3),
        cell(row, ({ again }) => again / 1e3),
        cell(row, ({ theirs }) => theirs / 1e3),
        cell(row, ({ ours, again, theirs }) => (2 * theirs) / (ours + again)),
      ]),
      digits: 3,
    },
  ],
});
