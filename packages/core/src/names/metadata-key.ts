/** The metadata key with the tag of our instances, and by default of Polaris' (`LaneRouter.INTERNAL_INSTANCE_LANE_KEY`). */
export const LANE_METADATA_KEY = 'lane';
