/**
 * The W3C `baggage` header, https://www.w3.org/TR/baggage/.
 *
 * The header belongs to everybody. What we do to it is find one entry, and write one entry: all other entries pass
 * through byte for byte, in their order. So there is no general parse-and-serialize on the request path.
 */

/** Name of the header, lower case. */
export const BAGGAGE_HEADER = 'baggage';
/** Entries that at least must pass (W3C Baggage, section 3.3.2). */
export const MAX_BAGGAGE_ENTRIES = 64;
/** Bytes that at least must pass (W3C Baggage, section 3.3.2). Past it our entry still goes, and nothing is dropped by us. */
export const MAX_BAGGAGE_BYTES = 8192;

/** What a key of the header may be, in words. */
export const BAGGAGE_KEY_ACCEPTED = "a key of the W3C baggage header: letters, digits and !#$%&'*+-.^_`|~";

/** Whether a text can be a key of the header: a token of HTTP (RFC 9110, section 5.6.2). */
export function isBaggageKey(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}

/** A header as Node gives it: absent, one line, or several lines. */
export type HeaderLines = string | readonly string[] | undefined;

/** One entry of a `baggage` header. */
export interface BaggageEntry {
  readonly key: string;
  /** Percent-decoded; as it stands if it can't be decoded. */
  readonly value: string;
  /** What follows the first `;`, as it stands. */
  readonly properties: string | undefined;
}

const TAB = 9;
const SPACE = 32;
const PERCENT = 37;
const COMMA = 44;
const SEMICOLON = 59;
const EQUALS = 61;

/**
 * Reads the value of one entry, percent-decoded and cut at `;` (a peer may have encoded the properties into the value).
 * Of a duplicate key the last one wins, over all lines. Junk members lose only themselves.
 * Returns undefined where no entry has the key.
 */
export function readBaggageEntry(lines: HeaderLines, key: string): string | undefined {
  if (lines === undefined) return undefined;
  if (typeof lines === 'string') return readFromLine(lines, key);
  for (let i = lines.length - 1; i >= 0; i--) {
    const value = readFromLine(lines[i] as string, key);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Searches from the end, so the last of a duplicate key is met first and no more is looked at than needed. */
function readFromLine(line: string, key: string): string | undefined {
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

/** Where the value of the entry whose key stands at `at` starts, or -1 if what stands there is not an entry's key. */
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
    if (code === PERCENT) encoded = true;
  }
  const raw = trimBlanks(line, start, end);
  if (!encoded) return raw;
  const decoded = decodePercent(raw);
  const properties = decoded.indexOf(';');
  return properties === -1 ? decoded : trimBlanks(decoded, 0, properties);
}

/**
 * Writes one entry into a `baggage` header and returns the one line to send. Other entries stay as they are, several
 * lines become one, older entries of the same key go away.
 * `entry` is the whole `key=value`, made beforehand by {@link baggageEntry}.
 */
export function mergeBaggageEntry(lines: HeaderLines, key: string, entry: string): string {
  const others = removeBaggageEntry(lines, key);
  return others === undefined ? entry : `${others},${entry}`;
}

/** Takes one entry out of a `baggage` header; undefined where nothing remains. */
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
  if (line.indexOf(key) === -1) return isAllBlank(line) ? undefined : line;
  let kept: string | undefined;
  let start = 0;
  while (start <= line.length) {
    let end = line.indexOf(',', start);
    if (end === -1) end = line.length;
    let keyStart = start;
    while (keyStart < end && isBlank(line.charCodeAt(keyStart))) keyStart++;
    const ours = line.startsWith(key, keyStart) && valueStartOf(line, keyStart, key.length) !== -1;
    if (!ours && keyStart < end) {
      const member = line.slice(start, end);
      kept = kept === undefined ? member : `${kept},${member}`;
    }
    start = end + 1;
  }
  return kept;
}

/** The text of one entry, for {@link mergeBaggageEntry}. Values are percent-encoded where the W3C text asks for it; tags never need it. */
export function baggageEntry(key: string, value: string): string {
  return `${key}=${encodePercent(value)}`;
}

/**
 * Parses all entries of a `baggage` header, for those who want to look at it; not used on the request path.
 * A member without `=` or with an empty key is left out. Duplicates are all listed, in order.
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

/** Percent-decodes a text; one that can't be decoded stays as it is. */
export function decodePercent(text: string): string {
  if (text.indexOf('%') === -1) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Encodes what is no baggage-octet: controls, space, `"`, `,`, `;`, `\`, `%` and everything beyond ASCII. */
function encodePercent(value: string): string {
  return value.replace(/[^\x21\x23\x24\x26-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+/gu, encodeURIComponent);
}
