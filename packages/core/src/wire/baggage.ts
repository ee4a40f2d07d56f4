/**
 * The W3C `baggage` header, https://www.w3.org/TR/baggage/.
 *
 * The header belongs to everybody. We only find one entry, and write one entry: all other entries pass
 * through byte for byte, in order. So the request path does not parse and serialize the whole header.
 *
 * A key is ours if any peer would read it as ours, because peers re-encode what they have read: OpenTelemetry trims all of Unicode's
 * white space and percent-decodes keys in JavaScript (`parsePairKeyValue`), decodes, takes `+` for a space and trims again in Python
 * (`W3CBaggagePropagator.extract`), trims UTF-8's white space in Go (`parseMember`), and in Java passes over each `;` until it meets `=`
 * (`Parser.parseInto`). Plain tokens, as nearly all keys are, are compared as they are. test/interop/baggage tests
 * all four.
 *
 * We remove more than we read: everything that may become ours behind peers in other languages. Rust and PHP decode a key and
 * do not encode it again, so each of them removes one `%25`; Ruby drops blanks within a key, and PHP trims NUL; Rust and Erlang decode what
 * follows `;`, C++ decodes `%3B` as well, and all three write the result as it is, with commas: another's member yields one of ours.
 */

/** Name of the header, lower case. */
export const BAGGAGE_HEADER = 'baggage';
/** How many entries must pass at least (W3C Baggage, section 3.3.2). */
export const MAX_BAGGAGE_ENTRIES = 64;
/**
 * How many bytes must pass at least (W3C Baggage, section 3.3.2). Beyond it we still write our entry and drop nothing; OpenTelemetry in
 * Java, Go and Python then ignores the header, in JavaScript it reads what fits.
 */
export const MAX_BAGGAGE_BYTES = 8192;

/** A header in Node: absent, one line, or several lines. */
export type HeaderLines = string | readonly string[] | undefined;

/** One entry of a `baggage` header. */
export interface BaggageEntry {
  readonly key: string;
  /** Percent-decoded; unchanged if it can't be decoded. */
  readonly value: string;
  /** What follows the first `;`, unchanged. */
  readonly properties: string | undefined;
}

const TAB = 9;
const SPACE = 32;
const PERCENT = 37;
const PLUS = 43;
const COMMA = 44;
const SEMICOLON = 59;
const EQUALS = 61;

/**
 * Reads the value of one entry, percent-decoded and cut at `;` (a peer may have encoded the properties into the value). The last of duplicate keys
 * wins, over all lines; a plain key wins over other spellings, because a peer may rewrite the two in any order (OpenTelemetry in Go does). A
 * malformed member does not affect others. Returns undefined if no entry has the key.
 */
export function readBaggageEntry(lines: HeaderLines, key: string): string | undefined {
  if (lines === undefined) return undefined;
  if (typeof lines === 'string') return readPlain(lines, key) ?? readOdd(lines, key);
  for (let i = lines.length - 1; i >= 0; i--) {
    const value = readPlain(lines[i] as string, key);
    if (value !== undefined) return value;
  }
  for (let i = lines.length - 1; i >= 0; i--) {
    const value = readOdd(lines[i] as string, key);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Searches from the end, so that it finds the last of duplicate keys first and stops there. */
function readPlain(line: string, key: string): string | undefined {
  let from = line.length;
  while (from >= 0) {
    const at = from === 0 ? -1 : line.lastIndexOf(key, from - 1);
    if (at === -1) return undefined;
    const valueStart = valueStartOf(line, at, key.length);
    if (valueStart !== -1) return readValue(line, valueStart);
    from = at;
  }
  return undefined;
}

/** Reads a line in which some key may be ours in another spelling, member by member. */
function readOdd(line: string, key: string): string | undefined {
  if (!hasOddKey(line)) return undefined;
  let value: string | undefined;
  for (let start = 0; start <= line.length;) {
    const end = endOfMember(line, start);
    if (isOddMember(line, start, end, key)) value = readValue(line, endOfKey(line, start, end) + 1);
    start = end + 1;
  }
  return value;
}

function endOfMember(line: string, start: number): number {
  const comma = line.indexOf(',', start);
  return comma === -1 ? line.length : comma;
}

/** The end of a member's key: its first `=`, or the member's end. */
function endOfKey(line: string, start: number, end: number): number {
  let at = start;
  while (at < end && line.charCodeAt(at) !== EQUALS) at++;
  return at;
}

/** Whether any key of a line is not spelled as the W3C text requires: it contains `%`, `+`, `;`, blanks, or anything beyond visible ASCII. */
function hasOddKey(line: string): boolean {
  let start = 0;
  while (start < line.length) {
    let blanks = 0;
    for (let at = start; at < line.length; at++) {
      const code = line.charCodeAt(at);
      if (code === EQUALS || code === COMMA) break;
      if (isBlank(code)) {
        // Blanks are allowed before the key, and after it only at its end.
        if (blanks === 1) blanks = 2;
        continue;
      }
      if (blanks === 2 || code === PERCENT || code === PLUS || code === SEMICOLON || code > 126 || code < 33) return true;
      blanks = 1;
    }
    const comma = line.indexOf(',', start);
    if (comma === -1) return false;
    start = comma + 1;
  }
  return false;
}

/** Whether any peer, or one behind it, reads the text before `=` as this key. */
function isKey(text: string, key: string): boolean {
  const passedOn = keyInJava(text);
  if (isReadAs(passedOn, key)) return true;
  return passedOn.indexOf('+') !== -1 || key.indexOf('+') !== -1
    ? isReadAs(passedOn.replaceAll('+', ' '), trimSpace(key.replaceAll('+', ' ')))
    : false;
}

function isReadAs(text: string, key: string): boolean {
  // Node gives a header's bytes as Latin-1; a peer may have them as UTF-8.
  return trimSpace(text) === key || trimSpace(decodePercent(trimSpace(text))) === key || trimSpace(decodePercent(percentOfBytes(text))) === key;
}

/** Removes what OpenTelemetry in Java skips: each `;` before a key, and after the blank that ends one. No other peer accepts such a key. */
function keyInJava(text: string): string {
  if (text.indexOf(';') === -1) return text;
  let start = 0;
  while (start < text.length && isPassedOver(text.charCodeAt(start))) start++;
  let end = start;
  while (end < text.length && !isBlank(text.charCodeAt(end))) end++;
  for (let rest = end; rest < text.length; rest++) if (!isPassedOver(text.charCodeAt(rest))) return text;
  return text.slice(start, end);
}

function isPassedOver(code: number): boolean {
  return code === SEMICOLON || isBlank(code);
}

/** Whether a member may become ours behind some peer, or may yield one of ours. */
function mayBecomeOurs(member: string, key: string): boolean {
  const equals = member.indexOf('=');
  if (equals === -1) return false;
  const decoded = decodeWholly(member);
  // In any reading, its letters appear in order. Check that first: the rest takes ten times as long.
  if (!lettersOf(decoded).includes(lettersOf(key))) return false;
  const name = member.slice(0, equals);
  return isKey(name, key) || isKeyOnceDecoded(decodeWholly(keyInJava(name)), key) || hidesKey(decoded, key);
}

/** Removes what peers may drop within a key, and `+`, which may be a blank. */
function lettersOf(text: string): string {
  // oxlint-disable-next-line no-control-regex -- those are meant
  return text.replaceAll(/[\x00-\x20\x7f+]+/g, '');
}

/** Whether a fully decoded key is this one, without what some peer drops. */
function isKeyOnceDecoded(text: string, key: string): boolean {
  // oxlint-disable-next-line no-control-regex -- those are meant
  const bare = text.replaceAll(/[\x00-\x20\x7f]+/g, '');
  return isReadAs(bare, key) || isReadAs(trimPlus(bare), key);
}

function trimPlus(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text.charCodeAt(start) === PLUS) start++;
  while (end > start && text.charCodeAt(end - 1) === PLUS) end--;
  return text.slice(start, end);
}

/** Whether a fully decoded member contains one of ours after a `;`. */
function hidesKey(text: string, key: string): boolean {
  const semicolon = text.indexOf(';');
  if (semicolon === -1) return false;
  const [, ...others] = text.slice(semicolon).split(',');
  return others.some((other) => {
    const equals = other.indexOf('=');
    return equals !== -1 && isKeyOnceDecoded(keyInJava(other.slice(0, equals)), key);
  });
}

/** Decodes byte by byte until nothing is left to decode, skipping invalid escapes. Linear time. */
function decodeWholly(text: string): string {
  if (text.indexOf('%') === -1) return text;
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    bytes.push(text.charCodeAt(i));
    // A decoded byte may complete another escape, as in `%2%35`.
    for (let n = bytes.length; n >= 3 && bytes[n - 3] === PERCENT; n = bytes.length) {
      const [high, low] = [hexDigit(bytes[n - 2] as number), hexDigit(bytes[n - 1] as number)];
      if (high === -1 || low === -1) break;
      bytes.length = n - 3;
      bytes.push(high * 16 + low);
    }
  }
  let decoded = '';
  for (const code of bytes) decoded += String.fromCharCode(code);
  return decoded;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

function percentOfBytes(text: string): string {
  return text.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
}

/** Trims what `String.trim` does, and what only Python's `str.strip` and Go's `strings.TrimSpace` do. */
function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  // Not a regular expression: one anchored at the end takes quadratic time for blanks in the middle.
  while (start < end && isSpace(text.charAt(start))) start++;
  while (end > start && isSpace(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

function isSpace(character: string): boolean {
  const code = character.charCodeAt(0);
  return character.trim() === '' || code === 0x85 || (code >= 0x1c && code <= 0x1f);
}

/** Where the value of the entry with its key at `at` starts; -1 if there is no key. */
function valueStartOf(line: string, at: number, keyLength: number): number {
  let before = at - 1;
  while (before >= 0 && isBlank(line.charCodeAt(before))) before--;
  if (before >= 0 && line.charCodeAt(before) !== COMMA) return -1;
  let after = at + keyLength;
  while (after < line.length && isBlank(line.charCodeAt(after))) after++;
  return line.charCodeAt(after) === EQUALS ? after + 1 : -1;
}

function readValue(line: string, start: number): string {
  let end = start;
  let encoded = false;
  for (; end < line.length; end++) {
    const code = line.charCodeAt(end);
    if (code === COMMA || code === SEMICOLON) break;
    if (code === PERCENT || code === PLUS || code > 126) encoded = true;
  }
  const raw = trimBlanks(line, start, end);
  return encoded ? decodeValue(raw) : raw;
}

/**
 * Decodes a value, without encoded properties and surrounding blanks: OpenTelemetry in Python writes both into values, with
 * `+` for a space, and in JavaScript and Go it trims unencoded Unicode blanks.
 */
function decodeValue(raw: string): string {
  let start = 0;
  let end = lengthBefore(raw, '%3b', lengthBefore(raw, '%3B', raw.length));
  while (start < end && raw.charCodeAt(start) === PLUS) start++;
  while (end > start && raw.charCodeAt(end - 1) === PLUS) end--;
  const text = raw.slice(start, end);
  const bytes = percentOfBytes(text);
  const decoded = decodePercent(bytes);
  // Bytes that are not UTF-8 stay as Node has them.
  return trimSpace(decoded === bytes ? decodePercent(trimSpace(text)) : decoded);
}

function lengthBefore(text: string, part: string, otherwise: number): number {
  const at = text.indexOf(part);
  return at === -1 || at > otherwise ? otherwise : at;
}

/**
 * Writes one entry into a `baggage` header and returns the one line to send. Other entries stay unchanged, several lines become one, and older
 * entries of the same key are removed. Ours goes first: peers stop at 64 entries (OpenTelemetry in Java and Go) or at 180 (in JavaScript and
 * Python), and would drop it at the end. `entry` is the whole `key=value`, built beforehand by {@link baggageEntry}.
 */
export function mergeBaggageEntry(lines: HeaderLines, key: string, entry: string): string {
  const others = removeBaggageEntry(lines, key);
  return others === undefined ? entry : `${entry},${others}`;
}

/** Removes one entry from a `baggage` header, and everything that may become it behind some peer; undefined if nothing remains. */
export function removeBaggageEntry(lines: HeaderLines, key: string): string | undefined {
  if (lines === undefined) return undefined;
  if (typeof lines === 'string') return removeFromLine(lines, key);
  let joined: string | undefined;
  for (let i = 0; i < lines.length; i++) {
    const rest = removeFromLine(lines[i] as string, key);
    if (rest !== undefined) joined = joined === undefined ? rest : `${joined},${rest}`;
  }
  return joined;
}

function removeFromLine(line: string, key: string): string | undefined {
  // An escape in a value may hide a member of ours as well.
  const odd = line.indexOf('%') !== -1 || hasOddKey(line);
  if (!odd && line.indexOf(key) === -1) return isAllBlank(line) ? undefined : line;
  let kept: string | undefined;
  let foundOurs = false;
  for (let start = 0; start <= line.length;) {
    const end = endOfMember(line, start);
    let keyStart = start;
    while (keyStart < end && isBlank(line.charCodeAt(keyStart))) keyStart++;
    const isPlain = line.startsWith(key, keyStart) && valueStartOf(line, keyStart, key.length) !== -1;
    if (isPlain || (odd && mayBecomeOurs(line.slice(start, end), key))) foundOurs = true;
    else if (keyStart < end) {
      const member = line.slice(start, end);
      kept = kept === undefined ? member : `${kept},${member}`;
    }
    start = end + 1;
  }
  return foundOurs || kept === undefined ? kept : line;
}

function isOddMember(line: string, start: number, end: number, key: string): boolean {
  const equals = endOfKey(line, start, end);
  return equals < end && isKey(line.slice(start, equals), key);
}

/** The text of one entry, for {@link mergeBaggageEntry}. Values are percent-encoded where the W3C text requires it; tags never need it. */
export function baggageEntry(key: string, value: string): string {
  return `${key}=${encodePercent(value)}`;
}

/**
 * Parses all entries of a `baggage` header, for inspection; not used on the request path. Skips a member without `=` or with an empty key. Lists
 * all duplicates, in order.
 */
export function parseBaggage(lines: HeaderLines): BaggageEntry[] {
  if (lines === undefined) return [];
  const text = typeof lines === 'string' ? lines : lines.join(',');
  const entries: BaggageEntry[] = [];
  for (const member of text.split(',')) {
    const semicolon = member.indexOf(';');
    const pair = semicolon === -1 ? member : member.slice(0, semicolon);
    const equals = pair.indexOf('=');
    if (equals === -1) continue;
    const key = pair.slice(0, equals).trim();
    if (key === '') continue;
    entries.push({
      key,
      value: decodePercent(pair.slice(equals + 1).trim()),
      properties: semicolon === -1 ? undefined : member.slice(semicolon + 1).trim(),
    });
  }
  return entries;
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

function isAllBlank(line: string): boolean {
  for (let i = 0; i < line.length; i++) if (!isBlank(line.charCodeAt(i))) return false;
  return true;
}

function trimBlanks(text: string, start: number, end: number): string {
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** Percent-decodes a text, which stays unchanged if it can't be decoded. */
export function decodePercent(text: string): string {
  if (text.indexOf('%') === -1) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Encodes everything that is not a baggage-octet: controls, space, `"`, `,`, `;`, `\`, `%` and everything beyond ASCII; and `+`, a space to Python. */
function encodePercent(value: string): string {
  return value.replace(/[^\x21\x23\x24\x26-\x2a\x2d-\x3a\x3c-\x5b\x5d-\x7e]+/gu, encodeURIComponent);
}
