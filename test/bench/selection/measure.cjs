'use strict';
// One round of `bench -- selection`, in its own process, so that compiler and heap see nothing else.
const { chance, pick, ServiceTables } = require('@lane/core/model');
const { instancesOf } = require('./instances.cjs');

const milliseconds = Number(process.argv[2]);
const random = chance;
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

const tablesOf = (list) => {
  const tables = new ServiceTables({ formats: ['baggage'] });
  tables.update(KEY, list);
  return tables;
};

/** CPU time of this process so far, in ns, which does not count other processes. */
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};

/** Keeps the compiler from removing unused results. */
const sink = { last: undefined };
/** ns per call, once the compiler is done. */
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

/** ns per call, for slow calls of which there are few. */
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

/**
 * The longest time that the event loop was held, and the time until `isOver`, in ms. A turn counts as the smaller of its duration and the CPU time
 * that it used, because other processes can delay it longer than the measured work does.
 */
function watch(begin, isOver) {
  return new Promise((resolve) => {
    const from = performance.now();
    let [last, lastWorked] = [from, cpu()];
    let longest = 0;
    const look = () => {
      const now = performance.now();
      longest = Math.max(longest, Math.min(now - last, (cpu() - lastWorked) / 1e6));
      if (isOver(now - from)) {
        resolve({ longest, total: now - from });
        return;
      }
      [last, lastWorked] = [performance.now(), cpu()];
      setImmediate(look);
    };
    begin();
    setImmediate(look);
  });
}

/** A push as the agent handles it: it keeps instances that a registry may omit by mistake. */
async function measurePush(count) {
  const { DEFAULT_OUTLIER_POLICY } = require('@lane/core/model');
  const tables = new ServiceTables({
    formats: ['baggage'],
    holdMs: () => 40_000,
    outlier: DEFAULT_OUTLIER_POLICY,
    remembersGone: true,
  });
  const push = (list) => {
    let isTaken = false;
    return watch(
      () => tables.push(KEY, list, 'registry', () => (isTaken = true)),
      () => isTaken,
    );
  };
  const settle = async () => {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const first = instancesOf(count, 10);
  await settle();
  const cold = await push(first);
  const text = JSON.stringify(first);
  await settle();
  const parsed = await watch(
    () => (sink.last = JSON.parse(text)),
    () => true,
  );
  const again = instancesOf(count, 10);
  await settle();
  const same = await push(again);
  const changed = instancesOf(count, 10);
  changed[count >> 1] = { ...changed[count >> 1], weight: 20 };
  await settle();
  const one = await push(changed);
  const others = instancesOf(count, 10, 1_000_000);
  await settle();
  const all = await push(others);
  await settle();
  const nothing = await watch(
    () => {},
    (ms) => ms >= all.total,
  );
  return {
    labels: [String(count)],
    figures: [cold.longest, all.longest, one.longest, same.longest, nothing.longest, cold.total, all.total, one.total, same.total],
    parse: [text.length / 2 ** 20, parsed.longest],
  };
}

const weights = [3, 10, 100].map((count) => {
  const list = instancesOf(count * 2, 1).filter((_, i) => i % 2 === 1);
  const tables = tablesOf(list);
  const decision = tables.route(KEY, 'lane-0');
  const draws = 10_000 * count;
  const counts = new Map();
  for (let i = 0; i < draws; i++) {
    // Evenly spread over [0, 1) by the additive recurrence of the golden ratio, so that the result shows the table's error, not chance.
    const instance = pick(decision, () => (i * 0.6180339887498949) % 1);
    counts.set(instance, (counts.get(instance) ?? 0) + 1);
  }
  const total = list.reduce((sum, { weight }) => sum + weight, 0);
  const off = list.map((instance) => Math.abs((counts.get(instance) ?? 0) / draws / (instance.weight / total) - 1));
  return { labels: [String(count), String(draws)], figures: [Math.max(...off) * 100] };
});

async function main() {
  const pushes = [];
  for (const count of [100, 1_000, 10_000, 100_000]) pushes.push(await measurePush(count));
  const parses = pushes.map(({ labels, parse }) => ({ labels, figures: parse }));
  process.send({ choices, pushes, parses, weights });
  process.disconnect();
}

void main();
