/**
 * The oracle is OpenTelemetry's propagator for JavaScript; those of Java, Python and Go are asked in test/interop/baggage. Known differences,
 * each with a test below:
 * - it keeps `%3B` and what follows in the value, and encoded blanks around it; we cut and trim, since Python peers encode properties so
 * - it takes no entry with an empty value or one that can't be decoded; for us such an entry still stands, and is no tag
 * - it does not take `+` for a space, nor trims what it has decoded, as its peer for Python does: we do both
 * - it stops at 180 entries, 8,192 characters, and leaves out an entry of more than 4,096
 */
import { defaultTextMapGetter, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import { W3CBaggagePropagator } from '@opentelemetry/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  baggageEntry,
  MAX_BAGGAGE_BYTES,
  MAX_BAGGAGE_ENTRIES,
  mergeBaggageEntry,
  parseBaggage,
  readBaggageEntry,
  removeBaggageEntry,
  type HeaderLines,
} from './baggage.js';

const propagator = new W3CBaggagePropagator();

/** What OpenTelemetry makes of a header: key → value and properties. */
function oracle(lines: HeaderLines): Map<string, { value: string; properties: string | undefined }> {
  const context = propagator.extract(ROOT_CONTEXT, { baggage: lines }, defaultTextMapGetter);
  const entries = propagation.getBaggage(context)?.getAllEntries() ?? [];
  return new Map(entries.map(([key, { value, metadata }]) => [key, { value, properties: metadata?.toString() }]));
}

/** The members of a header as they stand, junk and all. */
function membersOf(lines: HeaderLines): string[] {
  const text = lines === undefined ? '' : typeof lines === 'string' ? lines : lines.join(',');
  return text.split(',').filter((member) => member.trim() !== '');
}

const isOurs = (member: string): boolean => /^[ \t]*lane[ \t]*=/.test(member);

const blanks = fc.constantFrom('', '', '', ' ', '\t', '  ', ' \t ');
/** Key characters of HTTP's `token`, but for `%`, which the oracle decodes. */
const token = fc.string({ unit: fc.constantFrom(..."!#$&'*+-.^_`|~0189AZaelnxyz"), minLength: 1, maxLength: 8 });
const otherKey = fc
  .oneof(token, fc.constantFrom('xlane', 'lanex', 'lan', 'ane', 'LANE', 'Lane', 'lane-2', 'lane.lane', 'x-lane', 'lane lane', 'user', 'traceId'))
  .filter((key) => key !== 'lane');
const octets = fc.string({ unit: fc.constantFrom(..."!#$&'()*+-./059:<=>?@AZ[]^_`az{|}~"), minLength: 1, maxLength: 10 });
const value = fc.oneof(
  octets,
  fc.constantFrom('gray', 'lane', 'lane=gray', '=lane=gray', '==', 'gray%3Bp%3D1', 'a%2Clane%3Dgray', '%20'),
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 6 })
    .map((text) => encodeURIComponent(text))
    .filter((text) => text !== ''),
);
const properties = fc.constantFrom('', '', ';p', '; p=1', ';p=1;q = 2', ' ; lane=gray', ';lane', ';');
const entryOf = (key: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(blanks, key, blanks, blanks, value, blanks, properties)
    .map(([before, name, left, right, content, after, rest]) => `${before}${name}${left}=${right}${content}${after}${rest}`);
const junk = fc.constantFrom('', ' ', '\t', 'gray', 'bad', 'lane', ' lane ', '=x', ' = ', 'lane;p=1', ';lan=gray', 'lane gray');
const member = fc.oneof(
  { arbitrary: entryOf(otherKey), weight: 4 },
  { arbitrary: entryOf(fc.constant('lane')), weight: 2 },
  { arbitrary: junk, weight: 1 },
);
const line = fc.array(member, { maxLength: 6 }).map((members) => members.join(','));
const header: fc.Arbitrary<HeaderLines> = fc.oneof(line, fc.array(line, { maxLength: 4 }), fc.constant(undefined));

/** Members of other keys: so many bytes, so many entries. */
const padded = (bytes: number, entries: number): string => {
  const others = Array.from({ length: entries - 1 }, (_, i) => `key${i}=v`).join(',');
  return `${others},last=${'x'.repeat(bytes - others.length - ',last='.length)}`;
};

describe('readBaggageEntry', () => {
  test('agrees with OpenTelemetry, cut at an encoded semicolon', () => {
    fc.assert(
      fc.property(header, (lines) => {
        const trimmed = (text: string | undefined): string | undefined => text?.split(';')[0]?.replaceAll(/^[\s+]+|[\s+]+$/g, '');
        expect(trimmed(readBaggageEntry(lines, 'lane'))).toBe(trimmed(oracle(lines).get('lane')?.value));
      }),
      { numRuns: 2000 },
    );
  });

  test.each<[lines: HeaderLines, value: string | undefined]>([
    [undefined, undefined],
    ['', undefined],
    [[], undefined],
    [',', undefined],
    ['lane=gray', 'gray'],
    ['user=42,lane=gray', 'gray'],
    ['lane=gray,user=42', 'gray'],
    [' \tlane\t = \tgray\t ', 'gray'],
    ['lane =gray', 'gray'],
    ['user=42 , lane=gray ;p=1', 'gray'],
    ['lane=gray;p=1;q=2', 'gray'],
    // Leading commas, as Envoy makes them, and empty members.
    [',lane=gray', 'gray'],
    [', ,lane=gray,', 'gray'],
    // Junk loses only itself.
    ['gray,,x', undefined],
    ['bad,lane=gray', 'gray'],
    ['lane=gray,bad', 'gray'],
    ['lane=gray,lane', 'gray'],
    ['lane=gray,=blue', 'gray'],
    // Not our key.
    ['xlane=gray', undefined],
    ['lanex=gray', undefined],
    ['LANE=gray', undefined],
    ['x-lane=gray', undefined],
    ['lane-x=gray', undefined],
    ['lane lane=gray', undefined],
    ['xlane=blue,lane=gray', 'gray'],
    ['lane=gray,xlane=blue', 'gray'],
    // Our key in a value or a property.
    ['user=lane', undefined],
    ['user=lane=gray', undefined],
    ['user= lane=gray', undefined],
    ['user=1;lane=gray', undefined],
    ['user=1; lane=gray', undefined],
    ['user=a%2Clane=gray', undefined],
    ['lane%3Dgray', undefined],
    ['lane%3D=gray', undefined],
    ['lane=gray,user=1;lane=blue', 'gray'],
    ['lane=gray,user=lane=blue', 'gray'],
    // Duplicates: the last wins.
    ['lane=blue,lane=gray', 'gray'],
    ['lane=gray,user=42,lane=blue', 'blue'],
    [['lane=blue', 'lane=gray'], 'gray'],
    [['lane=blue,lane=green', 'user=42', 'lane=x,lane=gray'], 'gray'],
    [['lane=gray', 'user=42'], 'gray'],
    [['', 'lane=gray', ''], 'gray'],
    // Values.
    ['lane=gr%61y', 'gray'],
    ['lane=a=b', 'a=b'],
    ['lane=%E7%81%B0', '灰'],
    ['lane=a,b', 'a'],
    // Python peers encode the properties into the value.
    ['lane=gray%3Bp%3D1', 'gray'],
    ['lane=gray%20%3B%20p%3D1', 'gray'],
    ['lane=gray+%3B+p+%3D+1', 'gray'],
    ['lane=gray%3bp%zz', 'gray'],
    ['lane=+gray+', 'gray'],
    ['lane=gr+ay', 'gr+ay'],
    ['lane=%2Bgray', '+gray'],
    // Blanks around a value, encoded or beyond ASCII.
    ['lane=%20gray%C2%A0', 'gray'],
    ['lane=gray\u00a0', 'gray'],
    ['lane=\u00e2\u0080\u0083gray\u00c2\u00a0', 'gray'],
    ['lane=gr\u00e4y', 'gr\u00e4y'],
    ['lane=\u00e7\u0081\u00b0', '灰'],
    ['lane=%3Bp', ''],
  ])('%j gives %j', (lines, expected) => {
    expect(readBaggageEntry(lines, 'lane')).toBe(expected);
  });

  test.each<[why: string, lines: string, ours: string | undefined, theirs: string | undefined]>([
    ['an empty value is a value, and the last one', 'lane=gray,lane=', '', 'gray'],
    ['a value of blanks likewise', 'lane= \t', '', undefined],
    ['what can not be decoded stands as it is', 'lane=gray%ZZ', 'gray%ZZ', undefined],
  ])('differs from OpenTelemetry: %s', (_, lines, ours, theirs) => {
    expect(readBaggageEntry(lines, 'lane')).toBe(ours);
    expect(oracle(lines).get('lane')?.value).toBe(theirs);
  });

  test('has no limit: finds our entry after 180 others, where OpenTelemetry has stopped', () => {
    const lines = [...Array.from({ length: 180 }, (_, i) => `key${i}=value${i}`), 'lane=gray'].join(',');
    expect(readBaggageEntry(lines, 'lane')).toBe('gray');
    expect(oracle(lines).has('lane')).toBe(false);
  });

  test.each(['a', 'x-mse-gray-tag', 'l.ne', '$&', 'lane|x'])('takes the key %j literally', (key) => {
    expect(readBaggageEntry(`x${key}=1,${key}x=2,xlane=3,${key}=gray,lune=4`, key)).toBe('gray');
    expect(readBaggageEntry(`x${key}=1,${key}x=2,xlane=3,lune=4`, key)).toBe(undefined);
  });
});

describe('mergeBaggageEntry', () => {
  test('OpenTelemetry reads our tag, and all other entries as before', () => {
    fc.assert(
      fc.property(header, (lines) => {
        const before = oracle(lines);
        const after = oracle(mergeBaggageEntry(lines, 'lane', 'lane=gray'));
        expect(after.get('lane')).toEqual({ value: 'gray', properties: undefined });
        before.delete('lane');
        after.delete('lane');
        expect(after).toEqual(before);
      }),
      { numRuns: 2000 },
    );
  });

  test('other members pass byte by byte, in order, on one line; ours is first, once', () => {
    fc.assert(
      fc.property(header, (lines) => {
        const merged = mergeBaggageEntry(lines, 'lane', 'lane=gray');
        expect(membersOf(merged)).toEqual(['lane=gray', ...membersOf(lines).filter((other) => !isOurs(other))]);
      }),
      { numRuns: 2000 },
    );
  });

  test('a header without our key is unchanged except for our prefix', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(entryOf(otherKey), junk), { minLength: 1, maxLength: 6 }).map((members) => members.join(',')),
        (lines) => {
          fc.pre(!lines.includes('lane') && lines.trim() !== '');
          expect(mergeBaggageEntry(lines, 'lane', 'lane=gray')).toBe(`lane=gray,${lines}`);
        },
      ),
    );
  });

  test('merging twice is merging once, and the later tag replaces the earlier', () => {
    fc.assert(
      fc.property(header, (lines) => {
        const once = mergeBaggageEntry(lines, 'lane', 'lane=gray');
        expect(membersOf(mergeBaggageEntry(once, 'lane', 'lane=gray'))).toEqual(membersOf(once));
        expect(readBaggageEntry(mergeBaggageEntry(once, 'lane', 'lane=blue'), 'lane')).toBe('blue');
      }),
    );
  });

  test.each<[lines: HeaderLines, merged: string]>([
    [undefined, 'lane=gray'],
    ['', 'lane=gray'],
    [' \t', 'lane=gray'],
    [[], 'lane=gray'],
    [['', ' '], 'lane=gray'],
    ['user=42', 'lane=gray,user=42'],
    [' user = 42 ;p=1', 'lane=gray, user = 42 ;p=1'],
    [['user=42', 'city=x%20y'], 'lane=gray,user=42,city=x%20y'],
    ['lane=blue', 'lane=gray'],
    ['lane=blue,user=42,lane=green;p=1', 'lane=gray,user=42'],
    [['lane=blue', 'user=42'], 'lane=gray,user=42'],
    ['lane =blue,user=42', 'lane=gray,user=42'],
    ['user=42, lane=blue', 'lane=gray,user=42'],
    ['xlane=1,lanex=2', 'lane=gray,xlane=1,lanex=2'],
    ['user=1;lane=blue,lane=blue', 'lane=gray,user=1;lane=blue'],
    ['user=lane=blue,lane=blue', 'lane=gray,user=lane=blue'],
    ['lane%3Dblue,lane=%zz', 'lane=gray,lane%3Dblue'],
  ])('%j becomes %j', (lines, merged) => {
    expect(mergeBaggageEntry(lines, 'lane', 'lane=gray')).toBe(merged);
  });

  describe('limits of the W3C text', () => {
    test('64 entries and 8,192 bytes pass, ours among them', () => {
      const others = padded(MAX_BAGGAGE_BYTES - ',lane=gray'.length, MAX_BAGGAGE_ENTRIES - 1);
      const merged = mergeBaggageEntry(others, 'lane', 'lane=gray');
      expect(merged).toHaveLength(8192);
      expect(membersOf(merged)).toHaveLength(64);
      expect(readBaggageEntry(merged, 'lane')).toBe('gray');
      expect(mergeBaggageEntry(merged, 'lane', 'lane=blue')).toBe(`lane=blue,${others}`);
    });

    test.each([
      ['one byte more', 8193 - ',lane=gray'.length, 63],
      ['8,192 bytes without ours', 8192, 64],
      ['far more', 20_000, 300],
    ])('beyond them (%s) ours is still sent, nothing is dropped, and OpenTelemetry reads ours', (_, bytes, entries) => {
      const others = padded(bytes, entries);
      expect(others).toHaveLength(bytes);
      expect(mergeBaggageEntry(others, 'lane', 'lane=gray')).toBe(`lane=gray,${others}`);
      expect(oracle(mergeBaggageEntry(others, 'lane', 'lane=gray')).get('lane')?.value).toBe('gray');
      expect(mergeBaggageEntry(`lane=blue,${others}`, 'lane', 'lane=gray')).toBe(`lane=gray,${others}`);
    });
  });
});

describe('a key is ours if any peer would read it as ours', () => {
  // Node has a header's bytes as Latin-1: C2 A0 is U+00A0 to who reads UTF-8.
  test.each([
    ['decoded by OpenTelemetry in JavaScript and Python', '%6cane=gray'],
    ['decoded as a whole, in capitals', '%6C%61%6E%65=gray'],
    ['behind U+00A0, which JavaScript trims', '\u00a0lane=gray'],
    ['before U+FEFF', 'lane\ufeff=gray'],
    ['between U+3000', '\u3000lane\u3000 =gray'],
    ['behind U+00A0 in UTF-8, which Go trims', '\u00c2\u00a0lane=gray'],
    ['behind U+2003 in UTF-8', '\u00e2\u0080\u0083lane=gray'],
    ['behind U+0085 in UTF-8', '\u00c2\u0085lane=gray'],
    ['behind a space that Python decodes and trims', '%20lane=gray'],
    ['behind a plus, a space to Python', '+lane=gray'],
    ['before an encoded U+00A0', 'lane%C2%A0=gray'],
    ['behind U+001C, which Python trims', '%1Clane=gray'],
    ['behind a semicolon, which Java passes over', ';lane=gray'],
    ['between semicolons and blanks', ' ;; lane ;\t;=gray'],
    ['behind a semicolon for Java, and before a space that Python decodes behind it', ';lane%20=gray'],
    ['all of it', '\t\u00a0%20+l%61ne+ = gray ;p=1'],
  ])('%s', (_, member) => {
    for (const line of [member, `user=42,${member}`, `user=42,${member},x=%20`, `%6Cane=blue,${member}`]) {
      expect(readBaggageEntry(line, 'lane')).toBe('gray');
      expect(readBaggageEntry(['%6Cane=first', line], 'lane')).toBe('gray');
      // A peer may write the two anew in any order.
      expect(readBaggageEntry(`lane=plain,${line}`, 'lane')).toBe('plain');
      expect(readBaggageEntry(['user=1,lane=plain', line], 'lane')).toBe('plain');
      expect(readBaggageEntry([line, `${line},lane=plain`], 'lane')).toBe('plain');
      const removed = removeBaggageEntry(line, 'lane');
      expect(removed).toBe(line.startsWith('user') ? line.replace(`,${member}`, '') : undefined);
      expect(mergeBaggageEntry(line, 'lane', 'lane=red')).toBe(removed === undefined ? 'lane=red' : `lane=red,${removed}`);
      expect(oracle(mergeBaggageEntry(line, 'lane', 'lane=red')).get('lane')?.value).toBe('red');
      expect(oracle(removed).has('lane')).toBe(false);
    }
  });

  test.each([
    '%6cane2=gray',
    'l%61n=gray',
    '%2Clane=gray',
    '%3Blane=gray',
    'x%20lane=gray',
    '%zzlane=gray',
    '%6cane;p=gray',
    'lane;p=gray',
    'lane;=gray',
    'x;lane=gray',
    'lane ; x=gray',
    'la;ne=gray',
    ';lane',
    ';',
    '%6cane',
    'l\u00a0ane=gray',
    'l+ane=gray',
    'note=%3Ba%2Clan%3Dgray;p%2Clane',
    'note=a%2Clane%3Dgray',
    'Ã¤lane=gray',
  ])('%s is not', (member) => {
    const line = ` ,${member},, b = 2`;
    expect(readBaggageEntry(line, 'lane')).toBe(undefined);
    expect(removeBaggageEntry(line, 'lane')).toBe(line);
    expect(readBaggageEntry(`${line},lane=gray`, 'lane')).toBe('gray');
  });

  // What each does was seen by running it (C++, Rust), or stands in its source (Ruby, PHP, Erlang).
  test.each([
    ['decoded twice, by Rust and by who is behind it', '%256cane=gray'],
    ['decoded by any number of services in Rust or PHP', 'l%252525252561ne=gray'],
    ['decoded in pieces', 'l%2%35%36%31ne=gray'],
    ['a space in Rust, which Python then trims', '%2520lane=gray'],
    ['with a blank in it, which Ruby drops', 'la ne=gray'],
    ['with blanks everywhere', ' l\ta ne =gray'],
    ['with a tab that PHP decodes and Ruby drops', 'la%09ne=gray'],
    ['behind NUL, which PHP trims', '%00lane=gray'],
    ['in a property, which Rust and Erlang decode', 'x=1;p%2Clane=gray'],
    ['the same, the equals sign too, and behind what is no escape', 'x=1;%zz%2clane%3Dgray;q'],
    ['in a property, encoded once more', 'x=1;p%252Clane%253Dgray'],
    ['in a value, whose semicolon C++ decodes', 'x=a%3Bp%2Clane%3Dgray'],
    ['in a property, in another spelling', 'x=1;p%2C%2520la%09ne%3Dgray'],
  ])('removes what becomes ours behind a peer: %s', (_, member) => {
    for (const others of ['', 'user=42', 'user=4%202;p=%20,b']) {
      const rest = others === '' ? undefined : others;
      expect(removeBaggageEntry([others, member, `lane=blue`], 'lane')).toBe(rest);
      expect(removeBaggageEntry(others === '' ? member : `${member},${others}`, 'lane')).toBe(rest);
      expect(mergeBaggageEntry(others === '' ? member : `${others},${member}`, 'lane', 'lane=red')).toBe(
        rest === undefined ? 'lane=red' : `lane=red,${rest}`,
      );
    }
  });

  test('a configured key with + or % is found literally, and as peers read it', () => {
    expect(readBaggageEntry('a+b=gray', 'a+b')).toBe('gray');
    expect(readBaggageEntry('a%2Bb=gray', 'a+b')).toBe('gray');
    expect(readBaggageEntry('a%20b=gray', 'a+b')).toBe('gray');
    expect(readBaggageEntry('100%=gray', '100%')).toBe('gray');
  });

  test('after removing any spelling, OpenTelemetry finds none of ours, and all others as before', () => {
    const spelled = fc
      .array(fc.tuple(fc.constantFrom(...'lane'), fc.boolean()), { minLength: 4, maxLength: 4 })
      .map((letters) => letters.map(([, encode], i) => (encode ? `%${'lane'.charCodeAt(i).toString(16)}` : 'lane'.charAt(i))).join(''));
    const space = fc.constantFrom('', ' ', '\t', '\u00a0', '\u2003', '\ufeff', '%20', '+', '%C2%A0');
    const member = fc.tuple(space, spelled, space, value).map(([before, key, after, content]) => `${before}${key}${after}=${content}`);
    fc.assert(
      fc.property(fc.array(fc.oneof(member, entryOf(otherKey), junk), { maxLength: 8 }), (members) => {
        const line = members.join(',');
        const removed = oracle(removeBaggageEntry(line, 'lane'));
        const before = oracle(line);
        before.delete('lane');
        // Python alone takes these for ours, and they are gone as well.
        for (const key of before.keys()) if (key.replaceAll('+', ' ').trim() === 'lane') before.delete(key);
        expect(Object.fromEntries(removed)).toEqual(Object.fromEntries(before));
        expect(removeBaggageEntry(removeBaggageEntry(line, 'lane'), 'lane')).toBe(removeBaggageEntry(line, 'lane'));
      }),
    );
  });

  test('costs time in proportion to the header, however it is spelled', () => {
    const line = `%6c${' '.repeat(200_000)}x=1,${'\u00a0'.repeat(200_000)}y=2,${'+'.repeat(200_000)}=3`;
    expect(readBaggageEntry(line, 'lane')).toBe(undefined);
    const escapes = `a=${'%25'.repeat(70_000)}41,%${'25'.repeat(100_000)}=1,b=;${'%2C'.repeat(70_000)},c${' '.repeat(200_000)}d=2`;
    expect(removeBaggageEntry(`${line},${escapes}`, 'lane')).toBe(`${line},${escapes}`);
  });
});

describe('removeBaggageEntry', () => {
  test('is the inverse of merging', () => {
    fc.assert(
      fc.property(header, (lines) => {
        const removed = removeBaggageEntry(lines, 'lane');
        expect(readBaggageEntry(removed, 'lane')).toBe(undefined);
        expect(membersOf(removed)).toEqual(membersOf(lines).filter((other) => !isOurs(other)));
        expect(membersOf(removeBaggageEntry(mergeBaggageEntry(lines, 'lane', 'lane=gray'), 'lane'))).toEqual(membersOf(removed));
      }),
      { numRuns: 1000 },
    );
  });

  test.each<[lines: HeaderLines, rest: string | undefined]>([
    [undefined, undefined],
    ['', undefined],
    ['lane=gray', undefined],
    [' lane = gray ; p=1 ', undefined],
    [',lane=gray,', undefined],
    [['lane=gray', 'lane=blue'], undefined],
    ['user=42', 'user=42'],
    ['lane=gray, user=42 ', ' user=42 '],
    ['user=42,lane=gray', 'user=42'],
    [['lane=gray', 'user=42', ''], 'user=42'],
    ['lane,lane=gray', 'lane'],
    ['xlane=gray', 'xlane=gray'],
  ])('%j becomes %j', (lines, rest) => {
    expect(removeBaggageEntry(lines, 'lane')).toBe(rest);
  });
});

describe('baggageEntry', () => {
  test('writes a tag unchanged', () => {
    expect(baggageEntry('lane', 'Gray-1.0_x')).toBe('lane=Gray-1.0_x');
  });

  test('OpenTelemetry and we read back any value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        const entry = baggageEntry('lane', text);
        expect(entry).toMatch(/^lane=[\x21\x23-\x2a\x2d-\x3a\x3c-\x5b\x5d-\x7e]+$/);
        expect(oracle(entry).get('lane')?.value).toBe(text);
        fc.pre(!text.includes(';'));
        expect(readBaggageEntry(entry, 'lane')).toBe(text.trim());
      }),
    );
  });
});

describe('parseBaggage', () => {
  test('lists what OpenTelemetry finds, duplicates and all', () => {
    fc.assert(
      fc.property(header, (lines) => {
        const last = new Map(
          parseBaggage(lines).map(({ key, value: text, properties: rest }) => [key, { value: text, properties: rest === '' ? undefined : rest }]),
        );
        const theirs = new Map(
          [...oracle(lines)].map(([key, { value: text, properties: rest }]) => [key, { value: text, properties: rest?.trim() }]),
        );
        expect(last).toEqual(theirs);
      }),
    );
  });

  test.each<[lines: HeaderLines, entries: ReturnType<typeof parseBaggage>]>([
    [undefined, []],
    [
      ['user = 4%32 ; p=1;q', 'bad,=x,,lane=gray'],
      [
        { key: 'user', value: '42', properties: 'p=1;q' },
        { key: 'lane', value: 'gray', properties: undefined },
      ],
    ],
    [
      'lane=blue,lane=',
      [
        { key: 'lane', value: 'blue', properties: undefined },
        { key: 'lane', value: '', properties: undefined },
      ],
    ],
    ['user=%zz', [{ key: 'user', value: '%zz', properties: undefined }]],
  ])('%j', (lines, entries) => {
    expect(parseBaggage(lines)).toEqual(entries);
  });
});
