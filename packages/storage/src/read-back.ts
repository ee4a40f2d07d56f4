/** Whether what was written is there: a server's word alone is not believed (rnacos says `true` in its first seconds, and drops it). */
import type { ConfigStore } from '@lane/core/model';
import { LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP } from './document-id.js';
import { LaneGroupsError } from './lane-groups-error.js';

/** A server reads from a cache that follows its database (seen: 100 ms with Nacos 2.2.4, and 404 for a new document until then). In milliseconds. */
export const CACHE_LAG_MS = 3_000;
/** How often it is looked again, in milliseconds. */
export const CACHE_POLL_MS = 20;
/** A server that drops what it is told is told again so often. */
export const MAX_DROPPED = 3;

/**
 * Whether this text (empty: none) is stored as the lane groups, or will be as soon as the server's cache has followed. With `before`, the text that was
 * there, any third one is an answer at once. Rejects where the store can't be reached.
 */
export async function isStored(store: Pick<ConfigStore, 'get'>, text: string, lagMs: number, before?: string): Promise<boolean> {
  const deadline = performance.now() + lagMs;
  for (;;) {
    const stored = (await store.get(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP))?.content ?? '';
    if (stored === text) return true;
    if (performance.now() >= deadline || (before !== undefined && stored !== before)) return false;
    await pause(CACHE_POLL_MS);
  }
}

/** The error for a server that says that it has taken a document, and does not have it. */
export function dropped(): LaneGroupsError {
  return new LaneGroupsError(
    'ELANE_NOT_STORED',
    `the server has taken the lane groups ${MAX_DROPPED} times, and does not have them: nothing is published. It may not be ready yet, as some are not in their first seconds: try again, and look at its log`,
  );
}

/** Settles after so many milliseconds. */
export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
