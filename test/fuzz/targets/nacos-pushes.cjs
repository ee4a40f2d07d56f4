/** Nacos' UDP pushes: a hint or none, and never an acknowledgement longer than the packet. */
'use strict';
const assert = require('node:assert');
const { PushReader } = require('../../../packages/nacos-registry/dist/http/push-reader.js');

exports.fuzz = (data) => {
  // Each its own: a reader takes so many in a time.
  const hint = new PushReader().read(data);
  if (hint === undefined) return;
  assert.ok((hint.acknowledgement?.length ?? 0) <= data.length, 'it amplifies');
  assert.ok(hint.service === undefined || typeof hint.service.name === 'string', 'a service without a name');
};
