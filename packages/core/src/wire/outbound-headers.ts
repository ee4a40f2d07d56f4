import { BAGGAGE_HEADER, mergeBaggageEntry, removeBaggageEntry, type HeaderLines } from './baggage.js';
import type { LaneContext } from '../context.js';
import type { TagCodec } from './tag-codec.js';
import type { Tag } from '../names/tag.js';

/** Reads and writes the headers of one outbound request, in any form. Names are lower case. */
export interface OutboundHeaders {
  /** These are a message's properties, or attachments of a remote call. */
  readonly areAttachments?: true;
  get(name: string): HeaderLines;
  set(name: string, value: string): void;
  remove(name: string): void;
}

/**
 * Writes a context into outbound headers. Expressly base (an inbound tag was not trusted, or the instance has a tag and the
 * request none): removes our entries, in case the app has copied them. `to`: the called service, if known.
 */
export function writeLane(context: LaneContext, codec: TagCodec, headers: OutboundHeaders, to?: string): void {
  if (context.tag === undefined) removeTag(codec, headers);
  else writeTag(context.tag, codec, headers, to);
  if (context.carried !== undefined) headers.set(context.carried.header, context.carried.value);
}

/** Writes a tag into outbound headers: merges our entry into the one `baggage` line, and replaces whole headers. */
export function writeTag(tag: Tag, codec: TagCodec, headers: OutboundHeaders, to?: string): void {
  const wire = codec.wire(tag, to);
  if (wire.entries.length > 0) {
    let lines = headers.get(BAGGAGE_HEADER);
    // Each goes first: starting from the last, they end up in order.
    for (let i = wire.entries.length - 1; i >= 0; i--) {
      const [key, entry] = wire.entries[i] as (typeof wire.entries)[number];
      lines = mergeBaggageEntry(lines, key, entry);
    }
    headers.set(BAGGAGE_HEADER, lines as string);
  }
  for (const [name, value] of wire.headers) headers.set(name, value);
  if (headers.areAttachments === true) for (const [name, value] of wire.attachments) headers.set(name, value);
}

/** Removes all our entries and headers, in every format read or written; other baggage stays. */
export function removeTag(codec: TagCodec, headers: OutboundHeaders): void {
  for (const name of codec.ownHeaders) if (headers.get(name) !== undefined) headers.remove(name);
  const lines = headers.get(BAGGAGE_HEADER);
  if (lines === undefined) return;
  let rest: string | undefined = typeof lines === 'string' ? lines : lines.join(',');
  const before = rest;
  for (const key of codec.ownEntries) rest = removeBaggageEntry(rest, key);
  if (rest === undefined) headers.remove(BAGGAGE_HEADER);
  else if (rest !== before) headers.set(BAGGAGE_HEADER, rest);
}
