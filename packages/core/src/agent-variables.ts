/**
 * The environment variables that the agent reads. Here, and not in the agent, which nothing may import: commands look up what somebody
 * may have meant. A test of the agent holds its options against this list.
 */
export const AGENT_VARIABLES = [
  'LANE_SERVICE',
  'LANE_TAG',
  'LANE_STAMP',
  'LANE_BACKGROUND',
  'LANE_FALLBACK',
  'LANE_BASE_MODE',
  'LANE_FORMATS',
  'LANE_FORMATS_IN',
  'LANE_BAGGAGE_KEY',
  'LANE_TRUST',
  'LANE_PROPAGATE_TO',
  'LANE_SERVICES',
  'LANE_NACOS_SERVER',
  'LANE_NACOS_NAMESPACE',
  'LANE_NACOS_GROUP',
  'LANE_NACOS_USERNAME',
  'LANE_NACOS_PASSWORD',
  'LANE_NACOS_TRANSPORT',
  'LANE_RULES',
  'LANE_CONTEXT',
  'LANE_MESSAGES',
  'LANE_TRACES',
  'LANE_SNAPSHOT_DIR',
  'LANE_DISABLE',
  'LANE_LOG',
  'LANE_LOG_FORMAT',
  'LANE_CONFIG',
  'LANE_ADMIN_PORT',
  'LANE_ADMIN_HOST',
] as const;

/** Variables of others that the agent takes for an instance's tag, in the order in which they count after LANE_TAG. */
export const TAG_VARIABLES = ['LANE_TAG', 'alicloud.service.tag', 'MSE_ALICLOUD_SERVICE_TAG'] as const;
