/** Lists of instances in Nacos' answers: each accepted instance has an address, and tables can be built of them. */
'use strict';
const assert = require('node:assert');
const { DEFAULT_FORMATS, pick, ServiceTables } = require('@lane/core/model');
const { parseJson } = require('../../../packages/nacos-registry/dist/bounded-json.js');
const { signatureOf, toInstances } = require('../../../packages/nacos-registry/dist/nacos-instance.js');

const KEY = { name: 'a', group: 'DEFAULT_GROUP' };

exports.fuzz = (data) => {
  const answer = parseJson(data.toString('utf8'));
  const instances = toInstances(answer?.hosts ?? answer);
  for (const { ip, port, weight } of instances)
    assert.ok(ip !== '' && Number.isInteger(port) && !Number.isNaN(weight), 'an instance without an address');
  signatureOf(instances);
  const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
  tables.update(KEY, instances);
  for (const tag of [undefined, 'gray']) {
    const decision = tables.route(KEY, tag);
    const instance = decision === undefined ? undefined : pick(decision, Math.random);
    assert.ok(instance === undefined || instances.includes(instance), 'an instance that was not told of');
  }
};
