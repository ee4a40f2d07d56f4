/**
 * Random `baggage` headers: several lines, duplicates, properties, white space, other entries, junk.
 *
 * Not made, since Envoy reads headers by a regular expression, which can't say it:
 * - Percent-encoding in the value of `lane`. The contract decodes it, as W3C asks; a regular expression can't. No encoder touches the
 *   alphabet of tags, so it occurs only with properties (Python's `lane=gray%3Bp%3D1`, which packages/core tests).
 * - Bytes beyond ASCII. HTTP allows them in values, and Envoy's RE2 fails on those that are not UTF-8.
 */
import fc from 'fast-check';

/** The lines of a `baggage` header, in the order in which they are sent; empty if there is no such header. */
export type Carrier = readonly string[];

const blank = fc.constantFrom('', '', '', ' ', '\t', '  ');

const properties = fc.constantFrom('', '', '', ';p=1', ' ; p', ';lane=gray', ';ttl=1;x="a b"');

/** Invalid tags, which count as none. */
const malformed = fc.constantFrom('', 'b@d', 'gray x', 'gray/1', '=gray', '"gray"', 'x'.repeat(65), 'gray=1', '{}');

/** Tags that no instance has; `base` is the word that Envoy's subsets use. */
const unknown = fc.constantFrom('base', 'gra', 'gray3', 'GRAY', 'x'.repeat(63), '.');

const others = fc.constantFrom(
  'user=42',
  'x-mse-gray-tag=gray',
  'Lane=gray',
  'lane2=gray',
  'xlane=gray',
  'lane.x=gray2',
  'sentry-trace_id=771a43a4192642f0b136d5159a501700',
  'k=v;lane=gray',
  'k=v; p="a b" ; lane=gray',
  'user=%E5%90%8D%2C',
  'k==lane=gray',
);

const junk = fc.oneof(
  fc.constantFrom('', ' ', '=', '=gray', 'lane', 'lane;=gray', 'lane;p=gray', 'la ne=gray', ';', '%', '%zz', 'gray', '"a', '{"lane":"gray"}', ' \t '),
  // Printable ASCII but the comma, which separates members.
  fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => (code === 0x2c ? '-' : String.fromCharCode(code))), maxLength: 12 }),
);

/** Headers for a topology with these lanes. */
export function carrier(tags: readonly string[]): fc.Arbitrary<Carrier> {
  const value = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...tags) }, { weight: 1, arbitrary: unknown }, { weight: 1, arbitrary: malformed });
  const ours = fc
    .tuple(blank, blank, blank, value, blank, properties)
    .map(([before, afterKey, beforeValue, tag, after, rest]) => `${before}lane${afterKey}=${beforeValue}${tag}${after}${rest}`);
  const member = fc.oneof({ weight: 3, arbitrary: ours }, { weight: 2, arbitrary: others }, { weight: 1, arbitrary: junk });
  const line = fc.array(member, { minLength: 1, maxLength: 5 }).map((members) => members.join(','));
  const plain = fc.constantFrom(...tags).map((tag) => [`lane=${tag}`]);
  const lines = fc.array(line, { maxLength: 3 });
  // Long enough to pass the 8,192 bytes that W3C asks for.
  const long = fc.tuple(lines, value).map(([some, tag]) => [...some, `a=${'b'.repeat(9000)}`, `lane=${tag}`]);
  return fc.oneof({ weight: 12, arbitrary: lines }, { weight: 4, arbitrary: plain }, { weight: 1, arbitrary: long });
}
