import type { ServiceKey } from './service-tables.js';
import type { Tag } from '../names/tag.js';

/** The error code for a caller if no instance may serve its request. */
export const LANE_UNAVAILABLE = 'ELANE_UNAVAILABLE';

/** The error for a caller if no instance may serve its request, instead of its client's error for an unreachable peer. */
export class LaneUnavailableError extends Error {
  readonly code = LANE_UNAVAILABLE;
  readonly service: string;
  readonly tag: Tag | undefined;

  constructor(key: ServiceKey, tag: Tag | undefined) {
    super(
      tag === undefined
        ? `${LANE_UNAVAILABLE}: service ${key.name} has no healthy base instance, and base traffic never goes to a lane. Start a base instance of ${key.name}, or send the request with a tag.`
        : `${LANE_UNAVAILABLE}: service ${key.name} has no healthy instance for tag ${tag}, nor a fallback that allows another. Start one with LANE_TAG=${tag}, or set the lane's fallback to base.`,
    );
    this.name = 'LaneUnavailableError';
    this.service = key.name;
    this.tag = tag;
  }
}
