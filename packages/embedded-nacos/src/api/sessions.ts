/** Who may call: access tokens, which a log-in hands out, or the credentials themselves. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Who logs in more often than this loses the oldest token. */
const MAX_TOKENS = 10_000;

/** A user and a password. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The tokens that are valid. Without credentials to ask for, everybody may call, and every log-in gets a token. */
export class Sessions {
  readonly #credentials: Credentials | undefined;
  readonly #tokens = new Set<string>();

  constructor(credentials: Credentials | undefined) {
    this.#credentials = credentials;
  }

  /** Gives a new token; undefined where the parameters `username` and `password` are wrong. */
  logIn(parameters: URLSearchParams): string | undefined {
    if (!this.#areCredentialsRight(parameters)) return undefined;
    const token = randomUUID();
    this.#tokens.add(token);
    if (this.#tokens.size > MAX_TOKENS) this.#tokens.delete(this.#tokens.values().next().value as string);
    return token;
  }

  /** Says why a call may not be made, as Nacos words it; undefined: it may. A token counts before credentials. */
  refusalOf(request: IncomingMessage, parameters: URLSearchParams): string | undefined {
    if (this.#credentials === undefined) return undefined;
    const token = tokenOf(request, parameters);
    const isAllowed = token === undefined || token === '' ? this.#areCredentialsRight(parameters) : this.#tokens.has(token);
    if (isAllowed) return undefined;
    if (token !== undefined) return 'token invalid!';
    return parameters.has('username') ? 'unknown user!' : 'user not found!';
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
