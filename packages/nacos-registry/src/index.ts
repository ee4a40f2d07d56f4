export {
  connectNacos,
  type CheckResult,
  type ConfigChange,
  type ConfigChangePage,
  type NacosConnection,
  type NacosNamespace,
  type NacosOptions,
  type PublishOptions,
  type Registration,
} from './connection.js';
export { NacosError, type NacosErrorCode } from './nacos-error.js';
export { DEFAULT_CLUSTER, DEFAULT_GROUP, type NacosInstance } from './nacos-instance.js';
export { parseServers, type ServerAddress } from './server-address.js';
export { createSnapshotStore, defaultSnapshotDirectory, type SnapshotStore, type SnapshotStoreOptions } from './snapshot-store.js';
export {
  LaneNaming,
  type AppRegistration,
  type Clusters,
  type ConnectionInfo,
  type LaneNamingOptions,
  type RegistrationAnnouncement,
  type ViewOptions,
} from './lane-naming.js';
export {
  InvalidLaneGroupsError,
  LANE_GROUPS_DATA_ID,
  LANE_GROUPS_GROUP,
  publishLaneGroups,
  watchLaneGroups,
  watchLaneGroupsFile,
  type LaneGroupsInfo,
  type LaneGroupsOptions,
} from './lane-groups-source.js';
export { LaneGroupsStore, type ChangeOptions, type ChangeResult, type LaneGroupsEdit, type StoredLaneGroups } from './lane-groups-store.js';
export type { LaneGroupsVersion, LaneGroupsVersions, LaneGroupsVersionText } from './lane-groups-history.js';
export { surveyServices, tablesOf, type SurveyedService, type SurveyOptions } from './survey.js';
export { decorate, decorateClass, type AdapterMethods, type AnyFunction, type MakeMethod, type SdkAdapter, type Wrap } from './adapters/adapter.js';
export { nacosAdapter, nacosGrpcAdapter, SDK_ADAPTERS } from './adapters/index.js';
