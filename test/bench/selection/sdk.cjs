'use strict';
// One round of discovery by the SDK, with or without the agent, in its own process: CPU ns per call. The lists are in the SDK's cache.
const { NacosNamingClient } = require('nacos');
const { runInLane } = require('@lane/core');

const [milliseconds, serverList, sizes] = [Number(process.argv[2]), process.argv[3], process.argv[4].split(',').map(Number)];
const quiet = { info() {}, warn() {}, error() {}, debug() {}, log() {} };
const LANE = 'lane-0';

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};

async function time(call) {
  for (let i = 0; i < 3_000; i++) await call();
  let calls = 0;
  const from = cpu();
  do {
    for (let i = 0; i < 500; i++) await call();
    calls += 500;
  } while (cpu() - from < milliseconds * 1e6);
  return (cpu() - from) / calls;
}

/** What an app without the agent would do: take the lane's instances, or else base ones. */
const ofLane = (list, tag) => {
  const those = list.filter(({ metadata }) => metadata.lane === tag);
  return those.length > 0 ? those : list.filter(({ metadata }) => metadata.lane === undefined);
};

async function main() {
  const client = new NacosNamingClient({ logger: quiet, serverList, namespace: 'public' });
  await client.ready();
  const figures = {};
  // Last, because once a lane has been entered each await costs more, with the agent or without.
  for (const tag of [undefined, LANE]) {
    for (const size of sizes) {
      const service = `stock-${size}`;
      const calls = {
        getAllInstances: () => client.getAllInstances(service),
        selectInstances: () => client.selectInstances(service),
        'getAllInstances and a filter': async () => ofLane(await client.getAllInstances(service), tag),
        'selectInstances and a filter': async () => ofLane(await client.selectInstances(service), tag),
      };
      for (const [name, call] of Object.entries(calls)) {
        if (tag === undefined) figures[`${size} ${name}`] = await time(call);
        else figures[`${size} ${name}, tagged`] = await runInLane(tag, () => time(call));
      }
    }
  }
  process.send({ figures }, () => process.exit());
}

void main();
