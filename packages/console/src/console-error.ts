/**
 * What the console says no to:
 * - `ELANE_CONSOLE_TOKEN_NEEDED`: it would listen beyond loopback without a token
 * - `ELANE_CONSOLE_TOKENS`: the tokens can't be used as given
 * - `ELANE_NOT_BUILT`: the pages are not built
 * - `ELANE_PORT_IN_USE`: something else listens there
 * - `ELANE_UNAUTHENTICATED`: the request has no valid token or session
 * - `ELANE_FORBIDDEN`: the role, the Host or the origin does not permit it
 * - `ELANE_TOO_MANY_ATTEMPTS`: too many wrong tokens from there
 * - `ELANE_BAD_REQUEST`: the request is not as the API's description says
 * - `ELANE_MEDIA_TYPE`: what was sent is of another type than JSON
 * - `ELANE_NOT_FOUND`: there is no such thing
 * - `ELANE_CONFLICT`: somebody else has changed it meanwhile
 * - `ELANE_EXISTS`: there is one of this name already
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

/** The status with which the API answers, by code. Those that only a start can meet are not there. */
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

/** An error whose message is one sentence with cause and remedy; never has it a token in it. */
export class ConsoleError extends Error {
  readonly code: ConsoleErrorCode;
  readonly statusCode: number;
  /** Further fields of the answer. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ConsoleErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = 'ConsoleError';
    this.code = code;
    this.statusCode = STATUS[code] ?? 500;
    this.details = details;
  }
}
