export { createSnapshotStore, defaultSnapshotDirectory, type SnapshotStoreOptions } from './snapshot-store.js';
export { LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP } from './document-id.js';
export { LaneGroupsError, type LaneGroupsErrorCode } from './lane-groups-error.js';
export {
  InvalidLaneGroupsError,
  publishLaneGroups,
  watchLaneGroups,
  watchLaneGroupsFile,
  type LaneGroupsFileOptions,
  type LaneGroupsInfo,
  type LaneGroupsOptions,
  type StoredLaneGroupsOptions,
} from './source.js';
export { LaneGroupsStore, type ChangeOptions, type ChangeResult, type LaneGroupsEdit, type StoredLaneGroups } from './store.js';
export type { LaneGroupsVersion, LaneGroupsVersions, LaneGroupsVersionText } from './history.js';
