export {
  AGENT_VARIABLES,
  CONFIG_VARIABLE,
  LOG_LEVELS,
  kubernetesServerOf,
  OPTION_ROWS,
  readAgentOptions,
  TAG_VARIABLES,
  type AgentOptions,
  type Environment,
  type LogLevel,
  type OptionProblem,
  type OptionSources,
} from './agent-options.js';
export { isTag, MAX_TAG_LENGTH, TAG_RULE, type Tag } from './tag.js';
export {
  BAGGAGE_HEADER,
  BAGGAGE_KEY_ACCEPTED,
  baggageEntry,
  isBaggageKey,
  MAX_BAGGAGE_BYTES,
  MAX_BAGGAGE_ENTRIES,
  mergeBaggageEntry,
  parseBaggage,
  readBaggageEntry,
  removeBaggageEntry,
  type BaggageEntry,
  type HeaderLines,
} from './baggage.js';
export {
  createTagCodec,
  DEFAULT_BAGGAGE_KEY,
  FORMAT_NAMES,
  linesOf,
  type FormatName,
  type ReadingCounts,
  type TagCodec,
  type TagCodecOptions,
  type WireTag,
} from './formats.js';
export { LANE_METADATA_KEY, tagOfMetadata, type Instance, type MetadataReading } from './instance.js';
export {
  buildChances,
  buildLaneIndex,
  isUsable,
  pick,
  route,
  type BaseMode,
  type Chances,
  type Decision,
  type Fallback,
  type IndexRules,
  type LaneIndex,
  type LanePolicy,
  type Reason,
} from './lane-index.js';
export {
  isBaseInstance,
  isInRightLane,
  ServiceTables,
  type KnownAddress,
  type ServiceKey,
  type ServiceTable,
  type ServiceTablesOptions,
  type TableOrigin,
} from './service-tables.js';
export { explainHop, type ExplainedInstance, type HopExplanation, type InstanceRole } from './explain-hop.js';
export { laneStatus, type GroupStatus, type InstanceCount, type LaneCell, type LaneHead, type ServedBy, type ServiceStatus } from './lane-status.js';
export { nearest } from './nearest.js';
export { isPackageManager } from './package-manager.js';
export { removeTag, writeLane, writeTag, type OutboundHeaders } from './outbound-headers.js';
export { decideRequestTag, NO_TAG, REQUEST_MARK, type RequestTag, type RequestTagRules, type TagSource } from './request-tag.js';
export { LANE_UNAVAILABLE, LaneUnavailableError } from './unavailable-error.js';
export {
  aroundEntering,
  backgroundLane,
  bindLane,
  currentContext,
  currentLane,
  enterContext,
  hasEnteredLane,
  laneContext,
  runInLane,
  setBackgroundLane,
  type LaneContext,
} from './context.js';
export type {
  CompiledLane,
  EntryMatch,
  EntryRule,
  EntryRules,
  Lane,
  LaneGroup,
  LaneGroupsDocument,
  LaneRules,
  Matcher,
  Problem,
  RequestKey,
  RequestView,
  StringMatch,
} from './lane-groups/types.js';
export { DURATION_BOUNDS_SECONDS, OTHER, TrafficCounters, type Series, type TrafficCountersOptions } from './traffic.js';
export {
  ADMIN_METADATA_KEY,
  TRAFFIC_ROUTES,
  type CallFigures,
  type DecisionReport,
  type DrainReport,
  type DrainState,
  type DurationFigures,
  type RequestFigures,
  type StatusReport,
  type TrafficReport,
  type TrafficRoute,
} from './admin-reports.js';
export { SILENT_LOG, type Log, type LogFields } from './log.js';
export type { ConfigDocument, ConfigStore, Registry, Unsubscribe } from './registry.js';
export {
  compileCidrs,
  compileLaneGroups,
  compileTrust,
  explainEntry,
  groupNamed,
  isCidr,
  LANE_GROUPS_SCHEMA,
  LANE_NOT_FOUND,
  laneGroupsToJson,
  LaneNotFoundError,
  laneNamed,
  mergeLaneGroups,
  NO_LANE_GROUPS,
  parseLaneGroups,
  requestView,
  withGroup,
  withLane,
  withLaneEnabled,
  withoutGroup,
  withoutLane,
  type EntryExplanation,
  type FailedPart,
  type MergedLaneGroups,
  type ParsedLaneGroups,
  type RequestLike,
  type RuleOutcome,
  type RuleShare,
  type RuleTrial,
  type Trust,
  type TrustTest,
} from './lane-groups/index.js';
