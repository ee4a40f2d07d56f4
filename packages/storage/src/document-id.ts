/** The dataId of the lane groups in Nacos's configuration. */
export const LANE_GROUPS_DATA_ID = 'lane-groups';
/** The group of that document. */
export const LANE_GROUPS_GROUP = 'LANE';
