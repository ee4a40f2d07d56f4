/**
 * The weight of a freshly started instance rises to its full value: `weight × (age ÷ time) ^ curve`, at least a hundredth of it.
 *
 * The instance's metadata says since when and for how long, under the keys of Sermant's graceful online (`GraceConstants` and
 * `GraceSwitchInterceptor.calculateWeight` in its service-registry plugin), so that callers under Sermant do the same to our instances, and we
 * to theirs. Its curve is 2 by default, its time 120 s in the examples; MSE's warm-up is of the same kind.
 */
import type { Instance } from './instance.js';

/** Seconds for which the weight rises. */
const TIME_KEY = 'sermant.grace.warmup.time';
/** Since when, in milliseconds of the epoch. */
const STARTED_KEY = 'sermant.grace.warmup.inject.time';
/** The power. */
const CURVE_KEY = 'sermant.grace.warmup.cal.curve';

const DEFAULT_CURVE = 2;
const MAX_CURVE = 10;
/** Sermant's and Dubbo's least weight: 1 of 100. */
const LEAST_SHARE = 0.01;
/** Bounds for others' claims. */
const MAX_TIME_MS = 86_400_000;

/** How an instance warms up. */
export interface Warmup {
  /** Milliseconds of the epoch, by the clock of the instance's machine. */
  readonly startedAtMs: number;
  readonly timeMs: number;
  readonly curve: number;
}

/** Metadata of an instance whose weight rises from `startedAtMs` (of the epoch) on. */
export function warmupMetadata(startedAtMs: number, timeMs: number): Readonly<Record<string, string>> {
  // Sermant reads whole seconds.
  return { [TIME_KEY]: String(Math.ceil(timeMs / 1_000)), [STARTED_KEY]: String(Math.round(startedAtMs)) };
}

/** An instance's warm-up by its metadata; undefined: none, or unreadable. */
export function warmupOf({ metadata }: Pick<Instance, 'metadata'>): Warmup | undefined {
  const time = metadata[TIME_KEY];
  if (time === undefined) return undefined;
  const timeMs = Number(time) * 1_000;
  const startedAtMs = Number(metadata[STARTED_KEY]);
  if (!(timeMs > 0 && timeMs <= MAX_TIME_MS) || !(startedAtMs > 0)) return undefined;
  const curve = Number(metadata[CURVE_KEY] ?? DEFAULT_CURVE);
  return { startedAtMs, timeMs, curve: curve > 0 && curve <= MAX_CURVE ? curve : DEFAULT_CURVE };
}

/** An instance's share of its weight at this age in milliseconds: from a hundredth to 1. */
export function warmupShare({ timeMs, curve }: Warmup, ageMs: number): number {
  return ageMs >= timeMs ? 1 : Math.max(LEAST_SHARE, (Math.max(0, ageMs) / timeMs) ** curve);
}
