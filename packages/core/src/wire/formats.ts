import { BAGGAGE_HEADER, baggageEntry, readBaggageEntry, type HeaderLines } from './baggage.js';
import { LANE_METADATA_KEY, MSE_BASE, NEPXION_BASE } from '../routing/instance.js';
import { isTag, type Tag } from '../names/tag.js';

/** How a tag is written into a carrier. */
export type FormatName = 'baggage' | 'mse' | 'polaris' | 'dubbo' | 'asm' | 'nepxion';

/** All formats, as LANE_FORMATS accepts them. */
export const FORMAT_NAMES: readonly FormatName[] = ['baggage', 'mse', 'polaris', 'dubbo', 'asm', 'nepxion'];

/** Key of our entry in the `baggage` header unless told otherwise. */
export const DEFAULT_BAGGAGE_KEY = 'lane';

interface Format {
  /** A header of its own, lower case. */
  readonly header?: string;
  /** An entry of the `baggage` header; null stands for the configured key. */
  readonly entry?: string | null;
  /** Instance metadata written at registration. */
  readonly metadataKey: string;
  /** The word by which others name base where we say nothing. */
  readonly base?: string;
}

/**
 * Sources: MSE and OpenSergo, Alibaba Cloud documentation; polaris, Spring Cloud Tencent's lane header; dubbo, Apache Dubbo's
 * TagRouter; asm, Alibaba Service Mesh; nepxion, Nepxion Discovery's version header.
 */
const FORMATS: Readonly<Record<FormatName, Format>> = {
  baggage: { entry: null, metadataKey: LANE_METADATA_KEY },
  mse: { header: 'x-mse-tag', entry: 'x-mse-gray-tag', metadataKey: 'alicloud.service.tag', base: MSE_BASE },
  polaris: { header: 'service-lane', metadataKey: LANE_METADATA_KEY },
  dubbo: { header: 'dubbo.tag', metadataKey: 'dubbo.tag' },
  asm: { header: 'x-asm-prefer-tag', metadataKey: 'ASM_TRAFFIC_TAG' },
  nepxion: { header: 'n-d-version', metadataKey: 'version', base: NEPXION_BASE },
};

/** What reading tags met that somebody should know of. */
export interface ReadingCounts {
  /** Two formats named different tags; the first listed won. */
  conflicts: number;
  /** A carrier held something that can't be a tag; it counted as none. */
  malformed: number;
}

/** What is written for one tag: made once per tag, then shared by all requests. */
export interface WireTag {
  readonly tag: Tag;
  /** Whole headers, name (lower case) and value. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  /** Entries to merge into the `baggage` header: key, and the whole `key=value`. */
  readonly entries: ReadonlyArray<readonly [key: string, entry: string]>;
}

/** Options of {@link createTagCodec}. */
export interface TagCodecOptions {
  /** Formats written. Default `baggage`. */
  readonly formats?: readonly FormatName[];
  /** Formats read, in this order. Default: those written. */
  readonly formatsIn?: readonly FormatName[];
  readonly baggageKey?: string;
  /** The lane group of a tag, for `polaris`, which names both. */
  readonly groupOf?: (tag: Tag) => string | undefined;
}

/** Reads and writes tags in the formats asked for. Made once; its methods run on the request path. */
export interface TagCodec {
  readonly counts: ReadingCounts;
  /** Reads the tag out of Node's flat `rawHeaders`; undefined where there is none. */
  readRaw(rawHeaders: readonly string[]): Tag | undefined;
  /** Reads the tag through a header look-up by lower-case name. */
  read(header: (name: string) => HeaderLines): Tag | undefined;
  /** What to write for a tag. */
  wire(tag: Tag): WireTag;
  /** Instance metadata to register for a tag. */
  metadata(tag: Tag): Record<string, string>;
  /** Headers of ours besides `baggage`, lower case: an entry takes them from clients it does not trust. */
  readonly ownHeaders: readonly string[];
  /** Keys of ours in the `baggage` header. */
  readonly ownEntries: readonly string[];
}

/** Tags that clients make up must not fill the memory. */
const MAX_REMEMBERED_WIRES = 256;

/** Makes a codec for some formats. */
export function createTagCodec(options: TagCodecOptions = {}): TagCodec {
  const written = options.formats ?? ['baggage'];
  const readIn = options.formatsIn ?? written;
  const baggageKey = options.baggageKey ?? DEFAULT_BAGGAGE_KEY;
  const counts: ReadingCounts = { conflicts: 0, malformed: 0 };
  const entryKey = (format: Format): string | undefined => (format.entry === null ? baggageKey : format.entry);

  /** In the order of the formats: where to look, and how. */
  const sources = readIn.flatMap((name) => {
    const format = FORMATS[name];
    const key = entryKey(format);
    return [
      ...(format.header === undefined ? [] : [{ header: format.header, key: undefined, polaris: name === 'polaris', base: format.base }]),
      ...(key === undefined ? [] : [{ header: BAGGAGE_HEADER, key, polaris: false, base: format.base }]),
    ];
  });
  const headerNames = [...new Set(sources.map((source) => source.header))];
  const readsOnlyBaggage = sources.length === 1 && sources[0]?.key !== undefined;
  const onlyKey = readsOnlyBaggage ? (sources[0]?.key as string) : '';
  // One bit for each length of an interesting header name: most headers are dismissed by their length alone.
  let lengths = 0;
  for (const name of headerNames) lengths |= 1 << (name.length & 31);

  function tagIn(value: string): Tag | undefined {
    if (isTag(value)) return value;
    counts.malformed++;
    return undefined;
  }

  function read(header: (name: string) => HeaderLines): Tag | undefined {
    let found: Tag | undefined;
    for (const source of sources) {
      const lines = header(source.header);
      if (lines === undefined) continue;
      let value: string | undefined;
      if (source.key !== undefined) value = readBaggageEntry(lines, source.key);
      else value = firstOf(typeof lines === 'string' ? lines : lines[0]);
      if (value === undefined || value === source.base) continue;
      if (source.polaris) value = value.slice(value.lastIndexOf('/') + 1);
      const tag = tagIn(value);
      if (tag === undefined) continue;
      if (found === undefined) found = tag;
      else if (found !== tag) {
        counts.conflicts++;
        return found;
      }
    }
    return found;
  }

  // On the request path, change with care: for a request without a tag this loop is all there is.
  function readRaw(rawHeaders: readonly string[]): Tag | undefined {
    let hits = 0;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string;
      if (((lengths >>> (name.length & 31)) & 1) === 1 && isInteresting(name)) hits++;
    }
    if (hits === 0) return undefined;
    if (readsOnlyBaggage) {
      const value = readBaggageEntry(linesOf(rawHeaders, BAGGAGE_HEADER), onlyKey);
      return value === undefined ? undefined : tagIn(value);
    }
    return read((name) => linesOf(rawHeaders, name));
  }

  function isInteresting(name: string): boolean {
    for (let i = 0; i < headerNames.length; i++) {
      const wanted = headerNames[i] as string;
      if (name.length === wanted.length && (name === wanted || name.toLowerCase() === wanted)) return true;
    }
    return false;
  }

  const wires = new Map<Tag, WireTag>();
  // polaris alone names the group, which is another one when the lane groups change: known only later, or renamed.
  const namesGroup = written.includes('polaris');
  const groups = new Map<Tag, string>();

  function wire(tag: Tag): WireTag {
    const known = wires.get(tag);
    if (!namesGroup) return known ?? makeWire(tag, '');
    const group = options.groupOf?.(tag) ?? 'default';
    return known !== undefined && groups.get(tag) === group ? known : makeWire(tag, group);
  }

  function makeWire(tag: Tag, group: string): WireTag {
    const headers: Array<readonly [string, string]> = [];
    const entries: Array<readonly [string, string]> = [];
    for (const name of written) {
      const format = FORMATS[name];
      if (format.header !== undefined) headers.push([format.header, name === 'polaris' ? `${group}/${tag}` : tag]);
      const key = entryKey(format);
      if (key !== undefined) entries.push([key, baggageEntry(key, tag)]);
    }
    const made: WireTag = Object.freeze({ tag, headers, entries });
    if (wires.size < MAX_REMEMBERED_WIRES || wires.has(tag)) {
      wires.set(tag, made);
      if (namesGroup) groups.set(tag, group);
    }
    return made;
  }

  function metadata(tag: Tag): Record<string, string> {
    const keys: Record<string, string> = { [LANE_METADATA_KEY]: tag };
    for (const name of written) keys[FORMATS[name].metadataKey] = tag;
    return keys;
  }

  const own = [...new Set([...written, ...readIn])].map((name) => FORMATS[name]);
  return {
    counts,
    readRaw,
    read,
    wire,
    metadata,
    ownHeaders: own.flatMap((format) => (format.header === undefined ? [] : [format.header])),
    ownEntries: [...new Set(own.flatMap((format) => entryKey(format) ?? []))],
  };
}

/** Of a header that came twice the first counts, also where Node or a proxy has joined the two by a comma. */
function firstOf(line: string | undefined): string | undefined {
  if (line === undefined) return undefined;
  const comma = line.indexOf(',');
  return (comma === -1 ? line : line.slice(0, comma)).trim();
}

/** All lines of one header in Node's flat `rawHeaders`. */
export function linesOf(rawHeaders: readonly string[], lowerCaseName: string): HeaderLines {
  let first: string | undefined;
  let lines: string[] | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length !== lowerCaseName.length || (name !== lowerCaseName && name.toLowerCase() !== lowerCaseName)) continue;
    const value = rawHeaders[i + 1] as string;
    if (first === undefined) first = value;
    else if (lines === undefined) lines = [first, value];
    else lines.push(value);
  }
  return lines ?? first;
}
