/**
 * Compares entries with the same rules: `lane gateway`, and nginx, HAProxy and Envoy with the exported configuration, each with one worker. The baseline is
 * a pipe of node:http without rules. The backends are two nginx instances. Linux; needs nginx and HAProxy, and pip for Envoy.
 *
 *   npm run bench -- entries [--rounds 5] [--save]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportRules } from '@lane/gateway';
import { load } from './injector/typescript.mjs';
import { publish, quantile, readOptions, shuffled, spread, warmUp } from './lib/bench.mjs';
import { family, usageOf } from './lib/processes.mjs';

const LANE = 'lane gateway';
const PIPE = 'a pipe of node:http, without rules';
const options = readOptions({
  name: 'entries',
  purpose: 'Compares lane gateway with nginx, HAProxy and Envoy running the exported configuration: requests per CPU second, p99, memory.',
  numbers: {
    rounds: { what: 'rounds, each with fresh processes', usual: 5, brief: 2, quick: 1 },
    slices: { what: 'turns of each entry per round', usual: 5, brief: 3, quick: 1 },
    requests: { what: 'requests per slice', usual: 10_000, brief: 5_000, quick: 500 },
    seconds: { what: 'seconds at 70 % of the load, to measure p99', usual: 10, brief: 4, quick: 1 },
    idle: { what: 'idle connections', usual: 5_000, brief: 2_000, quick: 100 },
    streams: { what: 'concurrent downloads', usual: 100, brief: 50, quick: 5 },
    megabytes: { what: 'MB per download', usual: 100, brief: 20, quick: 2 },
  },
});
const CONNECTIONS = 32;
const SERVICE = 'spring-cloud-a';
const { startNginx } = load('../../interop/entries/nginx.ts');
const { startHaproxy } = load('../../interop/entries/haproxy.ts');
const { startEnvoyEntry } = load('../../interop/entries/envoy.ts');
const { SHOP } = load('../../interop/entries/entry.ts');
const { freePort } = load('@lane/testing/ports');

const folder = mkdtempSync(join(tmpdir(), 'lane-entries-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

async function startInstances() {
  writeFileSync(join(folder, 'large'), '');
  truncateSync(join(folder, 'large'), options.megabytes * 1_000_000);
  const ports = [await freePort(), await freePort()];
  const servers = ports.map(
    (port) => `server { listen 127.0.0.1:${port}; keepalive_requests 1000000; root ${folder}; location = /a { return 200 "ok"; } }`,
  );
  const nginx = await startNginx(`sendfile on;\n${servers.join('\n')}`, ports[0], [], 30_000);
  const instances = ports.map((port, i) => ({
    ip: '127.0.0.1',
    port,
    weight: 1,
    healthy: true,
    enabled: true,
    metadata: i === 0 ? {} : { lane: 'gray' },
  }));
  return { nginx, instances };
}

function exported(target, instances, port) {
  return exportRules(target, {
    document: SHOP,
    formats: ['baggage'],
    port,
    routes: [{ host: '*', path: '/', service: SERVICE }],
    instancesOf: () => instances,
  }).text;
}

async function ofNode(script, given) {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), given, { execPath: options.node });
  await once(child, 'message');
  return { pid: child.pid, stop: () => child.kill() };
}

const ENTRIES = {
  [PIPE]: (instances, port) => ofNode('gateway/engine.cjs', ['a pipe of node:http', String(instances[1].port), String(port)]),
  [`${PIPE}, again`]: (instances, port) => ENTRIES[PIPE](instances, port),
  [LANE]: (instances, port) => ofNode('entries/gateway.cjs', [JSON.stringify({ instances, document: SHOP, port, service: SERVICE })]),
  nginx: (instances, port) => startNginx(exported('nginx', instances, port), port, [], 30_000),
  HAProxy: (instances, port) => startHaproxy(exported('haproxy', instances, port), port),
  Envoy: (instances, port) => startEnvoyEntry(exported('envoy', instances, port), port),
};
const NAMES = Object.keys(ENTRIES);

const clients = fork(fileURLToPath(new URL('entries/load.cjs', import.meta.url)), { execPath: options.node });
await once(clients, 'message');
async function client(message) {
  clients.send(message);
  const [result] = await once(clients, 'message');
  if (result.problem !== undefined) throw new Error(`${message.what}: ${result.problem}`);
  return result;
}

const figures = new Map(NAMES.map((name) => [name, { perCpuSecond: [], p50: [], p99: [], rate: [], idle: [], streams: [] }]));
const { nginx: backend, instances } = await startInstances();
try {
  for (let round = 0; round < options.rounds; round++) {
    const running = new Map();
    for (const name of NAMES) {
      const port = await freePort();
      const entry = await ENTRIES[name](instances, port);
      running.set(name, { entry, port, pids: family(entry.pid), cpu: 0, ms: 0 });
    }
    await warmUp([...running.values()], Math.min(3_000, options.requests), ({ port }, count) =>
      client({ what: 'closed', port, count, connections: CONNECTIONS }),
    );
    for (let slice = 0; slice < options.slices; slice++) {
      for (const [, one] of shuffled([...running])) {
        const before = usageOf(one.pids).cpu;
        one.ms += (await client({ what: 'closed', port: one.port, count: options.requests, connections: CONNECTIONS })).ms;
        one.cpu += usageOf(one.pids).cpu - before;
      }
    }
    for (const [name, one] of shuffled([...running])) {
      const found = figures.get(name);
      const served = options.slices * options.requests;
      found.perCpuSecond.push(served / Math.max(0.01, one.cpu));
      const rate = (served / one.ms) * 1_000 * 0.7;
      found.rate.push(rate);
      const { times } = await client({ what: 'open', port: one.port, rate, seconds: options.seconds, connections: 128 });
      found.p50.push(quantile(times, 0.5));
      found.p99.push(quantile(times, 0.99));
      const before = usageOf(one.pids).memory;
      await client({ what: 'idle', port: one.port, count: options.idle });
      found.idle.push(((usageOf(one.pids).memory - before) * 1_024) / options.idle);
      await client({ what: 'leave' });
      const base = usageOf(one.pids).memory;
      let most = 0;
      const looking = setInterval(() => (most = Math.max(most, usageOf(one.pids).memory - base)), 50);
      await client({ what: 'download', port: one.port, count: options.streams });
      clearInterval(looking);
      found.streams.push(most);
    }
    for (const { entry } of running.values()) await entry.stop();
    console.error(`round ${round + 1} of ${options.rounds}`);
  }
} finally {
  clients.kill();
  await backend.stop();
}

publish({
  name: 'entries',
  options,
  how: `${options.rounds} rounds of ${options.slices} × ${options.requests} requests over ${CONNECTIONS} connections; medians and quartiles. One worker each; clients and instances share the cores`,
  tables: [
    {
      title: 'Entries with the same rules',
      columns: [
        'entry',
        'requests per CPU second',
        '70 % of its load here, requests per second',
        'p50, ms',
        'p99, ms',
        `KiB per connection, ${options.idle} idle`,
        `MiB added by ${options.streams} downloads of ${options.megabytes} MB`,
      ],
      rows: NAMES.map((name) => {
        const { perCpuSecond, rate, p50, p99, idle, streams } = figures.get(name);
        const whole = (list) => {
          const { median, lower, upper } = spread(list);
          return `${median.toFixed(0)} (${lower.toFixed(0)} – ${upper.toFixed(0)})`;
        };
        return [name, whole(perCpuSecond), whole(rate), spread(p50), spread(p99), spread(idle), spread(streams)];
      }),
    },
  ],
});
process.exit(0);
