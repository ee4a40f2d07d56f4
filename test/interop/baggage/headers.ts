/** Headers that peers may read differently, one character per byte, as in Node. */
import fc from 'fast-check';

const many = (count: number, valueLength = 1): string[] => Array.from({ length: count }, (_, i) => `key${i}=${'v'.repeat(valueLength)}`);
/** Other members with this many characters in total. */
const ofLength = (length: number): string => {
  const members = many(Math.floor(length / 110), 100).join(',');
  return `${members},last=${'x'.repeat(length - members.length - ',last='.length)}`;
};

/** Written by hand: everything known to divide peers, and their likely assumptions. */
export const NASTY_HEADERS: readonly string[] = [
  'lane=gray',
  'user=42,lane=gray',
  // Ours behind peers in Rust, PHP, Ruby, Erlang and C++.
  'user=42,%256cane=gray',
  'la ne=gray,user=42',
  'x=1;p%2Clane%3Dgray,user=42',
  'x=a%3Bp%2Clane%3Dgray,user=42',
  'lane=gray,user=42;p=1;q=2 , city=x%20y',
  // Spellings of our key.
  ...['%6cane', '%6C%61%6E%65', 'LANE', 'l%61ne', 'lane%20', '%20lane', '%09lane', '+lane', 'lane+', '%2Blane', '%0Alane', '%00lane', 'lane%00'],
  ...['\u00a0lane', 'lane\u00a0', '\u00c2\u00a0lane', '\u00e2\u0080\u0083lane', '\u00c2\u0085lane', '\u0085lane', '\u00e3\u0080\u0080lane'],
  ...['%C2%A0lane', '%E2%80%83lane', '%EF%BB%BFlane', '%1Clane', '\u00ef\u00bb\u00bflane', '%256cane', '%6cane%zz', '%80lane', '%lane', 'lane%'],
  ...[';lane', '; lane', ';;\tlane', 'lane ;', 'lane\t; ', ' ; lane ; ', 'lane;', 'la;ne', 'x;lane', 'lane;p', 'lane p', '"lane"', "'lane'", 'la"ne'],
  ...['\\lane', '(lane)', 'lane:', '/lane', '[lane', '{lane}', '<lane', '@lane', '?lane', 'lane?', '%3Blane', '%2Clane', 'lane%3D', 'lane%3Dgray,x'],
]
  .map((text) => (text.includes('=') && !text.startsWith('lane%3D') ? text : `${text}=gray`))
  .concat(
    [
      // Values.
      ...['', ' ', '"gray"', '"gray', "'gray'", 'gray%', 'gray%zz', 'gr%61y', 'gray%FF', '%FFgray', 'gray%C3', 'gr\u00e4y', 'gr\u00c3\u00a4y', 'a=b'],
      ...['=gray', 'gray=', 'lane=gray', 'gray blue', '%20gray', 'gray%20', '+gray', 'gray+', 'gr+ay', 'gray%00', 'gray%0Ax:1', 'gray%2Cblue'],
      ...[
        'gray%3Bp',
        'gray%20%3B p',
        'gray\\',
        'gray%5C',
        '%22gray%22',
        '%67%72%61%79',
        'g'.repeat(64),
        'g'.repeat(65),
        'g'.repeat(4091),
        'g'.repeat(4092),
      ],
      // Properties.
      ...['gray;', 'gray;p', 'gray ; p = 1', 'gray;p="1"', 'gray;p=\u00e4', 'gray;;', 'gray;=', 'gray;lane=blue', 'gray;p=1;lane=blue', 'gray;p q'],
      ...['gray;p=%zz', 'gray;p=1=2', 'gray;\\', 'gray;"', 'gray; '],
    ].map((value) => `lane=${value}`),
  )
  .concat([
    // Duplicates, of which a peer may reject the last.
    ...['lane=gray,lane=blue', 'lane=gray,lane=', 'lane=gray,lane', 'lane=gray,lane=%zz', 'lane=gray,lane="blue"', 'lane=gray,lane=blue;p=\u00e4'],
    ...[
      'lane=gray,%6cane=blue',
      '%6cane=blue,lane=gray',
      'lane=gray,;lane=blue',
      ';lane=blue,lane=gray',
      'lane=gray,+lane=blue',
      'lane=gray,LANE=blue',
    ],
    ...['lane=gray,lane=\u00e4', `lane=gray,lane=${'b'.repeat(4100)}`, 'lane=gray,lane=blue green', 'lane;p=1,lane=gray', 'lane=gray,lane;=blue'],
    // Malformed members.
    ...[',', ',,lane=gray', 'lane=gray,', ' , \t,lane=gray', 'bad', '=gray', '=,lane=gray', ';', ';,lane=gray', ';=', 'a;b;c', '%', '"a,lane=gray"'],
    ...['a="b,lane=gray"', 'a=b\\,lane=gray', 'a=(b,lane=gray)', "a='b,lane=gray'", 'a=b;p="x,lane=gray"', 'a=b;p="x;lane=gray"', 'a=b%2Clane=gray'],
    ...[
      'user=lane=gray',
      'user=42;lane=gray',
      'user;lane=gray',
      'lanelane=gray',
      'lane lane=gray',
      'xlane=gray,lanex=blue',
      '\u00ff',
      '\u00ff=\u00ff',
    ],
    // Limits: 64 and 180 entries, 4,096 characters an entry, 8,192 bytes in all.
    ...[62, 63, 64, 65, 179, 180, 181].flatMap((count) => [
      many(count).join(','),
      [...many(count), 'lane=gray'].join(','),
      ['lane=gray', ...many(count)].join(','),
    ]),
    ...[4090, 4096, 4097].map((length) => `a=${'x'.repeat(length - 2)},lane=gray`),
    ...[8150, 8181, 8182, 8183, 8192, 8193, 9000].flatMap((length) => [
      ofLength(length),
      `lane=gray,${ofLength(length - 10)}`,
      `${ofLength(length - 10)},lane=gray`,
    ]),
    `${','.repeat(8000)}lane=gray`,
    `lane=gray${','.repeat(8000)}`,
  ]);

const pieces = fc.constantFrom(
  ...[
    'lane',
    'lane',
    'lane',
    '%6cane',
    'l%61ne',
    'LANE',
    'user',
    'x',
    'p',
    '42',
    'gray',
    'blue',
    'gray',
    '=',
    '=',
    '=',
    '=',
    ',',
    ',',
    ',',
    ';',
    ';',
    ' ',
    '\t',
  ],
  ...[
    '+',
    '%20',
    '%C2%A0',
    '%09',
    '%1C',
    '%3B',
    '%2C',
    '%3D',
    '%22',
    '%FF',
    '%zz',
    '%',
    '%00',
    '%0A',
    '\u00a0',
    '\u00c2\u00a0',
    '\u00e2\u0080\u0083',
    '\u0085',
    '\u00ff',
  ],
  ...['"', "'", '\\', '(', ')', '/', ':', '@', '?', '[', '{', '.', '-', '_', '|', '~', '^', '`', '!', '#', '$', '&', '*'],
);
const text = (maxLength: number): fc.Arbitrary<string> => fc.array(pieces, { maxLength }).map((list) => list.join(''));
const key = fc.oneof(fc.constantFrom('lane', '%6cane', ';lane', 'lane ;', '+lane', '\u00a0lane', 'user', 'id', 'x-lane'), text(3));
const value = fc.oneof(fc.constantFrom('gray', 'blue', 'gr%61y', '42', ''), text(3));
const blanks = fc.constantFrom('', '', '', ' ', '\t');
const member = fc
  .tuple(
    blanks,
    key,
    blanks,
    blanks,
    value,
    blanks,
    fc.oneof(
      fc.constant(''),
      fc.constant(''),
      text(4).map((properties) => `;${properties}`),
    ),
  )
  .map(([before, name, left, right, content, after, properties]) => `${before}${name}${left}=${right}${content}${after}${properties}`);
const whole = fc.oneof(
  { arbitrary: fc.array(member, { minLength: 1, maxLength: 5 }).map((members) => members.join(',')), weight: 30 },
  { arbitrary: text(14), weight: 20 },
  { arbitrary: fc.tuple(fc.nat(190), member).map(([count, ours]) => [...many(count), ours].join(',')), weight: 1 },
);

/** Random headers, the same for the same seed. */
export function generatedHeaders(count: number, seed: number): string[] {
  return fc.sample(whole, { numRuns: count, seed });
}
