/**
 * What went wrong with Nacos:
 * - `ELANE_NACOS_SERVER`: the server's address can't be understood
 * - `ELANE_NACOS_UNREACHABLE`: nothing answers there, or not in time
 * - `ELANE_NACOS_REFUSED`: the server refuses the user, or requires one
 * - `ELANE_NACOS_NO_HTTP_V1`: the server no longer has the HTTP API v1
 * - `ELANE_NACOS_ANSWER`: any other answer that is no success
 * - `ELANE_CONFLICT`: the document has changed since it was read
 * - `ELANE_NOT_FOUND`: there is no such version
 * - `ELANE_UNSUPPORTED`: this transport, or this server, can't do it
 * - `ELANE_INVALID_LANE_GROUPS`: the lane groups are not valid
 */
export type NacosErrorCode =
  | 'ELANE_NACOS_SERVER'
  | 'ELANE_NACOS_UNREACHABLE'
  | 'ELANE_NACOS_REFUSED'
  | 'ELANE_NACOS_NO_HTTP_V1'
  | 'ELANE_NACOS_ANSWER'
  | 'ELANE_CONFLICT'
  | 'ELANE_NOT_FOUND'
  | 'ELANE_UNSUPPORTED'
  | 'ELANE_INVALID_LANE_GROUPS';

/** An error whose message is one sentence with cause and remedy. */
export class NacosError extends Error {
  readonly code: NacosErrorCode;

  constructor(code: NacosErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'NacosError';
    this.code = code;
  }
}
