/** How old what is shown is. What live pages show is asked for every few seconds; once no answer comes, they must not look healthy. */
import { useQueryClient, type Query } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';

/** Older than this, what is shown is called old: three of the slower queries' answers have not come. */
const STALE_MS = 12_000;
const TICK_MS = 1_000;

/** The age of the oldest answer that a page in sight shows. */
export interface Freshness {
  /** Whether it is too old to be taken for what is now. */
  readonly isStale: boolean;
  /** Since when nothing newer has come, in milliseconds of `Date.now()`; undefined: nothing is shown that ages. */
  readonly since: number | undefined;
  readonly ageMs: number;
  readonly problem: Error | undefined;
}

/** Set in the `meta` of queries whose answers age. */
export const LIVE = { live: true } as const;

/** Follows all live queries that pages in sight use, so that no page can forget to. */
export function useFreshness(): Freshness {
  const cache = useQueryClient().getQueryCache();
  // A number that differs whenever an answer has come, or a failure.
  useSyncExternalStore(
    (changed) => cache.subscribe(changed),
    () => liveQueries(cache.getAll()).reduce((sum, { state }) => sum + state.dataUpdatedAt + state.errorUpdateCount + state.fetchFailureCount, 0),
  );
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  const answered = liveQueries(cache.getAll()).filter(({ state }) => state.dataUpdatedAt > 0);
  const oldest = answered.toSorted((a, b) => knownAt(a) - knownAt(b))[0];
  if (oldest === undefined) return { isStale: false, since: undefined, ageMs: 0, problem: undefined };
  const { fetchFailureReason, error } = oldest.state;
  const since = knownAt(oldest);
  const ageMs = Math.max(0, now - since);
  const problem = (error ?? fetchFailureReason ?? undefined) as Error | undefined;
  // What has failed is old as soon as the failure is known.
  return { isStale: error !== null || ageMs > STALE_MS, since, ageMs, problem };
}

/** When the console knew what it answered with: it may have asked the registry a while before. */
function knownAt({ state }: Query): number {
  return state.dataUpdatedAt - ((state.data as { readonly statusAgeMs?: number } | undefined)?.statusAgeMs ?? 0);
}

function liveQueries(all: readonly Query[]): readonly Query[] {
  return all.filter((query) => query.meta?.['live'] === true && query.isActive() && !query.isDisabled());
}
