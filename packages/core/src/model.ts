/** The model: tags, formats, tables and selection, for packages of Lane. What apps import is in `@lane/core` itself. */
export { isTag, MAX_TAG_LENGTH, TAG_RULE, type Tag } from './names/tag.js';
export {
  BAGGAGE_HEADER,
  baggageEntry,
  MAX_BAGGAGE_BYTES,
  MAX_BAGGAGE_ENTRIES,
  mergeBaggageEntry,
  parseBaggage,
  readBaggageEntry,
  removeBaggageEntry,
  type BaggageEntry,
  type HeaderLines,
} from './wire/baggage.js';
export { BAGGAGE_KEY_ACCEPTED, isBaggageKey } from './wire/baggage-key.js';
export {
  DEFAULT_BAGGAGE_KEY,
  DEFAULT_FORMATS,
  everyFormat,
  FORMAT_NAMES,
  FORMATS_ACCEPTED,
  isFormatName,
  listedFormats,
  parseFormatNames,
  type FormatName,
} from './wire/formats.js';
export { AwakeTimer } from './awake-timer.js';
export { ByteCollector } from './byte-collector.js';
export { BodyReader, type BodyLimits, type BodySource } from './body-reader.js';
export { LANE_METADATA_KEY } from './names/metadata-key.js';
export { tagOfService } from './wire/json-carriers.js';
export { createTagCodec, linesOf, type LaneRecord, type ReadingCounts, type TagCodec, type TagCodecOptions, type WireTag } from './wire/tag-codec.js';
export { asListed, type Instance } from './routing/instance.js';
export { InstanceTags } from './routing/instance-tags.js';
export { saySame } from './routing/say-same.js';
export { chance } from './routing/chance.js';
export { surveyServices, tablesOf, type SurveyedService, type SurveyOptions } from './routing/survey.js';
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
} from './routing/lane-index.js';
export { warmupMetadata } from './routing/warmup.js';
export { DoubtLog } from './routing/doubt-log.js';
export { OutlierLog } from './routing/outlier-log.js';
export { BROKEN_OFF, DEFAULT_OUTLIER_POLICY, httpStatusOfGrpc, isServerError, NO_OUTLIERS, type OutlierPolicy } from './routing/outlier.js';
export { DEFAULT_NEAR_POLICY, NEAR_OFF, placeOf, REGION_KEYS, ZONE_KEYS, type NearPolicy, type Place } from './routing/near-policy.js';
export { type Doubt, type RememberedInstance, type TableOrigin } from './routing/instance-memory.js';
export {
  isBaseInstance,
  isInRightLane,
  laneOfAddress,
  serviceIdOf,
  ServiceTables,
  SYSTEM_CLOCK,
  type Clock,
  type Ejection,
  type ServiceDoubts,
  type ServiceMemory,
  type Slicing,
  type Taken,
  type TableListener,
  type FarInstances,
  type GoneInstance,
  type TableIndex,
  type KnownAddress,
  type ServiceKey,
  type ServiceTable,
  type ServiceTablesOptions,
} from './routing/service-tables.js';
export { explainHop, type ExplainedInstance, type HopExplanation, type InstanceRole } from './routing/explain-hop.js';
export {
  laneStatus,
  type GroupStatus,
  type InstanceCount,
  type LaneCell,
  type LaneHead,
  type ServedBy,
  type ServiceStatus,
} from './routing/lane-status.js';
export { nearest } from './names/nearest.js';
export { removeTag, writeLane, writeTag, type OutboundHeaders } from './wire/outbound-headers.js';
export { decideRequestTag, NO_TAG, REQUEST_MARK, type RequestTag, type RequestTagRules, type TagSource } from './rules/request-tag.js';
export { LANE_UNAVAILABLE, LaneUnavailableError } from './routing/unavailable-error.js';
export {
  aroundEntering,
  backgroundLane,
  bindLane,
  currentContext,
  currentLane,
  enterContext,
  hasEnteredLane,
  laneContext,
  resumeContext,
  runInLane,
  setBackgroundLane,
  type LaneContext,
  type Carried,
} from './context.js';
export { onOneLine, printable, SILENT_LOG, withoutCredentials, type Log, type LogFields } from './log.js';
export { BEATS_HOLD_MS, isRegistryPackage, registryFrom } from './routing/registry.js';
export type {
  ConfigChange,
  ConfigChangePage,
  ConfigDocument,
  ConfigStore,
  PublishOptions,
  CreateRegistry,
  InstanceListener,
  Registry,
  RegistryOptions,
  RegistryState,
  ServiceNames,
  Unsubscribe,
  VersionedConfigStore,
} from './routing/registry.js';
export { codeOf, messageOf } from './error-text.js';
export { jsonNumber } from './json-number.js';
export type { SnapshotStore } from './routing/snapshots.js';
export { nextCandidate, type Candidate } from './routing/candidates.js';
export {
  createRouter,
  judgeByName,
  UNKNOWN,
  type AsIs,
  type Redirect,
  type Router,
  type SettledVerdict,
  type Unavailable,
  type Unknown,
  type Verdict,
  type VerdictKind,
  type Wait,
  type Corrects,
} from './routing/verdict.js';
