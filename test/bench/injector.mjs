/**
 * Measures what the injector costs: reviews under load, a pod's creation at a real API server, and a pod's start.
 *
 *   npm run bench -- injector [--only load,cluster,start] [--rounds 3] [--seconds 30] [--rate 200] [--pods 300] [--runs 40] [--node /path/to/node]
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
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { measureCluster } from './injector/cluster.mjs';
import { measureLoad } from './injector/load.mjs';
import { measureStart } from './injector/start.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'load,cluster,start' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '30' },
    rate: { type: 'string', default: '200' },
    pods: { type: 'string', default: '300' },
    runs: { type: 'string', default: '40' },
    node: { type: 'string', default: process.execPath },
    json: { type: 'boolean', default: false },
  },
});
const parts = values.only.split(',');
const [rounds, seconds, rate, pods, runs] = ['rounds', 'seconds', 'rate', 'pods', 'runs'].map((name) => Number(values[name]));
const { node } = values;

const quantile = (list, share) => list.toSorted((a, b) => a - b)[Math.floor((list.length - 1) * share)];
const spread = (list) => ({ median: quantile(list, 0.5), lower: quantile(list, 0.25), upper: quantile(list, 0.75) });
const range = (list) => ({ median: quantile(list, 0.5), lowest: Math.min(...list), highest: Math.max(...list) });

const result = { node: process.version, cores: cpus().length };
const print = (text) => values.json || console.log(text);
print(`Node ${process.version}, ${result.cores} cores`);

if (parts.includes('load')) {
  const rows = await measureLoad({ rounds, seconds, rate, node, onRound: (round) => process.stderr.write(`round ${round} of ${rounds}\n`) });
  const FIGURES = {
    p50Ms: ['p50, ms', 2],
    p99Ms: ['p99, ms', 2],
    maxMs: ['max, ms', 1],
    lateMs: ['sent late at most, ms', 1],
    cpuMicroseconds: ['CPU per pod, µs', 0],
    rssMegabytes: ['memory, MB', 0],
  };
  const of = (name, figure) => range(rows.map((row) => row[name][figure]));
  result.load = { rounds, seconds, rate };
  for (const name of ['do-nothing', 'injector'])
    result.load[name] = Object.fromEntries(Object.keys(FIGURES).map((figure) => [figure, of(name, figure)]));
  result.load.difference = Object.fromEntries(
    Object.keys(FIGURES).map((figure) => [figure, range(rows.map((row) => row.injector[figure] - row['do-nothing'][figure]))]),
  );
  print(`\n${rate} reviews per second, ${rounds} rounds of ${seconds} s each: median of the rounds (lowest – highest)`);
  print(
    `| webhook | ${Object.values(FIGURES)
      .map(([title]) => title)
      .join(' | ')} |\n| --- | ${Object.keys(FIGURES)
      .map(() => '---')
      .join(' | ')} |`,
  );
  for (const name of ['do-nothing', 'injector', 'difference']) {
    const cells = Object.entries(FIGURES).map(([figure, [, digits]]) => {
      const { median, lowest, highest } = result.load[name][figure];
      return `${median.toFixed(digits)} (${lowest.toFixed(digits)} – ${highest.toFixed(digits)})`;
    });
    print(`| ${name} | ${cells.join(' | ')} |`);
  }
}

if (parts.includes('cluster')) {
  const variants = await measureCluster({ pods, onReady: () => process.stderr.write('the API server is ready\n') });
  result.cluster = {
    pods,
    rows: variants.map(({ name, times }) => ({
      name,
      createMs: spread(times),
      addedMs: spread(times.map((time, i) => time - variants[0].times[i])),
    })),
  };
  print(`\n${pods} pods of each variant, created one after the other at a real API server`);
  print('| | created in, ms (median) | added, ms (median) | quartiles |\n| --- | --- | --- | --- |');
  for (const { name, createMs, addedMs } of result.cluster.rows)
    print(`| ${name} | ${createMs.median.toFixed(2)} | ${addedMs.median.toFixed(2)} | ${addedMs.lower.toFixed(2)} – ${addedMs.upper.toFixed(2)} |`);
}

if (parts.includes('start')) {
  const { files, bytes, ...times } = measureStart({ runs, node });
  result.start = { runs, files, bytes, ...Object.fromEntries(Object.entries(times).map(([name, list]) => [`${name}Ms`, spread(list)])) };
  const NAMES = { install: 'install.sh', shell: 'sh alone', bare: 'node -e 0', added: '--require register.cjs adds' };
  print(`\n${files} files, ${(bytes / 1e6).toFixed(2)} MB copied into a pod; ${runs} starts each`);
  print('| | ms (median) | quartiles |\n| --- | --- | --- |');
  for (const [name, title] of Object.entries(NAMES)) {
    const { median, lower, upper } = result.start[`${name}Ms`];
    print(`| ${title} | ${median.toFixed(1)} | ${lower.toFixed(1)} – ${upper.toFixed(1)} |`);
  }
}
if (values.json) console.log(JSON.stringify(result, null, 2));
process.exit(0);
