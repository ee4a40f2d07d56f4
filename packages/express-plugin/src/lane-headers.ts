import { createTagCodec, currentContext, writeLane, type TagCodec } from '@lane/core/model';

/** Headers as clients take them: fetch's `Headers`, pairs, or an object. */
export type HeadersLike = Iterable<readonly [name: string, value: string]> | Readonly<Record<string, HeaderValue>>;

type HeaderValue = string | number | boolean | readonly string[] | null | undefined;

/**
 * Headers for an outbound request in the lane of the work at hand: those given, with the lane's merged in. Expressly base (an inbound
 * tag was not believed), ours are taken out, should they have been copied over. For calls by hand where the agent does not run; where it
 * does, writing twice does no harm. Whether the peer may see the tag is for the caller to know.
 * Throws a TypeError with code `ELANE_INVALID_HEADERS` for what is no headers.
 */
export type LaneHeaders = (headers?: HeadersLike) => Record<string, string>;

/** Of the `lane()` that was made last. */
let latest: LaneHeaders = createLaneHeaders(createTagCodec());

/** Says which function {@link laneHeaders} stands for. */
export function makeLatest(own: LaneHeaders): void {
  latest = own;
}

/**
 * {@link LaneHeaders} in the formats of the one `lane()` of the process. Where several apps have their own, each one's is the
 * `laneHeaders` of what its `lane()` gave; this is that of the last.
 */
export function laneHeaders(headers?: HeadersLike): Record<string, string> {
  return latest(headers);
}

/** Makes {@link LaneHeaders} that write by this codec. */
export function createLaneHeaders(codec: TagCodec): LaneHeaders {
  return (headers = {}) => withLane(headers, codec);
}

function withLane(headers: HeadersLike, codec: TagCodec): Record<string, string> {
  const merged = copyOf(headers);
  const context = currentContext();
  if (context !== undefined) {
    writeLane(context, codec, {
      get: (name) => merged.get(name)?.value,
      set: (name, value) => void merged.set(name, { name: merged.get(name)?.name ?? name, value }),
      remove: (name) => void merged.delete(name),
    });
  }
  return Object.fromEntries(Array.from(merged.values(), ({ name, value }) => [name, value]));
}

/** By lower-case name; the name as the caller spelled it first is kept. */
type Merged = Map<string, { readonly name: string; readonly value: string }>;

function copyOf(headers: HeadersLike): Merged {
  if (typeof headers !== 'object' || headers === null) throw invalid(headers);
  const merged: Merged = new Map();
  for (const pair of Symbol.iterator in headers ? headers : Object.entries(headers)) {
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') throw invalid(pair);
    const [name, value] = pair as readonly [string, HeaderValue];
    if (value === undefined || value === null) continue;
    const key = name.toLowerCase();
    const lines = typeof value === 'object' ? value : [String(value)];
    const before = merged.get(key);
    // Lines of one header are joined as Node joins them (RFC 9110, 5.3; RFC 6265, 5.4).
    const joined = [...(before === undefined ? [] : [before.value]), ...lines].join(key === 'cookie' ? '; ' : ', ');
    merged.set(key, { name: before?.name ?? name, value: joined });
  }
  return merged;
}

function invalid(value: unknown): TypeError {
  const error = new TypeError(
    `ELANE_INVALID_HEADERS: laneHeaders() takes Headers, pairs of name and value, or an object, not ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`,
  );
  return Object.assign(error, { code: 'ELANE_INVALID_HEADERS' });
}
