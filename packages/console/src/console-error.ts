/**
 * The console's errors:
 * - `ELANE_CONSOLE_TOKEN_NEEDED`: listening beyond loopback requires a token
 * - `ELANE_CONSOLE_TOKENS`: the given tokens are invalid
 * - `ELANE_NOT_BUILT`: the pages are not built
 * - `ELANE_PORT_IN_USE`: the port is in use
 * - `ELANE_UNAUTHENTICATED`: the request has no valid token or session
 * - `ELANE_FORBIDDEN`: the role, the Host or the origin does not permit it
 * - `ELANE_TOO_MANY_ATTEMPTS`: too many wrong tokens from this address
 * - `ELANE_BAD_REQUEST`: the request does not match the API's description
 * - `ELANE_MEDIA_TYPE`: the body is not JSON
 * - `ELANE_NOT_FOUND`: the resource does not exist
 * - `ELANE_CONFLICT`: somebody else changed it in the meantime
 * - `ELANE_EXISTS`: the name is taken
 */
export type ConsoleErrorCode =
  | 'ELANE_CONSOLE_TOKEN_NEEDED'
  | 'ELANE_CONSOLE_TOKENS'
  | 'ELANE_NOT_BUILT'
  | 'ELANE_PORT_IN_USE'
  | 'ELANE_UNAUTHENTICATED'
  | 'ELANE_FORBIDDEN'
  | 'ELANE_TOO_MANY_ATTEMPTS'
  | 'ELANE_BAD_REQUEST'
  | 'ELANE_MEDIA_TYPE'
  | 'ELANE_NOT_FOUND'
  | 'ELANE_CONFLICT'
  | 'ELANE_EXISTS';

/** The API's status by code, without the codes that occur only at start. */
const STATUS: Readonly<Partial<Record<ConsoleErrorCode, number>>> = {
  ELANE_UNAUTHENTICATED: 401,
  ELANE_FORBIDDEN: 403,
  ELANE_TOO_MANY_ATTEMPTS: 429,
  ELANE_BAD_REQUEST: 400,
  ELANE_MEDIA_TYPE: 415,
  ELANE_NOT_FOUND: 404,
  ELANE_CONFLICT: 412,
  ELANE_EXISTS: 409,
};

/** An error whose message is one sentence with cause and remedy, and never contains a token. */
export class ConsoleError extends Error {
  readonly code: ConsoleErrorCode;
  readonly statusCode: number;
  /** Additional fields of the response. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ConsoleErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = 'ConsoleError';
    this.code = code;
    this.statusCode = STATUS[code] ?? 500;
    this.details = details;
  }
}
