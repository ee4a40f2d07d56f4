/**
 * Many agents in one process: of each only the part that uses Nacos, from the same parts as `packages/agent/src/discovery/nacos.ts`: its own connection,
 * an instance that it registers, tables of the services that it calls, and the lane groups in force.
 */
'use strict';
const http = require('node:http');
const { subscribe } = require('node:diagnostics_channel');
const http2 = require('node:http2');
const { DEFAULT_FORMATS, BEATS_HOLD_MS, ServiceTables, pick } = require('@lane/core/model');
const { connectNacos } = require('@lane/nacos-registry');
const { watchLaneGroups } = require('@lane/storage');

const { server, transport, first, count, services, calls } = JSON.parse(process.argv[2]);
const GROUP = 'DEFAULT_GROUP';
const now = () => performance.timeOrigin + performance.now();

/** Requests of this process to Nacos, by second since 1970. */
const asked = new Map();
const ask = () => {
  const second = Math.floor(Date.now() / 1_000);
  asked.set(second, (asked.get(second) ?? 0) + 1);
};
subscribe('http.client.request.start', ask);
const { connect } = http2;
const sessions = new Set();
http2.connect = (...args) => {
  const session = connect(...args);
  sessions.add(session);
  session.once('close', () => sessions.delete(session));
  const { request } = session;
  session.request = (...given) => {
    ask();
    const stream = request.apply(session, given);
    // A gRPC stream carries many requests as messages.
    const { write } = stream;
    let isFirst = true;
    stream.write = (...written) => {
      if (!isFirst) ask();
      isFirst = false;
      return write.apply(stream, written);
    };
    return stream;
  };
  return session;
};

/** By document: when it came into force in each agent, in ms since 1970. */
const inForce = new Map();
const agents = [];

async function start(index) {
  const tables = new ServiceTables({ formats: DEFAULT_FORMATS, holdMs: () => BEATS_HOLD_MS });
  const connection = connectNacos({ server, transport });
  const agent = { connection, tables, keys: [] };
  agents.push(agent);
  connection.watchTrouble((isReachable) => tables.trouble(isReachable));
  watchLaneGroups(connection, {
    onRules: (rules, { md5 }) => {
      tables.setRules(rules);
      if (!inForce.has(md5)) inForce.set(md5, []);
      inForce.get(md5).push(now());
    },
  });
  for (let i = 1; i <= calls; i++) {
    const key = { name: `fleet-${(index * 7 + i * 131) % services}`, group: GROUP };
    agent.keys.push(key);
    connection.observe(key, (instances) => {
      if (instances !== undefined) tables.update(key, instances);
    });
  }
  const ip = `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
  const registration = { ip, port: 8_080, metadata: index % 10 === 0 ? { lane: 'gray' } : {} };
  // As an app's SDK does: retry until the registration succeeds.
  for (;;) {
    try {
      await connection.register({ name: `fleet-${index % services}`, group: GROUP }, registration);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1_000 + Math.random() * 1_000));
    }
  }
}

/** Called services that have no instance now. */
function unserved() {
  let found = 0;
  for (const { tables, keys } of agents)
    for (const key of keys) {
      const decision = tables.route(key, 'gray');
      if (decision === undefined || pick(decision, Math.random) === undefined) found++;
    }
  return found;
}

process.on('message', async ({ what, md5, perSecond }) => {
  if (what === 'start') {
    const starting = [];
    for (let i = 0; i < count; i++) {
      starting.push(start(first + i));
      await new Promise((resolve) => setTimeout(resolve, 1_000 / perSecond));
    }
    await Promise.all(starting);
    process.send({});
  } else if (what === 'times') process.send({ times: inForce.get(md5) ?? [] });
  else if (what === 'unserved') process.send({ unserved: unserved() });
  else if (what === 'figures') {
    const { rss } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    process.send({ rss, cpu: user + system, asked: [...asked], sessions: sessions.size });
  } else process.exit();
});
process.on('disconnect', () => process.exit());
http.globalAgent.maxSockets = Infinity;
process.send({});
