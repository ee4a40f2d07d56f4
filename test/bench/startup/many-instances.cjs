'use strict';
// Holds 10,000 instances as an SDK does, and gives them to the agent, if any: 100 services, three lanes and base.
const agent = globalThis[Symbol.for('lane.agent.v1')];
const TAGS = [{}, { lane: 'gray' }, { lane: 'blue' }, { lane: 'green' }];
const services = Array.from({ length: 100 }, (_service, service) =>
  Array.from({ length: 100 }, (_instance, i) => ({
    ip: `10.1.${service}.${i}`,
    port: 8080,
    weight: 1,
    healthy: true,
    enabled: true,
    metadata: { ...TAGS[i % 4], version: '1.0' },
  })),
);
for (const [service, instances] of agent === undefined ? [] : services.entries()) {
  agent.runtime.tables.update({ name: `service-${service}`, group: 'DEFAULT_GROUP' }, instances);
  // The first call builds what is made on demand.
  agent.runtime.router.judge(`service-${service}`, 80, 'gray');
}
// Keep them for the life of the process.
globalThis[Symbol.for('lane.bench.instances')] = services;
