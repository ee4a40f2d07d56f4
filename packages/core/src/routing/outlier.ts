/**
 * Outlier ejection: an instance that answers calls with server errors again and again gets none for a while, as long as its lane has others.
 *
 * Numbers and terms are those of Envoy's outlier detection
 * (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier): five 5xx in a row, 30 s for the first ejection, 300 s at
 * most. Different: the cap is 50 % of a lane, not 10 % of a cluster, as lanes are small; and who comes back is probed with few calls first.
 */

/** When an instance is ejected, for how long, and how many of a lane at once. */
export interface OutlierPolicy {
  /** Connections in a row that came about nowhere, after which an instance is left alone. */
  readonly connect: number;
  /** Server errors in a row that an instance answered, after which it is ejected; 0: never. */
  readonly serverErrors: number;
  /** The first ejection; each further one takes twice as long as the one before. */
  readonly timeMs: number;
  /** Of a lane, the share that may be ejected, above 0 and up to 1; one instance may always, where there is another one. */
  readonly cap: number;
}

/** What holds unless it is said otherwise. A failed connect has carried nothing and costs nobody anything: the first one counts. */
export const DEFAULT_OUTLIER_POLICY: OutlierPolicy = { connect: 1, serverErrors: 5, timeMs: 30_000, cap: 0.5 };

/** Nobody is ejected; instances that refuse connections are still left alone. */
export const NO_OUTLIERS: OutlierPolicy = { ...DEFAULT_OUTLIER_POLICY, serverErrors: 0 };

/** No ejection takes longer, unless the first one does. */
export const MAX_EJECTION_MS = 300_000;

/** The share of its weight that an instance gets after its ejection, until it has answered one call without a server error. */
export const PROBE_SHARE = 0.05;

/** So long the n-th ejection in a row takes, from 0. */
export function ejectionMs({ timeMs }: OutlierPolicy, ejections: number): number {
  return Math.min(timeMs * 2 ** ejections, Math.max(timeMs, MAX_EJECTION_MS));
}

/** How many of a lane's live instances may be ejected at once: never the last. */
export function mostEjected({ cap }: OutlierPolicy, alive: number): number {
  return Math.min(Math.max(1, Math.floor(alive * cap)), alive - 1);
}

/** Whether a status says that the instance itself fails. 501 says that it never does what is asked, which is no sign of illness. */
export function isServerError(status: number): boolean {
  return status >= 500 && status <= 599 && status !== 501;
}
