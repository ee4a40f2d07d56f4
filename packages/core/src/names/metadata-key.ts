/** The metadata key by which instances of ours tell their tag, and those of Polaris by default (`LaneRouter.INTERNAL_INSTANCE_LANE_KEY`). */
export const LANE_METADATA_KEY = 'lane';
