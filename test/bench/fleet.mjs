/**
 * Runs a fleet: thousands of agents with real connections to one Nacos, in a few processes. Measures how soon a change of the lane groups is in
 * force everywhere, how many requests Nacos gets, and what its restart causes.
 *
 *   npm run bench -- fleet [--agents 2000] [--services 1000] [--nacos embedded|2.2.4] [--transport http|grpc] [--save]
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { connectNacos } from '@lane/nacos-registry';
import { load } from './injector/typescript.mjs';
import { publish, quantile, readOptions } from './lib/bench.mjs';
import { usageOf } from './lib/processes.mjs';

const options = readOptions({
  name: 'fleet',
  purpose:
    'Starts thousands of agents with real connections to one Nacos. Measures how soon a change of the lane groups is in force in all of them, how many requests they send, and what a restart of Nacos causes.',
  numbers: {
    agents: { what: 'agents', usual: 2_000, brief: 200, quick: 20 },
    services: { what: 'services; agents are distributed over them in turn', usual: 1_000, brief: 100, quick: 10 },
    calls: { what: 'services that each agent calls', usual: 5, quick: 5 },
    processes: { what: 'processes that run the agents', usual: 2, brief: 2, quick: 2 },
    changes: { what: 'changes of the lane groups', usual: 10, brief: 5, quick: 2 },
    seconds: { what: 'seconds to observe without a change', usual: 60, brief: 15, quick: 5 },
  },
  choices: {
    nacos: { what: 'the Nacos server', of: ['embedded', '2.2.4'] },
    transport: { what: "the agents' transport to Nacos", of: ['http', 'grpc'] },
  },
});
const { startBehind } = load('../../chaos/behind.ts');
const { realNacosAvailability } = load('../../servers/real-nacos.ts');
const GROUP = { dataId: 'lane-groups', group: 'LANE' };
const now = () => performance.timeOrigin + performance.now();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Counts the open connections of a server process on these ports; Linux. */
function connectionsTo(pid, ports) {
  const hex = ports.map((port) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`);
  let count = 0;
  for (const file of ['tcp', 'tcp6']) {
    let lines;
    try {
      lines = readFileSync(`/proc/${pid}/net/${file}`, 'utf8').split('\n').slice(1);
    } catch {
      return NaN;
    }
    for (const line of lines) {
      const [, local, , state] = line.trim().split(/\s+/);
      if (state === '01' && hex.some((end) => local?.endsWith(end))) count++;
    }
  }
  return count;
}

/** How long all agents may take to start: 100 a second are asked for. */
const START_S = 150;

class Fleet {
  #children = [];

  async start(server, transport) {
    const each = Math.ceil(options.agents / options.processes);
    for (let i = 0; i < options.processes; i++) {
      const count = Math.min(each, options.agents - i * each);
      if (count <= 0) continue;
      const given = { server, transport, first: i * each, count, services: options.services, calls: options.calls };
      const child = fork(fileURLToPath(new URL('fleet/agents.cjs', import.meta.url)), [JSON.stringify(given)], { execPath: options.node });
      await once(child, 'message');
      this.#children.push(child);
    }
    const signal = AbortSignal.timeout(START_S * 1_000);
    await this.#ask({ what: 'start', perSecond: 100 / options.processes }, signal).catch((error) => {
      throw signal.aborted ? new Error(`after ${START_S} s, ${options.agents} agents have not registered and subscribed`) : error;
    });
  }

  #ask(message, signal) {
    return Promise.all(
      this.#children.map(async (child) => {
        child.send(message);
        return (await once(child, 'message', { signal }))[0];
      }),
    );
  }

  /** When the document came into force, for each agent that has it by now. */
  async times(md5) {
    return (await this.#ask({ what: 'times', md5 })).flatMap(({ times }) => times);
  }

  async unserved() {
    return (await this.#ask({ what: 'unserved' })).reduce((sum, { unserved }) => sum + unserved, 0);
  }

  /** Requests by second, CPU time in µs, memory in bytes: totals of all processes. */
  async figures() {
    const all = await this.#ask({ what: 'figures' });
    const asked = new Map();
    for (const one of all) for (const [second, count] of one.asked) asked.set(second, (asked.get(second) ?? 0) + count);
    const sum = (name) => all.reduce((total, one) => total + one[name], 0);
    return { asked, rss: sum('rss'), cpu: sum('cpu') };
  }

  stop() {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

const documentNo = (n) =>
  JSON.stringify({
    version: 1,
    groups: [
      {
        name: 'fleet',
        services: Array.from({ length: Math.min(options.services, 500) }, (_, i) => `fleet-${i}`),
        lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: `change ${n}`, percent: n % 100 }] }],
      },
    ],
  });

/** Publishes a change, and waits until it is in force in all agents; returns how long that took each, in ms. */
async function change(store, fleet, n, patienceS = 60) {
  const text = documentNo(n);
  const md5 = createHash('md5').update(text).digest('hex');
  const begun = now();
  await store.publish(GROUP.dataId, GROUP.group, text);
  for (let i = 0; i < patienceS * 4; i++) {
    await sleep(250);
    const times = await fleet.times(md5);
    if (times.length >= options.agents) return times.map((at) => at - begun);
  }
  const times = await fleet.times(md5);
  throw new Error(`after ${patienceS} s, ${options.agents - times.length} of ${options.agents} agents do not have change ${n} in force`);
}

const perSecond = (asked, from, to) => {
  let sum = 0;
  for (let second = from; second < to; second++) sum += asked.get(second) ?? 0;
  return sum / (to - from);
};
const seconds = () => Math.floor(Date.now() / 1_000);
const asS = (ms) => (ms / 1_000).toFixed(2);

async function measure(kind, transport) {
  console.error(`${kind}, ${transport}: ${options.agents} agents`);
  const server = await startBehind(kind, [{ ...GROUP, content: documentNo(0) }], false);
  const [address] = server.addresses;
  const fleet = new Fleet();
  const store = connectNacos({ server: address, holdProcess: true });
  const port = Number(address.split(':').at(-1));
  try {
    await fleet.start(address, transport);
    const times = [];
    for (let n = 1; n <= options.changes; n++) times.push(...(await change(store, fleet, n)));
    console.error('  all changes are in force');

    const before = usageOf(server.pids);
    const fleetBefore = await fleet.figures();
    const from = seconds() + 1;
    await sleep((options.seconds + 1) * 1_000);
    const to = seconds();
    const after = usageOf(server.pids);
    const { asked, rss, cpu } = await fleet.figures();
    const usual = perSecond(asked, from, to);
    const open = connectionsTo(server.pids[0], [port, port + 1_000]);
    const unservedBefore = await fleet.unserved();

    const killed = seconds();
    await server.kill();
    await sleep(5_000);
    await server.start('kept');
    // The server is back; its clients need some time to notice.
    const back = now();
    // Neither server has any instances now; the embedded one has only the first document.
    let unserved = await fleet.unserved();
    await change(store, fleet, options.changes + 1, 120);
    const backAfter = now() - back;
    unserved = Math.max(unserved, await fleet.unserved());
    await sleep(15_000);
    unserved = Math.max(unserved, await fleet.unserved());
    const { asked: all } = await fleet.figures();
    let peak = 0;
    for (let second = killed; second < seconds(); second++) peak = Math.max(peak, all.get(second) ?? 0);
    console.error('  the restart is over');
    return [
      `${kind}, ${transport}`,
      `${asS(quantile(times, 0.5))} / ${asS(quantile(times, 0.99))} / ${asS(Math.max(...times))}`,
      `${(usual / options.agents).toFixed(2)} (${usual.toFixed(0)} in all)`,
      `${(open / options.agents).toFixed(2)}`,
      `${(((after.cpu - before.cpu) / options.seconds) * 100).toFixed(0)} %, ${after.memory.toFixed(0)} MiB`,
      `${((cpu - fleetBefore.cpu) / options.seconds / options.agents).toFixed(0)} µs, ${(rss / 1_024 / options.agents).toFixed(0)} KiB`,
      `${asS(backAfter)}`,
      `${peak} (${(peak / Math.max(1, usual)).toFixed(1)} ×)`,
      `${unservedBefore} → ${unserved} of ${options.agents * options.calls}`,
    ];
  } finally {
    fleet.stop();
    await store.close().catch(() => {});
    await server.stop();
  }
}

const kinds = (options.nacos === undefined ? ['embedded', '2.2.4'] : [options.nacos]).filter((kind) => {
  if (kind === 'embedded') return true;
  const { available, reason } = realNacosAvailability();
  if (!available) console.error(`skipped Nacos ${kind}: ${reason}`);
  return available;
});
const columns = [
  'Nacos, transport',
  'time until a change is in force, s: p50 / p99 / max',
  'requests per second and agent',
  'connections per agent',
  'Nacos: CPU, memory',
  'per agent: CPU per second, memory',
  'next change in force everywhere after a restart, s',
  'peak requests per second at the restart',
  'calls without an instance, before → peak',
];
const rows = [];
for (const kind of kinds) {
  for (const transport of options.transport === undefined ? ['http', 'grpc'] : [options.transport]) {
    try {
      rows.push(await measure(kind, transport));
    } catch (error) {
      // A fleet that is too much for this server and this machine is a result, too.
      console.error(`  given up: ${error.message}`);
      rows.push([`${kind}, ${transport}`, `given up: ${error.message}`, ...columns.slice(2).map(() => '')]);
    }
  }
}

publish({
  name: 'fleet',
  options,
  how: `${options.agents} agents in ${options.processes} processes, ${options.services} services, each agent calls ${options.calls}; ${options.changes} changes; ${options.seconds} s without any`,
  tables: [
    {
      title: 'A fleet on one Nacos',
      columns,
      rows,
    },
  ],
});
process.exit(0);
