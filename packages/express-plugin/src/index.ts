export { lane, type LaneHandler, type LaneRequest, type LaneResponse } from './lane.js';
export { InvalidOptionError, type LaneOptions } from './options.js';
export { laneHeaders, type HeadersLike, type LaneHeaders } from './lane-headers.js';
export { bindLane, currentLane, runInLane, type RequestTag, type TagSource } from '@lane/core/model';
