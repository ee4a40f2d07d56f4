/** Authentication: by access tokens, which a login issues, or by the credentials themselves. */
import { createHmac, scryptSync, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Lifetime of a token, in seconds. */
export const TOKEN_TTL_S = 18_000;

/** A user and a password. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Logged-in clients. Without configured credentials, everybody may call, and every login gets a token. */
export class Sessions {
  readonly #credentials: Credentials | undefined;
  #key: Buffer | undefined;

  constructor(credentials: Credentials | undefined) {
    this.#credentials = credentials;
  }

  /** Issues a new token; undefined if the parameters `username` and `password` are wrong. */
  logIn(parameters: URLSearchParams): string | undefined {
    if (!this.#areCredentialsRight(parameters)) return undefined;
    return this.#sign(String(Date.now()));
  }

  /** Why a call is refused, in Nacos' wording; undefined: it is allowed. A token takes precedence over credentials. */
  refusalOf(request: IncomingMessage, parameters: URLSearchParams): string | undefined {
    if (this.#credentials === undefined) return undefined;
    const token = tokenOf(request, parameters);
    const isAllowed = token === undefined || token === '' ? this.#areCredentialsRight(parameters) : this.#isValid(token);
    if (isAllowed) return undefined;
    if (token !== undefined) return 'token invalid!';
    return parameters.has('username') ? 'unknown user!' : 'user not found!';
  }

  /** The same for a call over gRPC, which has a token or nothing. */
  refusalOfToken(token: string | undefined): string | undefined {
    if (this.#credentials === undefined || (token !== undefined && this.#isValid(token))) return undefined;
    return token === undefined ? 'user not found!' : 'token invalid!';
  }

  /** Signed, not stored, as in Nacos: clients keep using their token after the server restarts. */
  #sign(issuedAt: string): string {
    const { username = '', password = '' } = this.#credentials ?? {};
    // Slow on purpose: a token must not allow guessing the password by brute force.
    this.#key ??= scryptSync(password, username, 32);
    return `${issuedAt}.${createHmac('sha256', this.#key).update(issuedAt).digest('base64url')}`;
  }

  #isValid(token: string): boolean {
    const issuedAt = /^(\d{1,15})\.[\w-]{43}$/.exec(token)?.[1];
    if (issuedAt === undefined || Date.now() - Number(issuedAt) > TOKEN_TTL_S * 1000) return false;
    return timingSafeEqual(Buffer.from(token), Buffer.from(this.#sign(issuedAt)));
  }

  #areCredentialsRight(parameters: URLSearchParams): boolean {
    const asked = this.#credentials;
    return asked === undefined || (parameters.get('username') === asked.username && parameters.get('password') === asked.password);
  }
}

/** The token of a call, from any place where clients put it: a parameter, a header of the same name, or `Authorization: Bearer` (RFC 6750, 2.1). */
function tokenOf({ headers }: IncomingMessage, parameters: URLSearchParams): string | undefined {
  const parameter = parameters.get('accessToken') ?? undefined;
  if (parameter !== undefined && parameter !== '') return parameter;
  const { accesstoken, authorization = '' } = headers;
  if (typeof accesstoken === 'string') return accesstoken;
  return /^bearer +(\S+)$/i.exec(authorization)?.[1] ?? parameter;
}
