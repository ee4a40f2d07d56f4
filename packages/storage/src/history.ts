/**
 * Versions of the lane groups, from Nacos's own history of its documents. Nacos stores with each change the content before it; the
 * content after it is stored with the next change, or is the document itself.
 */
import type { ConfigChange, VersionedConfigStore } from '@lane/core/model';
import { LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP } from './document-id.js';
import { LaneGroupsError } from './lane-groups-error.js';

/** A version of the lane groups: the result of a change. Author and time are the change's. */
export interface LaneGroupsVersion extends ConfigChange {
  /** Whether it is the latest. */
  readonly isCurrent: boolean;
}

/** A version with its text; undefined: that change has removed the document. */
export interface LaneGroupsVersionText extends LaneGroupsVersion {
  readonly text: string | undefined;
}

/** A page of versions, latest first. */
export interface LaneGroupsVersions {
  readonly total: number;
  readonly versions: readonly LaneGroupsVersion[];
}

const PAGE_SIZE = 100;

/** Lists versions, latest first; pages count from 1. */
export async function listVersions(connection: VersionedConfigStore, page: number, limit: number): Promise<LaneGroupsVersions> {
  const { total, changes } = await connection.history(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP, { page, limit });
  return { total, versions: changes.map((change, i) => ({ ...change, isCurrent: page === 1 && i === 0 })) };
}

/** Reads a version. Rejects with `ELANE_NOT_FOUND` if there is none with this id. */
export async function readVersion(connection: VersionedConfigStore, id: string): Promise<LaneGroupsVersionText> {
  let next: ConfigChange | undefined;
  for (let page = 1; ; page++) {
    const { changes, total } = await connection.history(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP, { page, limit: PAGE_SIZE });
    const found = changes.findIndex((change) => change.id === id);
    if (found !== -1) {
      const change = changes[found] as ConfigChange;
      next = changes[found - 1] ?? next;
      return { ...change, isCurrent: next === undefined, text: await textAfter(connection, change, next) };
    }
    next = changes.at(-1) ?? next;
    if (changes.length < PAGE_SIZE || page * PAGE_SIZE >= total) {
      throw new LaneGroupsError('ELANE_NOT_FOUND', `Nacos has no version ${id} of the lane groups: lane group history lists those that it has`);
    }
  }
}

/** Changes since the one of this id, the earliest first. Ids grow, as keys of a table do. */
export async function changesSince(connection: VersionedConfigStore, id: string | undefined): Promise<readonly ConfigChange[]> {
  const { changes } = await connection.history(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP, { page: 1, limit: PAGE_SIZE });
  const newer = id === undefined ? changes : changes.filter((change) => BigInt(change.id) > BigInt(id));
  return newer.toReversed();
}

/** The content before a change. */
export function textBefore(connection: VersionedConfigStore, change: ConfigChange): Promise<string | undefined> {
  return change.kind === 'created' ? Promise.resolve(undefined) : contentOf(connection, change);
}

async function textAfter(connection: VersionedConfigStore, change: ConfigChange, next: ConfigChange | undefined): Promise<string | undefined> {
  if (change.kind === 'removed') return undefined;
  if (change.kind === 'created') return contentOf(connection, change);
  if (next === undefined) return (await connection.get(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP))?.content;
  return textBefore(connection, next);
}

function contentOf(connection: VersionedConfigStore, { id }: ConfigChange): Promise<string | undefined> {
  return connection.contentOfChange(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP, id);
}
