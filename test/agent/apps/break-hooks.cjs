'use strict';
// Makes internals of the agent throw, like a bug of ours: BREAK names which.

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
  // The Nacos adapters filter and tag by metadata only. The admin port passes whole instances, and must answer.
  tagOf() {
    const { tables } = runtime;
    const original = tables.tagOf.bind(tables);
    tables.tagOf = (service, instance) => ('ip' in instance ? original(service, instance) : broken());
  },
  allows: () => (runtime.propagation.allows = broken),
};
/** Methods of the tables, by name. */
const breakTable = (name) => (runtime.tables[name] = broken);
for (const name of process.env.BREAK.split(',')) (breaks[name] ?? breakTable)(name);
