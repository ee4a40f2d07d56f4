export { takingRules, tellTaking, type TakingRule } from './order.js';
export { laneGroupsToJson, parseLaneGroups, type ParsedLaneGroups } from './parse.js';
export { compileLaneGroups } from './compile.js';
export { compileRegex } from './matchers.js';
export {
  groupNamed,
  LANE_NOT_FOUND,
  LaneNotFoundError,
  laneNamed,
  NO_LANE_GROUPS,
  withGroup,
  withLane,
  withLaneEnabled,
  withoutGroup,
  withoutLane,
} from './edit.js';
export { mergeLaneGroups, type MergedLaneGroups } from './merge.js';
export { explainEntry, type EntryExplanation, type FailedPart, type RuleOutcome, type RuleShare, type RuleTrial } from './explain.js';
export { LANE_GROUPS_SCHEMA } from './schema.js';
export { compileCidrs, isCidr, type CidrTest } from './cidrs.js';
export { compileTrust, type Trust, type TrustTest } from './trust.js';
export { hostName, requestView, type RequestLike } from './request-view.js';
export { hashText, isKeyWithin } from './percentage.js';
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
} from './types.js';
