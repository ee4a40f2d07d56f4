/** Whether a write was stored: a server's answer alone proves nothing (rnacos says `true` in its first seconds, and drops the write). */
import type { ConfigStore } from '@lane/core/model';
import { LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP } from './document-id.js';
import { LaneGroupsError } from './lane-groups-error.js';

/** A server reads from a cache that follows its database (seen: 100 ms with Nacos 2.2.4, and 404 for a new document until then). In milliseconds. */
export const CACHE_LAG_MS = 3_000;
/** Interval of checks, in milliseconds. */
export const CACHE_POLL_MS = 20;
/** How often to write again to a server that drops writes. */
export const MAX_DROPPED = 3;

/**
 * Whether this text (empty: none) is stored as the lane groups, or will be as soon as the server's cache has followed. With `before`, the text that was
 * there, any third text means no at once. Rejects if the store can't be reached.
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

/** The error for a server that reports success but does not have the document. */
export function dropped(): LaneGroupsError {
  return new LaneGroupsError(
    'ELANE_NOT_STORED',
    `the server accepted the lane groups ${MAX_DROPPED} times without storing them, so nothing is published. It may still be starting: try again, and check its log`,
  );
}

/** Settles after that many milliseconds. */
export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
