/** The engine of `lane gateway` in front of two instances, base and gray, with the rules that are exported for the others. */
'use strict';
const { startGateway } = require('@lane/gateway');
const { compileLaneGroups } = require('@lane/core/rules');
const { registryOf } = require('../../servers/fixed-registry.cjs');

const { instances, document, port, service } = JSON.parse(process.argv[2]);
const registry = registryOf(service, instances);
process.once('disconnect', () => process.exit());
startGateway({
  port,
  registry,
  entry: 'rules',
  rules: compileLaneGroups(document),
  routes: [{ host: '*', service }],
  limits: { connectionsPerClient: 100_000 },
}).then(() => process.send({}));
