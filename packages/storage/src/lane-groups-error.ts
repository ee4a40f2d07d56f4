/**
 * What went wrong with the lane groups:
 * - `ELANE_CONFLICT`: the document has changed since it was read
 * - `ELANE_NOT_FOUND`: there is no such version
 * - `ELANE_NOT_STORED`: the server accepted the document but does not have it
 * - `ELANE_INVALID_LANE_GROUPS`: the lane groups are not valid
 */
export type LaneGroupsErrorCode = 'ELANE_CONFLICT' | 'ELANE_NOT_STORED' | 'ELANE_NOT_FOUND' | 'ELANE_INVALID_LANE_GROUPS';

/** An error whose message is one sentence with cause and remedy. */
export class LaneGroupsError extends Error {
  readonly code: LaneGroupsErrorCode;

  constructor(code: LaneGroupsErrorCode, message: string) {
    super(message);
    this.name = 'LaneGroupsError';
    this.code = code;
  }
}
