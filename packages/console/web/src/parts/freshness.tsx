/** The age of what live pages show. They poll every few seconds; without answers they must not look healthy. */
import { useQueryClient, type Query } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';

/** Data older than this counts as stale: three answers of the slower queries are missing. */
const STALE_MS = 12_000;
const TICK_MS = 1_000;

/** The age of the oldest answer on the visible page. */
export interface Freshness {
  /** Whether it is too old to count as current. */
  readonly isStale: boolean;
  /** The time of that answer, in milliseconds of `Date.now()`; undefined: the page shows no live data. */
  readonly since: number | undefined;
  readonly ageMs: number;
  readonly problem: Error | undefined;
}

/** For the `meta` of live queries. */
export const LIVE = { live: true } as const;

/** Follows all live queries of the visible page, so that no page can forget to. */
export function useFreshness(): Freshness {
  const cache = useQueryClient().getQueryCache();
  // Changes with each answer and each failure.
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
  // A failed query is stale at once.
  return { isStale: error !== null || ageMs > STALE_MS, since, ageMs, problem };
}

/** When the data was current: the console may have queried the registry a while before it answered. */
function knownAt({ state }: Query): number {
  return state.dataUpdatedAt - ((state.data as { readonly statusAgeMs?: number } | undefined)?.statusAgeMs ?? 0);
}

function liveQueries(all: readonly Query[]): readonly Query[] {
  return all.filter((query) => query.meta?.['live'] === true && query.isActive() && !query.isDisabled());
}
