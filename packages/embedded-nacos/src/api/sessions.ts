/** Who may call: access tokens, which a log-in hands out, or the credentials themselves. */
import { createHmac, scryptSync, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** How long a token is good for, in seconds. */
export const TOKEN_TTL_S = 18_000;

/** A user and a password. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Who has logged in. Without credentials to ask for, everybody may call, and every log-in gets a token. */
export class Sessions {
  readonly #credentials: Credentials | undefined;
  #key: Buffer | undefined;

  constructor(credentials: Credentials | undefined) {
    this.#credentials = credentials;
  }

  /** Gives a new token; undefined where the parameters `username` and `password` are wrong. */
  logIn(parameters: URLSearchParams): string | undefined {
    if (!this.#areCredentialsRight(parameters)) return undefined;
    return this.#sign(String(Date.now()));
  }

  /** Says why a call may not be made, as Nacos words it; undefined: it may. A token counts before credentials. */
  refusalOf(request: IncomingMessage, parameters: URLSearchParams): string | undefined {
    if (this.#credentials === undefined) return undefined;
    const token = tokenOf(request, parameters);
    const isAllowed = token === undefined || token === '' ? this.#areCredentialsRight(parameters) : this.#isValid(token);
    if (isAllowed) return undefined;
    if (token !== undefined) return 'token invalid!';
    return parameters.has('username') ? 'unknown user!' : 'user not found!';
  }

  /** The same of a call over gRPC, which has a token or nothing. */
  refusalOfToken(token: string | undefined): string | undefined {
    if (this.#credentials === undefined || (token !== undefined && this.#isValid(token))) return undefined;
    return token === undefined ? 'user not found!' : 'token invalid!';
  }

  /** Signed and not remembered, as Nacos has it: clients go on with their token when the server has restarted. */
  #sign(issuedAt: string): string {
    const { username = '', password = '' } = this.#credentials ?? {};
    // Slow on purpose: a token must not tell the password to who tries many.
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

/** The token of a call, from wherever clients put it: a parameter, a header of the same name, or `Authorization: Bearer` (RFC 6750, 2.1). */
function tokenOf({ headers }: IncomingMessage, parameters: URLSearchParams): string | undefined {
  const parameter = parameters.get('accessToken') ?? undefined;
  if (parameter !== undefined && parameter !== '') return parameter;
  const { accesstoken, authorization = '' } = headers;
  if (typeof accesstoken === 'string') return accesstoken;
  return /^bearer +(\S+)$/i.exec(authorization)?.[1] ?? parameter;
}
