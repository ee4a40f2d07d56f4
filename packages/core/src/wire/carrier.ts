/** The places of a tag in a request, and how to read and write them. */
import type { Tag } from '../names/tag.js';
import type { WireLane, WireRules } from '../rules/types.js';

/** A request's tags by service. */
export type TagsByService = ReadonlyMap<string, Tag>;

/** Context for reading a value. */
export interface Reader {
  /** The reading service, for carriers with a tag for each service; undefined: unknown. */
  readonly service: string | undefined;
  readonly rules: WireRules | undefined;
}

/** Context for writing a tag. */
export interface TagToWrite {
  readonly tag: Tag;
  /** The lane group, by name. */
  readonly group: string;
  /** undefined: no lane group has the tag. */
  readonly lane: WireLane | undefined;
  /** The lane must not fall back to base. */
  readonly strict: boolean;
}

/** One place of a tag in a request: a separate header, or an entry of the `baggage` header. */
export interface Carrier {
  /** Name of the header, lower case. */
  readonly header: string;
  /** Key of the entry; undefined: the whole header is ours. */
  readonly entry: string | undefined;
  /** Written only to properties of messages and attachments of remote calls, not over plain HTTP. Read everywhere. */
  readonly onlyAttached?: true;
  /**
   * The text of the tag in a value, which may be invalid; undefined: the value is well-formed and has none.
   * Without this function, the place has no tag, and is only forwarded.
   */
  readonly read: ((value: string, reader: Reader) => string | undefined) | undefined;
  /** The value may be JSON, which contains commas: it is read whole, not cut at the first comma. */
  readonly isJson?: true;
  /** The tags of several services in a value, and the text to forward; undefined: it has one tag. */
  readonly readEach?: (value: string) => { readonly text: string; readonly tags: TagsByService } | undefined;
  /**
   * The value to write; undefined: none for this tag. The caller percent-encodes an entry of baggage; a separate header must
   * be visible ASCII.
   */
  readonly write: (to: TagToWrite) => string | undefined;
}

/** Of values that Node or a proxy has joined by a comma the first. */
export function firstOfList(line: string): string {
  const comma = line.indexOf(',');
  return (comma === -1 ? line : line.slice(0, comma)).trim();
}
