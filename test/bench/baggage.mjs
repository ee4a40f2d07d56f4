/**
 * What reading and writing a member of W3C baggage costs, beside the propagator of @opentelemetry/core, which has the same to do: find the
 * member of an inbound header, and give an outbound header with that member set and all others kept.
 *
 *   npm run bench -- baggage [--rounds 9] [--milliseconds 60] [--quick] [--node /path/to/node]
 *
 * Each round is a process of its own that measures every size in turns. The answers of both are compared before anything is measured.
 */
import { measureInProcesses, publish, readOptions, spread } from './lib/bench.mjs';

const options = readOptions({
  name: 'baggage',
  purpose: 'Measures what reading and writing a member of baggage costs, beside @opentelemetry/core.',
  numbers: {
    rounds: { what: 'processes that measure every size', usual: 9, brief: 5, quick: 2 },
    milliseconds: { what: 'time of each measurement', usual: 60, quick: 30 },
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
      title: 'A header read and one written, in µs; "again" is the null control.',
      columns: ['members', 'lane', 'lane, again', '@opentelemetry/core', 'times as fast'],
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
