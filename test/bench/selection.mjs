/**
 * Measures the cost of choosing an instance, for several numbers of instances and lanes, compared with what a user would write: a `filter` at each call.
 * Also how long a push blocks the event loop, and the cost of the SDK's discovery under the agent, compared with the SDK alone, with and without a `filter`.
 *
 *   npm run bench -- selection [--rounds 7] [--milliseconds 60] [--quick] [--node /path/to/node]
 *
 * Each round is a separate process that measures all sizes in turn. Prints the medians and quartiles of the rounds.
 */
import { createRequire } from 'node:module';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { measureInProcesses, publish, readOptions, shuffled, spread } from './lib/bench.mjs';

const require = createRequire(import.meta.url);
const { instancesOf } = require('./selection/instances.cjs');

const options = readOptions({
  name: 'selection',
  purpose: 'Measures the cost of choosing an instance by lane and weight, of applying a push from the registry, and of discovery by the SDK.',
  numbers: {
    rounds: { what: 'processes, each of which measures every size', usual: 7, brief: 3, quick: 1 },
    milliseconds: { what: 'duration of each measurement in ms', usual: 60, quick: 30 },
  },
});

const rounds = await measureInProcesses(options, new URL('selection/measure.cjs', import.meta.url), [options.milliseconds], ['--expose-gc']);

/** The rows of a table, with the figures of all rounds in each cell. */
const rowsOf = (table) =>
  rounds[0][table].map(({ labels, figures }, row) => [
    ...labels,
    ...figures.map((_, column) => spread(rounds.map((round) => round[table][row].figures[column]))),
  ]);

/** Sizes of the services that the SDK discovers. */
const SIZES = [100, 1_000];
const AGENT = require.resolve('@lane/agent');

/** Starts a registry with these services, as persistent instances, which need no heartbeats. */
async function provide() {
  const nacos = await startEmbeddedNacos({ port: 0 });
  for (const size of SIZES) {
    for (const { ip, port, weight, metadata } of instancesOf(size, 10)) {
      const query = new URLSearchParams({
        serviceName: `DEFAULT_GROUP@@stock-${size}`,
        ip,
        port: String(port),
        weight: String(weight),
        metadata: JSON.stringify(metadata),
        ephemeral: 'false',
      });
      const answer = await fetch(`http://${nacos.address}/nacos/v1/ns/instance?${query}`, { method: 'POST' });
      if (!answer.ok) throw new Error(`the registry rejected an instance: ${answer.status} ${await answer.text()}`);
    }
  }
  return nacos;
}

/** The cost of calls of the SDK, as ratios to the SDK alone, which is measured twice. The order of the variants changes each round. */
async function measureDiscovery() {
  const nacos = await provide();
  const ratios = new Map();
  try {
    for (let round = 0; round < options.rounds; round++) {
      const found = {};
      for (const variant of shuffled(['bare', 'again', 'agent'])) {
        const preload = variant === 'agent' ? ['--require', AGENT] : [];
        const args = [options.milliseconds, nacos.address, SIZES.join(',')];
        const [measured] = await measureInProcesses({ ...options, rounds: 1 }, new URL('selection/sdk.cjs', import.meta.url), args, preload);
        found[variant] = measured.figures;
      }
      for (const call of Object.keys(found.bare)) {
        if (call.includes('filter')) continue;
        const [plain, tagged] = call.split(',');
        const filtered = `${plain} and a filter${tagged === undefined ? '' : `,${tagged}`}`;
        const alone = (of) => (found.bare[of] + found.again[of]) / 2;
        const row = ratios.get(call) ?? [];
        row.push([found.bare[call], found.again[call] / found.bare[call], found.agent[call] / alone(call), found.agent[call] / alone(filtered)]);
        ratios.set(call, row);
      }
    }
  } finally {
    await nacos.close();
  }
  return [...ratios].map(([call, row]) => {
    const [size, ...name] = call.split(' ');
    return [size, name.join(' '), ...[0, 1, 2, 3].map((column) => spread(row.map((figures) => figures[column])))];
  });
}

const discovery = await measureDiscovery();

publish({
  name: 'selection',
  options,
  how: `medians and quartiles of ${options.rounds} processes`,
  tables: [
    {
      title: 'One choice, in ns: the lane of a call by name, and one of its instances by weight; "again" is the null control.',
      columns: ['instances', 'lanes', 'choice', 'choice, again', 'bytes allocated', 'by address', 'filter at each call'],
      rows: rowsOf('choices'),
      digits: 1,
    },
    {
      title:
        'Applying a push from the registry, in ms: the longest hold of the event loop, and the time until the list is in use. "Nothing" is the null control: no push at all.',
      columns: [
        'instances',
        'held: the first list',
        'held: all others',
        'held: one changed',
        'held: the same',
        'held: nothing',
        'in use: the first list',
        'in use: all others',
        'in use: one changed',
        'in use: the same',
      ],
      rows: rowsOf('pushes'),
    },
    {
      title: 'Before that, in whatever asks the registry: JSON.parse of such a list.',
      columns: ['instances', 'MiB', 'held, ms'],
      rows: rowsOf('parses'),
    },
    {
      title:
        'Discovery by the nacos SDK from its cache, in CPU time: ns a call of the SDK alone; ratios to that, of the SDK alone measured again (the noise), of the SDK under the agent, and of that to the SDK alone with a filter by lane.',
      columns: ['instances', 'call', 'alone, ns', 'alone, again', 'under the agent', 'under the agent, to a filter'],
      rows: discovery,
    },
    {
      title: 'Weights 1 to 10: largest deviation of an instance from its share by weight, in per cent of that share.',
      columns: ['instances', 'choices', 'deviation, %'],
      rows: rowsOf('weights'),
    },
  ],
});
