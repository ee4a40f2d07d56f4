'use strict';
// Breaks the agent's insides, as a defect of ours would: BREAK names what throws.

const { runtime } = globalThis[Symbol.for('lane.agent.v1')];
const broken = () => {
  throw new Error('a defect of ours');
};
const breaks = {
  contextOf: () => (runtime.requests.contextOf = broken),
  read: () => (runtime.codec.readRaw = broken),
  message: () => (runtime.codec.read = broken),
  wire: () => (runtime.codec.wire = broken),
  choose: () => {
    runtime.tables.update({ name: 'x', group: 'g' }, []);
    runtime.router.judge = broken;
  },
  // All that the Nacos adapters filter and tag by.
  tagOf: () => (runtime.tables.tagOf = broken),
  allows: () => (runtime.propagation.allows = broken),
};
for (const name of process.env.BREAK.split(',')) breaks[name]();
