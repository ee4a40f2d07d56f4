/** All carriers of tags: header lines of a request, read in every format. What is read is a tag, what is removed is gone, what is written is read back. */
'use strict';
const assert = require('node:assert');
const { createTagCodec, FORMAT_NAMES, isTag, removeTag, writeTag } = require('@lane/core/model');
const { HeaderLines } = require('../../../packages/gateway/dist/forward/header-lines.js');

const every = createTagCodec({ formats: FORMAT_NAMES });
const each = FORMAT_NAMES.map((name) => createTagCodec({ formats: [name] }));

exports.fuzz = (data) => {
  const lines = new HeaderLines();
  for (const line of data.toString('latin1').split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) lines.add(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  for (const codec of [every, ...each]) {
    const tag = codec.readRaw(lines.flat);
    assert.ok(tag === undefined || isTag(tag), 'what is read is no tag');
    assert.strictEqual(
      codec.read((name) => lines.get(name)),
      tag,
      'two ways of reading differ',
    );
  }
  removeTag(every, lines);
  for (const codec of [every, ...each]) assert.strictEqual(codec.readRaw(lines.flat), undefined, 'a tag that was taken away is read');
  for (const codec of each) {
    writeTag('gray', codec, lines);
    assert.strictEqual(codec.readRaw(lines.flat), 'gray', 'a tag that was written is not read');
  }
};
