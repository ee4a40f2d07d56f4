/** Lane-group documents, as in Nacos (JSON) and in files (YAML): accepted or rejected with positions, never throws; accepted ones decide. */
'use strict';
const assert = require('node:assert');
const { compileLaneGroups, laneGroupsToJson, parseLaneGroups, requestView } = require('@lane/core/rules');
const { parseLaneGroupsText } = require('../../../packages/cli/dist/lane-groups-file.js');

const VIEW = requestView({
  method: 'GET',
  url: '/a?b=c',
  headers: { host: 'www.example.com', cookie: 'a=b', 'x-user': 'alice' },
  clientIp: '10.0.0.1',
});

exports.fuzz = (data) => {
  const text = data.toString('utf8');
  for (const parsed of [parseLaneGroups(text), parseLaneGroupsText(text)]) {
    if (!parsed.ok) {
      assert.ok(parsed.problems.length > 0 && parsed.problems.every(({ message }) => message !== ''), 'refused without a word');
      continue;
    }
    const rules = compileLaneGroups(parsed.document);
    for (const { entry } of parsed.document.groups) for (const service of entry?.services ?? []) rules.entryOf(service)?.match(VIEW, Math.random);
    assert.deepStrictEqual(parseLaneGroups(laneGroupsToJson(parsed.document)).ok, true, 'what is written of it is refused');
  }
};
