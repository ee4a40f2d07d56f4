/**
 * What choosing an instance costs, at any number of instances and lanes, beside what a user would write: a `filter` at each call.
 *
 *   npm run bench -- selection [--rounds 7] [--milliseconds 60] [--quick] [--node /path/to/node]
 *
 * Each round is a process of its own that measures every size in turns. Printed are the medians of the rounds and the quartiles.
 */
import { measureInProcesses, publish, readOptions, spread } from './lib/bench.mjs';

const options = readOptions({
  name: 'selection',
  purpose: 'Measures what it takes to choose an instance by lane and weight, and to take in a push of the registry.',
  numbers: {
    rounds: { what: 'processes that measure every size', usual: 7, brief: 3, quick: 1 },
    milliseconds: { what: 'time of each measurement', usual: 60, quick: 30 },
  },
});

const rounds = await measureInProcesses(options, new URL('selection/measure.cjs', import.meta.url), [options.milliseconds], ['--expose-gc']);

/** The rows of a table of the rounds, with the figures of each cell put together. */
const rowsOf = (table) =>
  rounds[0][table].map(({ labels, figures }, row) => [
    ...labels,
    ...figures.map((_, column) => spread(rounds.map((round) => round[table][row].figures[column]))),
  ]);

publish({
  name: 'selection',
  options,
  how: `medians and quartiles of ${options.rounds} processes`,
  tables: [
    {
      title: 'A choice, in ns: the lane of a call by name and one of its instances by weight; "again" is the null control.',
      columns: ['instances', 'lanes', 'choice', 'choice, again', 'bytes allocated', 'by address', 'filter at each call'],
      rows: rowsOf('choices'),
      digits: 1,
    },
    {
      title: 'A push of the registry, in ms of the event loop at a time.',
      columns: ['instances', 'all of it is new', 'one instance is new', 'it says the same'],
      rows: rowsOf('pushes'),
    },
    {
      title: 'Weights 1 to 10: how far the share of an instance is from its weight, at most, in per cent of its share.',
      columns: ['instances', 'choices', 'off by, %'],
      rows: rowsOf('weights'),
    },
  ],
});
