'use strict';
// Gives the agent instances, as a push of the registry would: KNOWN is a list of { name, instances }, RULES are lane groups.

const { runtime } = globalThis[Symbol.for('lane.agent.v1')];
for (const { name, instances } of JSON.parse(process.env.KNOWN ?? '[]')) {
  runtime.tables.update(
    { name, group: 'DEFAULT_GROUP' },
    instances.map((instance) => ({ ip: '127.0.0.1', weight: 1, healthy: true, enabled: true, metadata: {}, ...instance })),
  );
}
if (process.env.RULES) {
  const { compileLaneGroups, parseLaneGroups } = require('@lane/core/rules');
  runtime.setRules(compileLaneGroups(parseLaneGroups(process.env.RULES).document));
}
