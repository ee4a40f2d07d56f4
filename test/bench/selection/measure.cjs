'use strict';
// One round of `bench -- selection`, in a process of its own: its compiler and its heap see nothing but this.
const { pick, ServiceTables } = require('@lane/core/model');

const milliseconds = Number(process.argv[2]);
const random = Math.random;
const SHAPES = [
  [10, 1],
  [10, 10],
  [100, 1],
  [100, 10],
  [1_000, 10],
  [1_000, 100],
  [10_000, 100],
  [10_000, 1_000],
  [100_000, 1_000],
];
const KEY = { name: 'stock', group: 'DEFAULT_GROUP' };

/** Half of the instances are base, the others shared out among the lanes; weights from 1 to 10. */
function instancesOf(count, lanes) {
  return Array.from({ length: count }, (_, i) => ({
    ip: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
    port: 8080,
    weight: 1 + (i % 10),
    healthy: true,
    enabled: true,
    metadata: i % 2 === 0 ? { version: '1.0', zone: 'a' } : { version: '1.1', zone: 'b', lane: `lane-${(i >> 1) % lanes}` },
  }));
}

const tablesOf = (list) => {
  const tables = new ServiceTables({ formats: ['baggage'] });
  tables.update(KEY, list);
  return tables;
};

/** CPU time of this process so far, in ns: others on the machine are none of our business. */
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};

/** Keeps the compiler from leaving out what nobody needs. */
const sink = { last: undefined };
/** ns a call, once the compiler is done. */
function time(call) {
  for (let i = 0; i < 20_000; i++) sink.last = call(i);
  let calls = 0;
  const from = cpu();
  do {
    for (let i = 0; i < 10_000; i++) sink.last = call(calls + i);
    calls += 10_000;
  } while (cpu() - from < milliseconds * 1e6);
  return (cpu() - from) / calls;
}

/** Of calls that are few since each takes long. */
function timeSlow(call) {
  let calls = 0;
  const from = cpu();
  do sink.last = call(calls++);
  while (cpu() - from < milliseconds * 1e6);
  return (cpu() - from) / calls;
}

function bytesOf(call) {
  const calls = 100_000;
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < calls; i++) sink.last = call(i);
  return Math.max(0, (process.memoryUsage().heapUsed - before) / calls);
}

const choices = SHAPES.map(([count, lanes]) => {
  const list = instancesOf(count, lanes);
  const tables = tablesOf(list);
  const names = Array.from({ length: lanes }, (_, i) => `lane-${i}`);
  const choose = (i) => pick(tables.route(KEY, names[i % lanes]), random);
  const byAddress = (i) => {
    const found = tables.findByAddress(list[(i * 7919) % count].ip, 8080);
    return pick(tables.route(found.table.key, names[i % lanes]), random);
  };
  const filter = (i) => {
    const tag = names[i % lanes];
    const ofLane = list.filter(({ metadata }) => metadata.lane === tag);
    const those = ofLane.length > 0 ? ofLane : list.filter(({ metadata }) => metadata.lane === undefined);
    return those[Math.floor(random() * those.length)];
  };
  const figures = [time(choose), time(choose), bytesOf(choose), time(byAddress), timeSlow(filter)];
  return { labels: [String(count), String(lanes)], figures };
});

const pushes = [100, 1_000, 10_000, 100_000].map((count) => {
  const first = instancesOf(count, 10);
  const again = instancesOf(count, 10);
  const more = [...instancesOf(count, 10), { ...first[0], ip: '192.0.2.1' }];
  const ms = (work) => {
    const from = performance.now();
    work();
    return performance.now() - from;
  };
  const tables = new ServiceTables({ formats: ['baggage'], holdMs: () => 30_000 });
  return {
    labels: [String(count)],
    figures: [
      ms(() => tables.update(KEY, first)),
      ms(() => tables.update(KEY, more)),
      (tables.update(KEY, first), ms(() => tables.update(KEY, again))),
    ],
  };
});

const weights = [3, 10, 100].map((count) => {
  const list = instancesOf(count * 2, 1).filter((_, i) => i % 2 === 1);
  const tables = tablesOf(list);
  const decision = tables.route(KEY, 'lane-0');
  const draws = 10_000 * count;
  const counts = new Map();
  for (let i = 0; i < draws; i++) {
    // Evenly spread over [0, 1), so that what is seen is the table's error and not chance (the golden ratio's additive recurrence).
    const instance = pick(decision, () => (i * 0.6180339887498949) % 1);
    counts.set(instance, (counts.get(instance) ?? 0) + 1);
  }
  const total = list.reduce((sum, { weight }) => sum + weight, 0);
  const off = list.map((instance) => Math.abs((counts.get(instance) ?? 0) / draws / (instance.weight / total) - 1));
  return { labels: [String(count), String(draws)], figures: [Math.max(...off) * 100] };
});

process.send({ choices, pushes, weights });
process.disconnect();
