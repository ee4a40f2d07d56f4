/** The places of a request where a tag stands, and what reading and writing them goes by. */
import type { Tag } from '../names/tag.js';
import type { WireLane, WireRules } from '../rules/types.js';

/** The tag of each service that a request names one for. */
export type TagsByService = ReadonlyMap<string, Tag>;

/** What reading goes by besides the value. */
export interface Reader {
  /** The service that reads, for what names a tag for each service; undefined: it is not known. */
  readonly service: string | undefined;
  readonly rules: WireRules | undefined;
}

/** What is known of the tag that is written. */
export interface TagToWrite {
  readonly tag: Tag;
  /** The lane group, by name. */
  readonly group: string;
  /** undefined: no lane group has the tag. */
  readonly lane: WireLane | undefined;
  /** The lane must not fall back to base. */
  readonly strict: boolean;
}

/** One place of a request where a tag stands: a header of its own, or an entry of the `baggage` header. */
export interface Carrier {
  /** Name of the header, lower case. */
  readonly header: string;
  /** Key of the entry; undefined: the header is ours as a whole. */
  readonly entry: string | undefined;
  /** Written where a header is a property of a message or an attachment of a remote call, and not over plain HTTP. It is read everywhere. */
  readonly onlyAttached?: true;
  /**
   * The text of the tag in what stands there, which need not be one; undefined: it is well-formed and says none.
   * Where there is no function, this place tells no tag, it only goes along.
   */
  readonly read: ((value: string, reader: Reader) => string | undefined) | undefined;
  /** The tags of several services in what stands there; undefined: it is of one tag. Such a value is passed on as it came. */
  readonly readEach?: (value: string) => TagsByService | undefined;
  /**
   * What to put there; undefined: nothing for this tag. An entry of baggage is percent-encoded by whoever writes it; a header of its own has to
   * be visible ASCII.
   */
  readonly write: (to: TagToWrite) => string | undefined;
}
