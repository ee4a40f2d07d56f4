/** The `baggage` header: our entry is found, taken out and put in, and what is not ours stays as it was. */
'use strict';
const assert = require('node:assert');
const { MAX_BAGGAGE_BYTES, MAX_BAGGAGE_ENTRIES, mergeBaggageEntry, parseBaggage, readBaggageEntry, removeBaggageEntry } = require('@lane/core/model');

const KEY = 'lane';
/** A key that peers would decode is ours, too. */
const others = (lines) => parseBaggage(lines).filter(({ key }) => readBaggageEntry(`${key}=x`, KEY) === undefined);

exports.fuzz = (data) => {
  // One header line, or several.
  const text = data.toString('latin1');
  const lines = text.includes('\n') ? text.split('\n') : text;
  const rest = removeBaggageEntry(lines, KEY);
  assert.strictEqual(readBaggageEntry(rest, KEY), undefined, 'an entry that was taken out is read');
  assert.deepStrictEqual(
    parseBaggage(rest).filter(({ key }) => key === KEY),
    [],
    'an entry that was taken out is listed',
  );
  const merged = mergeBaggageEntry(lines, KEY, 'lane=gray');
  assert.strictEqual(readBaggageEntry(merged, KEY), 'gray', 'an entry that was put in is not read');
  // Beyond the limits of the W3C entries may be left out.
  if (data.length > MAX_BAGGAGE_BYTES - 16 || text.split(/[,\n]/).length >= MAX_BAGGAGE_ENTRIES) return;
  assert.deepStrictEqual(others(rest), others(lines), 'taking ours out changes others');
  assert.deepStrictEqual(others(merged), others(lines), 'putting ours in changes others');
};
