/** Nacos' UDP pushes: each gives a hint or none, and never an acknowledgement longer than the packet. */
'use strict';
const assert = require('node:assert');
const { PushReader } = require('../../../packages/nacos-registry/dist/http/push-reader.js');

exports.fuzz = (data) => {
  // A fresh reader for each: a reader accepts only so many per period.
  const hint = new PushReader().read(data);
  if (hint === undefined) return;
  assert.ok((hint.acknowledgement?.length ?? 0) <= data.length, 'it amplifies');
  assert.ok(hint.service === undefined || typeof hint.service.name === 'string', 'a service without a name');
};
