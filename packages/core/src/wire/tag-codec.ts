/** Reads and writes the tags of requests in the formats listed, by the table of formats. */
import { BAGGAGE_HEADER, baggageEntry, readBaggageEntry, type HeaderLines } from './baggage.js';
import { DEFAULT_BAGGAGE_KEY, DEFAULT_FORMATS, DEFAULT_LANE_GROUP, formatOf, listedFormats, type Format, type FormatName } from './formats.js';
import { firstOfList, type Carrier, type TagToWrite } from './carrier.js';
import { laneContext, type Carried, type LaneContext } from '../context.js';
import { LANE_METADATA_KEY } from '../names/metadata-key.js';
import { isTag, type Tag } from '../names/tag.js';
import type { Fallback } from '../routing/lane-index.js';
import type { RequestTag } from '../rules/request-tag.js';
import type { WireLane, WireRules } from '../rules/types.js';

/** Notable events while reading tags. */
export interface ReadingCounts {
  /** Two formats had different tags; the first listed won. */
  conflicts: number;
  /** A carrier had an invalid tag, which counted as none. */
  malformed: number;
}

/** What is written for one tag: built once per tag, then shared by all requests. */
export interface WireTag {
  readonly tag: Tag;
  /** Whole headers, name (lower case) and value. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  /** Properties of messages and attachments of remote calls, besides the headers. */
  readonly attachments: ReadonlyArray<readonly [name: string, value: string]>;
  /** Entries to merge into the `baggage` header: key, and the whole `key=value`. */
  readonly entries: ReadonlyArray<readonly [key: string, entry: string]>;
}

/** Everything that requests of one tag share: built once per tag, so that a request costs one look-up. */
export interface LaneRecord {
  /** The context of this tag's work: one per process, whichever copy of this package created it. */
  readonly context: LaneContext;
  /** The mark of requests that arrived with the tag. */
  readonly mark: RequestTag;
  /** What calls of this tag carry. */
  readonly wire: WireTag;
}

/** Options of {@link createTagCodec}. */
export interface TagCodecOptions {
  /** Formats written. Default `baggage`. */
  readonly formats?: readonly FormatName[];
  /** Formats read, in this order. Default: those written. */
  readonly formatsIn?: readonly FormatName[];
  readonly baggageKey?: string;
  /** The lane groups in force, for formats that contain a tag's group, or another name of it. */
  readonly rules?: () => WireRules | undefined;
  /** The service that reads, for formats that name a tag for each service, and writes: its lane groups come first if several have a tag. */
  readonly service?: () => string | undefined;
  /** The fallback of lanes that set none. Default base. */
  readonly fallback?: Fallback;
  /** Called once for each carrier that can't be written for a tag, and is skipped, and for each format's header that is not acted upon. */
  readonly onNotice?: (message: string) => void;
}

/** Reads and writes tags in the listed formats. Created once; its methods run on the request path. */
export interface TagCodec {
  readonly counts: ReadingCounts;
  /** Reads the tag from Node's flat `rawHeaders`; undefined if there is none. `service`: whose tag, if not the reader's. */
  readRaw(rawHeaders: readonly string[], service?: string): Tag | undefined;
  /** Reads the tag through a header look-up by lower-case name. */
  read(header: (name: string) => HeaderLines, service?: string): Tag | undefined;
  /** The header of a request or message with a tag for each service, to be forwarded unchanged; undefined if there is none, or no format has one. */
  readonly carriedIn: ((header: (name: string) => HeaderLines) => Carried | undefined) | undefined;
  /**
   * Whether a request has a header of ours, or any baggage. What is an invalid tag to us, or base, may be a tag to the app's OpenTelemetry, or to a
   * service that the app forwards it to. So the trust check depends on this, and not on the tag that was read.
   */
  carries(rawHeaders: readonly string[]): boolean;
  /** Everything that requests of a tag share. */
  record(tag: Tag): LaneRecord;
  /** What to write for a tag; `to`: the called service, if known. */
  wire(tag: Tag, to?: string): WireTag;
  /** Metadata to register for a tag, for an instance of this service; undefined: unknown service. */
  metadata(tag: Tag, service?: string): Record<string, string>;
  /** Our headers besides `baggage`, lower case: an entry removes those of untrusted clients. */
  readonly ownHeaders: readonly string[];
  /** Keys of ours in the `baggage` header. */
  readonly ownEntries: readonly string[];
}

/** In a message it may have any length, and peers refuse requests with long heads: half of Node's limit. */
const MAX_CARRIED_LENGTH = 8_192;

/** Tags that clients make up must not fill the memory. */
const MAX_REMEMBERED_TAGS = 256;

/** A record, whose wire changes when the lane groups change the tag's settings. */
interface FollowingRecord extends LaneRecord {
  wire: WireTag;
  lane: WireLane | undefined;
}

/** Creates a codec for the listed formats. */
export function createTagCodec(options: TagCodecOptions = {}): TagCodec {
  const written = options.formats ?? DEFAULT_FORMATS;
  const readIn = options.formatsIn ?? written;
  const settings = { baggageKey: options.baggageKey ?? DEFAULT_BAGGAGE_KEY };
  const writtenFormats = written.map((name) => formatOf(name, settings));
  const counts: ReadingCounts = { conflicts: 0, malformed: 0 };

  /** In the order of the formats: where to look, and how. */
  const sources = readIn.flatMap((name) => {
    const { carriers, base } = formatOf(name, settings);
    return carriers.flatMap(({ header, entry, isJson, read: readTag }) => (readTag === undefined ? [] : [{ header, entry, isJson, readTag, base }]));
  });
  const listed = listedFormats({ formats: written, formatsIn: readIn }).map((name) => ({ name, format: formatOf(name, settings) }));
  /** Reported once, then ignored. */
  let leftAlone = listed.flatMap(({ name, format }) => (format.leftAlone ?? []).map((header) => ({ name, header })));
  let asked: string | undefined;
  const reader = {
    get service() {
      return asked ?? options.service?.();
    },
    get rules() {
      return options.rules?.();
    },
  };
  const headerNames = [...new Set([...sources, ...leftAlone].map(({ header }) => header))];
  // One bit for each length of an interesting header name: most headers are dismissed by their length alone.
  let lengths = 0;
  for (const name of headerNames) lengths |= 1 << (name.length & 31);
  const [only] = sources;
  const readsOnlyBaggage = sources.length === 1 && only?.entry !== undefined;

  function read(header: (name: string) => HeaderLines, service?: string): Tag | undefined {
    let found: Tag | undefined;
    asked = service;
    if (leftAlone.length > 0) tellLeftAlone(header);
    for (const source of sources) {
      const lines = header(source.header);
      if (lines === undefined) continue;
      const tag = tagIn(lines, source);
      if (tag === undefined) continue;
      if (found === undefined) found = tag;
      else if (found !== tag) {
        counts.conflicts++;
        return found;
      }
    }
    return found;
  }

  function tagIn(lines: HeaderLines, source: (typeof sources)[number]): Tag | undefined {
    const value = source.entry === undefined ? firstOf(lines, source.isJson) : readBaggageEntry(lines, source.entry);
    if (value === undefined || value === source.base) return undefined;
    const tag = source.readTag(value, reader);
    if (isTag(tag)) return tag === source.base ? undefined : tag;
    if (tag !== undefined) counts.malformed++;
    return undefined;
  }

  function tellLeftAlone(header: (name: string) => HeaderLines): void {
    const met = leftAlone.filter((one) => header(one.header) !== undefined);
    if (met.length === 0) return;
    leftAlone = leftAlone.filter((one) => !met.includes(one));
    for (const { name, header: named } of met)
      options.onNotice?.(`requests carry the header ${named} of ${name}, by which Lane does not route: the header passes through unchanged`);
  }

  const eachSource = listed.flatMap(({ format }) => format.carriers).find(({ readEach }) => readEach !== undefined);

  function carriedIn(lines: (name: string) => HeaderLines): Carried | undefined {
    const { header, readEach } = eachSource as Carrier;
    const value = firstOf(lines(header), true);
    const each = value === undefined ? undefined : readEach?.(value);
    if (each === undefined) return undefined;
    const legal = asciiJson(each.text);
    if (legal.length <= MAX_CARRIED_LENGTH) return { header, value: legal, tags: each.tags };
    counts.malformed++;
    return undefined;
  }

  // On the request path, change with care: for a request without a tag, only this loop runs.
  function readRaw(rawHeaders: readonly string[], service?: string): Tag | undefined {
    let hits = 0;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string;
      if (((lengths >>> (name.length & 31)) & 1) === 1 && isInteresting(name)) hits++;
    }
    if (hits === 0) return undefined;
    if (readsOnlyBaggage) return tagIn(linesOf(rawHeaders, BAGGAGE_HEADER), only as (typeof sources)[number]);
    return read((name) => linesOf(rawHeaders, name), service);
  }

  function isInteresting(name: string): boolean {
    for (let i = 0; i < headerNames.length; i++) {
      const wanted = headerNames[i] as string;
      if (name.length === wanted.length && (name === wanted || name.toLowerCase() === wanted)) return true;
    }
    return false;
  }

  const records = new Map<Tag, FollowingRecord>();
  /** Where several lane groups have a tag, what goes by each. */
  const wires = new WeakMap<WireLane, WireTag>();
  const followsLaneGroups = writtenFormats.some((format) => format.followsLaneGroups);

  function record(tag: Tag, to?: string): LaneRecord {
    const known = records.get(tag);
    if (known === undefined) return makeRecord(tag, to);
    if (followsLaneGroups) {
      // Lane groups may arrive later, and change; the call tells which of several.
      const lane = laneOf(tag, to);
      if (lane !== known.lane) {
        known.wire = wireUnder(tag, lane);
        known.lane = lane;
      }
    }
    return known;
  }

  function laneOf(tag: Tag, to: string | undefined): WireLane | undefined {
    return options.rules?.()?.wireOf(tag, options.service?.(), to);
  }

  function wireUnder(tag: Tag, lane: WireLane | undefined): WireTag {
    if (lane === undefined) return makeWire(tag, lane);
    let wire = wires.get(lane);
    if (wire === undefined) wires.set(lane, (wire = makeWire(tag, lane)));
    return wire;
  }

  function makeRecord(tag: Tag, to: string | undefined): LaneRecord {
    const lane = followsLaneGroups ? laneOf(tag, to) : undefined;
    const made: FollowingRecord = {
      context: laneContext(tag),
      mark: Object.freeze({ tag, source: 'inbound' }),
      wire: wireUnder(tag, lane),
      lane,
    };
    if (records.size < MAX_REMEMBERED_TAGS) records.set(tag, made);
    return made;
  }

  const told = new Set<string>();

  function makeWire(tag: Tag, lane: WireLane | undefined): WireTag {
    const group = lane?.group ?? DEFAULT_LANE_GROUP;
    const to: TagToWrite = { tag, group, lane, strict: (lane?.fallback ?? options.fallback) === 'none' };
    const headers: Array<readonly [string, string]> = [];
    const attachments: Array<readonly [string, string]> = [];
    const entries: Array<readonly [string, string]> = [];
    for (let i = 0; i < writtenFormats.length; i++) {
      for (const carrier of (writtenFormats[i] as Format).carriers) {
        const value = carrier.write(to);
        if (value === undefined) continue;
        const text = writtenInto(carrier, value);
        if (text === undefined) tellUnwritable(written[i] as FormatName, carrier, group);
        else if (carrier.entry !== undefined) entries.push([carrier.entry, text]);
        else (carrier.onlyAttached === true ? attachments : headers).push([carrier.header, text]);
      }
    }
    return Object.freeze({ tag, headers, attachments, entries });
  }

  function tellUnwritable(name: FormatName, { header, entry }: Carrier, group: string): void {
    const place = entry === undefined ? `header ${header}` : `entry ${entry} of header ${header}`;
    const message = `format ${name} can't write the ${place} for tags of lane group ${JSON.stringify(group)}: calls go without it. Name the group in ASCII, or take ${name} out of LANE_FORMATS`;
    if (told.has(message) || told.size >= MAX_REMEMBERED_TAGS) return;
    told.add(message);
    options.onNotice?.(message);
  }

  function metadata(tag: Tag, service?: string): Record<string, string> {
    const keys: Record<string, string> = { [LANE_METADATA_KEY]: tag };
    for (const format of writtenFormats) keys[format.metadata.key] = tag;
    // Unknown lane groups have no labels; our own key is always written.
    const labels = service === undefined ? undefined : options.rules?.()?.polarisLabelsOf(service);
    const label = labels?.find((one) => one.tag === tag);
    if (written.includes('polaris') && label !== undefined && keys[label.key] === undefined) keys[label.key] = label.values[0] as string;
    return keys;
  }

  const own = listed.flatMap(({ format }) => format.carriers);
  const ownNames = new Set(own.map(({ header }) => header));
  return {
    counts,
    readRaw,
    read,
    carries: (rawHeaders) => rawHeaders.some((text, i) => i % 2 === 0 && ownNames.has(text.toLowerCase())),
    carriedIn: eachSource === undefined ? undefined : carriedIn,
    record: (tag) => record(tag),
    wire: (tag, to) => record(tag, to).wire,
    metadata,
    ownHeaders: [...new Set(own.flatMap(({ header, entry }) => (entry === undefined ? [header] : [])))],
    ownEntries: [...new Set(own.flatMap(({ entry }) => entry ?? []))],
  };
}

/** The value for a carrier, an entry as a whole; undefined: it would be an illegal header, which Node refuses at each request. */
function writtenInto({ entry }: Carrier, value: string): string | undefined {
  const text = entry === undefined ? value : baggageEntry(entry, value);
  return isVisibleAscii(text) ? text : undefined;
}

/** Whether a text is a legal header value in every version of HTTP (RFC 9110, 5.5, without what is only tolerated). */
function isVisibleAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return text.length > 0;
}

/** JSON as a legal header value in every version of HTTP, and in gRPC. A message may have it in any script, and on several lines. */
function asciiJson(json: string): string {
  let text = '';
  let from = 0;
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code >= 0x20 && code <= 0x7e) continue;
    // In valid JSON, control characters occur only between its parts.
    text += json.slice(from, i) + (code < 0x20 ? ' ' : `\\u${code.toString(16).padStart(4, '0')}`);
    from = i + 1;
  }
  return from === 0 ? json : text + json.slice(from);
}

/** The first of duplicate headers counts, even if Node or a proxy has joined them with a comma. A value that may be JSON is left to its reader. */
function firstOf(lines: HeaderLines, isJson: true | undefined): string | undefined {
  const line = typeof lines === 'string' ? lines : lines?.[0];
  if (line === undefined) return undefined;
  return isJson === true ? line.trim() : firstOfList(line);
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
