/** The `baggage` header: our entry is found, removed and added, and other entries stay unchanged. */
'use strict';
const assert = require('node:assert');
const { MAX_BAGGAGE_BYTES, MAX_BAGGAGE_ENTRIES, mergeBaggageEntry, parseBaggage, readBaggageEntry, removeBaggageEntry } = require('@lane/core/model');

const KEY = 'lane';
const decoded = (text) => {
  const once = text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return once === text ? text : decoded(once);
};
/** Members that are not ours and cannot become ours behind some peer, each by itself. Ours contain our key, decoded and without blanks. */
const others = (lines) =>
  parseBaggage(
    [lines ?? '']
      .flat()
      .flatMap((line) => line.split(','))
      .filter((member) => {
        const isTaken = member.trim() !== '' && removeBaggageEntry(member, KEY) === undefined;
        // oxlint-disable-next-line no-control-regex -- intended
        assert.ok(
          !isTaken ||
            decoded(member)
              // oxlint-disable-next-line no-control-regex -- intended
              .replaceAll(/[\x00-\x20+\x7f]/g, '')
              .includes(KEY),
          'what is taken out has not our key',
        );
        return !isTaken;
      }),
  );

exports.fuzz = (data) => {
  // One or several header lines.
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
  // Beyond W3C's limits entries may be dropped.
  if (data.length > MAX_BAGGAGE_BYTES - 16 || text.split(/[,\n]/).length >= MAX_BAGGAGE_ENTRIES) return;
  assert.deepStrictEqual(others(rest), others(lines), 'taking ours out changes others');
  assert.deepStrictEqual(others(merged), others(lines), 'putting ours in changes others');
};
