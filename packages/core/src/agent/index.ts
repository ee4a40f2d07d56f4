/** The agent's contract with the commands and the console: its options, reports and metrics. */
export {
  AGENT_VARIABLES,
  CONFIG_VARIABLE,
  LOG_LEVELS,
  kubernetesServerOf,
  shownOptions,
  shownValue,
  mistypedVariables,
  NEAR_ACCEPTED,
  nearPolicy,
  noPlace,
  OPTION_ROWS,
  OUTLIER_ACCEPTED,
  outlierPolicy,
  readAgentOptions,
  TAG_VARIABLES,
  type AgentOptions,
  type Environment,
  type LogLevel,
  type OptionProblem,
  type OptionSources,
} from './options.js';
export type { FileOfPackage, Instrumentation, InstrumentationPackage, InstrumentationTools, LoadedFile } from './instrumentation.js';
export { isPackageManager } from './package-manager.js';
export { DURATION_BOUNDS_SECONDS, OTHER, TrafficCounters, type Series, type TrafficCountersOptions } from './figures.js';
export {
  ADMIN_METADATA_KEY,
  TRAFFIC_ROUTES,
  trafficRouteOf,
  type CallFigures,
  type DecisionReport,
  type DrainReport,
  type DrainState,
  type DurationFigures,
  type RequestFigures,
  type InstanceReport,
  type KnownServiceReport,
  type StatusReport,
  type TrafficReport,
  type TrafficRoute,
} from './reports.js';
export {
  TRACE_HEADER,
  TRACE_ID,
  type TraceCall,
  type TraceFrame,
  type TraceHandOver,
  type TraceRecord,
  type TraceRequestId,
} from './trace-records.js';
export { wrap, type Method, type Replaceable, type Undo } from './wrap.js';
