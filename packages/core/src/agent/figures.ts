/**
 * Counters of requests and calls by lane. Made for the request path: a known series costs two or three look-ups and no
 * allocation. The number of series is bounded, because clients could make up tags: the rest counts as {@link OTHER}.
 */
import { TRAFFIC_ROUTES, type CallFigures, type DurationFigures, type RequestFigures, type TrafficRoute } from './reports.js';
import type { TagSource } from '../rules/request-tag.js';
import type { Tag } from '../names/tag.js';

/** Stands for tags and peers beyond the limit; no tag can have this name. */
export const OTHER = '(other)';

/** Upper bounds of the histogram's buckets, in seconds. */
export const DURATION_BOUNDS_SECONDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A series: its holder increments it. */
export interface Series {
  count: number;
  errors: number;
}

/** Options of {@link TrafficCounters}. */
export interface TrafficCountersOptions {
  /** Whether instances or lane groups know the tag, so that it never counts as made up. Called only while it has no series. */
  readonly knows?: (tag: Tag) => boolean;
  /** How many series unknown tags get. */
  readonly maxUnknownTags?: number;
  readonly maxPeers?: number;
}

/** Requests of one tag. */
class TagRequests {
  inbound: Series | undefined = undefined;
  rule: Series | undefined = undefined;
  stamp: Series | undefined = undefined;
  none: Series | undefined = undefined;
  /** One more than there are bounds. */
  readonly buckets = new Float64Array(DURATION_BOUNDS_SECONDS.length + 1);
  sumSeconds = 0;
}

/** Calls to one peer, of one tag. */
class TagCalls {
  lane: Series | undefined = undefined;
  base: Series | undefined = undefined;
  fallback: Series | undefined = undefined;
  corrected: Series | undefined = undefined;
  none: Series | undefined = undefined;
  outside: Series | undefined = undefined;
}

/** The counters of a process. */
export class TrafficCounters {
  readonly #knows: (tag: Tag) => boolean;
  readonly #maxUnknownTags: number;
  readonly #maxPeers: number;
  readonly #requests = new Map<Tag | undefined, TagRequests>();
  readonly #calls = new Map<string, Map<Tag | undefined, TagCalls>>();
  /** Unknown tags with a series. */
  readonly #unknown = new Set<Tag>();
  /** Counted under {@link OTHER}. */
  readonly overflow = { requests: 0, calls: 0 };

  constructor({ knows = () => false, maxUnknownTags = 16, maxPeers = 256 }: TrafficCountersOptions = {}) {
    this.#knows = knows;
    this.#maxUnknownTags = maxUnknownTags;
    this.#maxPeers = maxPeers;
  }

  /** Counts a request that has ended. `seconds`: its duration; undefined if that means nothing, as for a WebSocket. */
  request(tag: Tag | undefined, source: TagSource, failed: boolean, seconds: number | undefined): void {
    let requests = this.#requests.get(tag);
    if (requests === undefined) {
      const admitted = this.#admit(tag);
      if (admitted === OTHER) this.overflow.requests++;
      requests = this.#requests.get(admitted);
      if (requests === undefined) this.#requests.set(admitted, (requests = new TagRequests()));
    }
    const series = (requests[source] ??= { count: 0, errors: 0 });
    series.count++;
    if (failed) series.errors++;
    if (seconds === undefined) return;
    requests.sumSeconds += seconds;
    let at = 0;
    while (at < DURATION_BOUNDS_SECONDS.length && seconds > (DURATION_BOUNDS_SECONDS[at] as number)) at++;
    (requests.buckets[at] as number)++;
  }

  /** Counts a call as it is made; add its failure to the returned series. */
  call(peer: string, tag: Tag | undefined, route: TrafficRoute): Series {
    let lanes = this.#calls.get(peer);
    let isOther = false;
    if (lanes === undefined) {
      const admitted = this.#calls.size < this.#maxPeers ? peer : OTHER;
      isOther = admitted === OTHER;
      lanes = this.#calls.get(admitted);
      if (lanes === undefined) this.#calls.set(admitted, (lanes = new Map()));
    }
    let calls = lanes.get(tag);
    if (calls === undefined) {
      const admitted = this.#admit(tag);
      isOther ||= admitted === OTHER;
      calls = lanes.get(admitted);
      if (calls === undefined) lanes.set(admitted, (calls = new TagCalls()));
    }
    if (isOther) this.overflow.calls++;
    const series = (calls[route] ??= { count: 0, errors: 0 });
    series.count++;
    return series;
  }

  /** All series of requests. */
  *requestFigures(): Generator<RequestFigures> {
    for (const [tag = null, requests] of this.#requests) {
      for (const source of SOURCES) {
        const series = requests[source];
        if (series !== undefined) yield { tag, source, count: series.count, errors: series.errors };
      }
    }
  }

  /** How long requests took. */
  *durationFigures(): Generator<DurationFigures> {
    for (const [tag = null, { buckets, sumSeconds }] of this.#requests) {
      let count = 0;
      const cumulative = Array.from(buckets, (some) => (count += some)).slice(0, -1);
      if (count > 0) yield { tag, count, sumSeconds, buckets: cumulative };
    }
  }

  /** All series of calls. */
  *callFigures(): Generator<CallFigures> {
    for (const [peer, lanes] of this.#calls) {
      for (const [tag = null, calls] of lanes) {
        for (const route of TRAFFIC_ROUTES) {
          const series = calls[route];
          if (series !== undefined) yield { peer, tag, route, count: series.count, errors: series.errors };
        }
      }
    }
  }

  /** The tag under which a new one is counted. */
  #admit(tag: Tag | undefined): Tag | undefined {
    if (tag === undefined || this.#unknown.has(tag) || this.#knows(tag)) return tag;
    if (this.#unknown.size >= this.#maxUnknownTags) return OTHER;
    this.#unknown.add(tag);
    return tag;
  }
}

const SOURCES = ['inbound', 'rule', 'stamp', 'none'] as const;
