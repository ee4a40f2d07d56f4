/**
 * Outlier ejection: an instance that answers calls with server errors, while others of its lane answer well, gets none for a while.
 *
 * Numbers and terms are those of Envoy's outlier detection (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier): five
 * 5xx in a row, 30 s for the first ejection, 300 s at most. Different: the cap is 50 % of a lane, not 10 % of a cluster, because lanes are small; a
 * returning instance first gets few calls; and errors in a row are weighed against the others' answers in the lane ({@link failuresNeeded}), which
 * Envoy does only for success rates, in clusters of at least five hosts with a hundred requests each. So a failure everywhere, such as a request
 * that no instance can answer or a database that is down, ejects nobody.
 */

/** When an instance is ejected, for how long, and how many of a lane at once. */
export interface OutlierPolicy {
  /** Failed connections in a row after which an instance is left alone. */
  readonly connect: number;
  /** Server errors in a row after which an instance is ejected; 0: never. */
  readonly serverErrors: number;
  /** Duration of the first ejection; each further one takes twice as long. */
  readonly timeMs: number;
  /** The share of a lane that may be ejected, above 0 and up to 1; one instance may always be, if there is another one. */
  readonly cap: number;
}

/** The default. A failed connect has carried nothing, so the first one counts. */
export const DEFAULT_OUTLIER_POLICY: OutlierPolicy = { connect: 1, serverErrors: 5, timeMs: 30_000, cap: 0.5 };

/** Nobody is ejected; instances that refuse connections are still left alone. */
export const NO_OUTLIERS: OutlierPolicy = { ...DEFAULT_OUTLIER_POLICY, serverErrors: 0 };

/** Longest ejection, unless the first one is longer. */
export const MAX_EJECTION_MS = 300_000;

/** An instance's share of its weight on probation, until it has answered one call without a server error. */
export const PROBE_SHARE = 0.05;

/** Duration of the n-th ejection in a row, from 0. */
export function ejectionMs({ timeMs }: OutlierPolicy, ejections: number): number {
  return Math.min(timeMs * 2 ** ejections, Math.max(timeMs, MAX_EJECTION_MS));
}

/** How many of a lane's live instances may be ejected at once: never the last. */
export function mostEjected({ cap }: OutlierPolicy, alive: number): number {
  return Math.min(Math.max(1, Math.floor(alive * cap)), alive - 1);
}

/** Time after which half of the answers are forgotten. */
const HALF_LIFE_MS = 30_000;

/** Counts good and bad answers, and forgets half of them every {@link HALF_LIFE_MS}. */
export class Tally {
  good = 0;
  bad = 0;
  #halvings = 0;

  /** One more answer. */
  count(isBad: boolean, nowMs: number): void {
    this.fade(nowMs);
    if (isBad) this.bad++;
    else this.good++;
  }

  /** Subtracts another tally. */
  subtract(other: Tally, nowMs: number): void {
    this.fade(nowMs);
    other.fade(nowMs);
    this.good = Math.max(0, this.good - other.good);
    this.bad = Math.max(0, this.bad - other.bad);
  }

  /** Forgets, at the same times in all tallies, so that a part of another one stays its part. */
  fade(nowMs: number): void {
    const halvings = Math.floor(nowMs / HALF_LIFE_MS);
    if (halvings === this.#halvings) return;
    const left = 2 ** (this.#halvings - halvings);
    this.good *= left;
    this.bad *= left;
    this.#halvings = halvings;
  }

  clear(): void {
    this.good = 0;
    this.bad = 0;
  }
}

/** The share of bad answers in a healthy lane. */
const USUAL_SHARE = 0.05;

/**
 * How many failures in a row show that the instance itself fails, given the others' answers in its lane: `count` if they answer well. If
 * others fail as well, it takes so many that one of them is as unlikely to produce them as an instance with one bad answer in twenty is to
 * produce `count` in a row (with five: once in three million). It counts one more failure of the others than there were: as long as none of them
 * has answered well, no number is enough.
 */
export function failuresNeeded(count: number, { good, bad }: Pick<Tally, 'good' | 'bad'>): number {
  const share = (bad + 1) / (good + bad + 1);
  if (share <= USUAL_SHARE) return count;
  return share < 1 ? Math.ceil((count * Math.log(USUAL_SHARE)) / Math.log(share)) : Infinity;
}

/** Stands for the status of an instance that broke off a connection before it began to answer. */
export const BROKEN_OFF = 0;

/** Whether a status means that the instance itself fails. 501 means that it never supports the request, which is not a failure. */
export function isServerError(status: number): boolean {
  if (status === BROKEN_OFF) return true;
  return status >= 500 && status <= 599 && status !== 501;
}

/**
 * The HTTP status for a gRPC status, if it is a server error; else 200. Envoy maps them like this for outlier detection
 * (`Grpc::Utility::grpcToHttpStatus`, source/common/grpc/status.cc), which looks at them in headers only (`Filter::onUpstreamHeaders` of
 * source/common/router/router.cc), where we look at trailers, too.
 */
export function httpStatusOfGrpc(code: number): number {
  return SERVER_ERRORS_OF_GRPC.get(code) ?? 200;
}

/** UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const SERVER_ERRORS_OF_GRPC: ReadonlyMap<number, number> = new Map([
  [2, 500],
  [4, 504],
  [12, 501],
  [13, 500],
  [14, 503],
  [15, 500],
]);
