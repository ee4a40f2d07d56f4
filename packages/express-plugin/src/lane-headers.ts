import { createTagCodec, currentContext, writeLane, type TagCodec } from '@lane/core/model';

/** Headers as clients accept them: fetch's `Headers`, pairs, or an object. */
export type HeadersLike = Iterable<readonly [name: string, value: string]> | Readonly<Record<string, HeaderValue>>;

type HeaderValue = string | number | boolean | readonly string[] | null | undefined;

/**
 * Headers for an outbound request in the current lane: the given ones, with the lane's merged in. If the lane is explicitly base (an inbound tag was not
 * trusted), removes ours, in case they were copied. For calls without the agent; with it, writing twice does no harm. The caller decides whether
 * the peer may see the tag. Throws a TypeError with code `ELANE_INVALID_HEADERS` for invalid headers.
 */
export type LaneHeaders = (headers?: HeadersLike) => Record<string, string>;

/** The function of the most recent `lane()`. */
let latest: LaneHeaders = createLaneHeaders(createTagCodec());

/** Sets the function behind {@link laneHeaders}. */
export function makeLatest(own: LaneHeaders): void {
  latest = own;
}

/**
 * {@link LaneHeaders} in the formats of the process's `lane()`. If several apps have their own, each uses the
 * `laneHeaders` of its `lane()`; this is that of the last one.
 */
export function laneHeaders(headers?: HeadersLike): Record<string, string> {
  return latest(headers);
}

/** Creates {@link LaneHeaders} for this codec. */
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

/** By lower-case name; keeps the caller's first spelling. */
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
