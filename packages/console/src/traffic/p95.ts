import { DURATION_BOUNDS_SECONDS } from '@lane/core/agent';

/**
 * The 95th percentile of a histogram: within a bucket, durations count as evenly spread, as in Prometheus. Undefined if it is empty; the last
 * bound stands for anything longer.
 */
export function p95MsOf(buckets: readonly number[] | undefined): number | undefined {
  const total = (buckets ?? []).reduce((sum, count) => sum + count, 0);
  if (buckets === undefined || total <= 0) return undefined;
  const wanted = total * 0.95;
  let below = 0;
  for (const [i, bound] of DURATION_BOUNDS_SECONDS.entries()) {
    const count = buckets[i] ?? 0;
    if (count > 0 && below + count >= wanted) {
      const lower = i === 0 ? 0 : (DURATION_BOUNDS_SECONDS[i - 1] as number);
      return round((lower + ((wanted - below) / count) * (bound - lower)) * 1_000);
    }
    below += count;
  }
  return (DURATION_BOUNDS_SECONDS.at(-1) as number) * 1_000;
}

function round(ms: number): number {
  return ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms);
}
