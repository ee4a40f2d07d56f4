'use strict';
// Gives the agent in this process B's two instances, as a registry's push would. A calls the base one, and the agent corrects the call.
const { runtime } = globalThis[Symbol.for('lane.agent.v1')];
const instance = (port, metadata) => ({ ip: '127.0.0.1', port: Number(port), weight: 1, healthy: true, enabled: true, metadata });
runtime.tables.update({ name: 'b', group: 'DEFAULT_GROUP' }, [instance(process.env.B_PORT, {}), instance(process.env.B_GRAY_PORT, { lane: 'gray' })]);
