/**
 * Measures what the injector costs: reviews under load, a pod's creation at a real API server, and a pod's start.
 *
 *   npm run bench -- injector [--only load|cluster|start] [--rounds 3] [--seconds 30] [--rate 200] [--pods 300] [--runs 40] [--node /path/to/node]
 *
 * load: sends reviews of several kinds of pods to a `lane injector` process, over TLS and kept connections as the API server does, at a mean
 * rate that does not depend on its answers. A webhook that does nothing gets the same, so the difference is the injector's share. Times count
 * from when a review was due. Each round starts fresh processes; prints the median, lowest and highest of the rounds.
 *
 * cluster: creates pods one after the other at kube-apiserver and etcd, in turn without a webhook, with one that does nothing, and with the
 * injector. Needs etcd-server, and the API server of test/servers/kubernetes.
 *
 * start: runs the init container's install.sh into an empty volume, and `node -e 0` with the agent from there. Leaves out what a cluster adds:
 * pulling the image, and creating the container.
 */
import { measureCluster } from './injector/cluster.mjs';
import { measureLoad } from './injector/load.mjs';
import { measureStart } from './injector/start.mjs';
import { publish, quantile, readOptions, spread } from './lib/bench.mjs';

const options = readOptions({
  name: 'injector',
  purpose: "Measures the injector's reviews under load, and what it adds to a pod's creation at a real API server and to a pod's start.",
  numbers: {
    rounds: { what: 'rounds under load, each with fresh processes', usual: 3, quick: 1 },
    seconds: { what: 'seconds per round', usual: 30, quick: 3 },
    rate: { what: 'reviews per second', usual: 200, quick: 100 },
    pods: { what: 'pods of each kind to create', usual: 300, quick: 20 },
    runs: { what: 'starts', usual: 40, quick: 3 },
  },
  choices: { only: { what: 'one part of it (cluster needs etcd-server, and builds an API server)', of: ['load', 'cluster', 'start'] } },
});
const { only, rounds, seconds, rate, pods, runs, node } = options;

async function loadTable() {
  const rows = await measureLoad({ rounds, seconds, rate, node, onRound: (round) => process.stderr.write(`round ${round} of ${rounds}\n`) });
  const FIGURES = {
    p50Ms: ['p50, ms', 2],
    p99Ms: ['p99, ms', 2],
    maxMs: ['max, ms', 1],
    lateMs: ['sent late at most, ms', 1],
    cpuMicroseconds: ['CPU per pod, µs', 0],
    rssMegabytes: ['memory, MB', 0],
  };
  const range = (list, digits) =>
    `${quantile(list, 0.5).toFixed(digits)} (${Math.min(...list).toFixed(digits)} – ${Math.max(...list).toFixed(digits)})`;
  const cells = (of) => Object.entries(FIGURES).map(([figure, [, digits]]) => range(rows.map(of(figure)), digits));
  return {
    title: `${rate} reviews per second, ${rounds} rounds of ${seconds} s each: median of the rounds (lowest – highest)`,
    columns: ['webhook', ...Object.values(FIGURES).map(([title]) => title)],
    rows: [
      ...['do-nothing', 'injector'].map((name) => [name, ...cells((figure) => (row) => row[name][figure])]),
      ['difference', ...cells((figure) => (row) => row.injector[figure] - row['do-nothing'][figure])],
    ],
  };
}

async function clusterTable() {
  const variants = await measureCluster({ pods, onReady: () => process.stderr.write('the API server is ready\n') });
  return {
    title: `${pods} pods of each variant, created one after the other at a real API server`,
    columns: ['variant', 'created in, ms', 'added, ms'],
    rows: variants.map(({ name, times }) => [name, spread(times), spread(times.map((time, i) => time - variants[0].times[i]))]),
  };
}

function startTable() {
  const { files, bytes, ...times } = measureStart({ runs, node });
  const NAMES = { install: 'install.sh', shell: 'sh alone', bare: 'node -e 0', added: '--require register.cjs adds' };
  return {
    title: `${files} files, ${(bytes / 1e6).toFixed(2)} MB copied into a pod; ${runs} starts each`,
    columns: ['', 'ms'],
    rows: Object.entries(NAMES).map(([name, title]) => [title, spread(times[name])]),
    digits: 1,
  };
}

const PARTS = { load: loadTable, cluster: clusterTable, start: startTable };
const tables = [];
for (const [part, measure] of Object.entries(PARTS)) if (only === undefined || only === part) tables.push(await measure());
publish({ name: only === undefined ? 'injector' : `injector-${only}`, options, how: 'medians and quartiles, unless a table says otherwise', tables });
process.exit(0);
