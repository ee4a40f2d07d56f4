/**
 * Access control: every request passes here first, once it is routed. The decision uses the matched route and what it declares, never the
 * request's path: parsing the path a second time could disagree with the router.
 */
import type { FastifyRequest } from 'fastify';
import { parseCookie } from 'cookie';
import { ConsoleError } from '../console-error.js';
import type { Access, Account, User } from './accounts.js';
import { CONSOLE_HEADER, isCrossSite, isForeignBody } from './cross-site.js';
import { isAccess } from './declared.js';
import { FailedAttempts } from './failed-attempts.js';
import { SESSION_COOKIE, Sessions } from './sessions.js';
import { createTokenCheck } from './token-check.js';

/** The user of a console without tokens, which listens only on loopback. */
const LOCAL_USER: User = { name: 'local', role: 'editor' };

/** Authenticates and authorizes requests. */
export class Gate {
  readonly sessions = new Sessions();
  readonly #failures = new FailedAttempts();
  readonly #userOfToken: (token: string) => User | undefined;
  readonly #asksForToken: boolean;
  readonly #onRefused: (request: FastifyRequest) => void;

  /** Calls `onRefused` for each wrong token. */
  constructor(accounts: readonly Account[], onRefused: (request: FastifyRequest) => void) {
    this.#asksForToken = accounts.length > 0;
    this.#userOfToken = createTokenCheck(accounts);
    this.#onRefused = onRefused;
  }

  get authentication(): 'none' | 'token' {
    return this.#asksForToken ? 'token' : 'none';
  }

  /** Admits a request and sets its user, or throws. */
  admit(request: FastifyRequest): void {
    request.user = this.#identify(request);
    // A missing route needs a role, too: otherwise 404 would tell strangers which routes exist.
    this.#expect(request.user, request.is404 ? 'viewer' : request.routeOptions.config.access);
  }

  /** The user; undefined if nobody has signed in. Throws for a wrong token, and for requests that another site may have made. */
  #identify(request: FastifyRequest): User | undefined {
    if (isForeignBody(request.headers)) {
      throw new ConsoleError('ELANE_MEDIA_TYPE', 'the API accepts only JSON: send content-type: application/json');
    }
    const bearer = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
    // Browsers add cookies by themselves, but never this header.
    if (bearer !== undefined && this.#asksForToken) return this.signIn(request, bearer);
    if (isCrossSite(request.method, request.headers)) {
      throw new ConsoleError(
        'ELANE_FORBIDDEN',
        `this request may come from another site: send it from the console's own pages, or with the header ${CONSOLE_HEADER}: 1`,
      );
    }
    return this.#asksForToken ? this.sessions.userOf(sessionOf(request)) : LOCAL_USER;
  }

  /**
   * The user of a token. Throws if it is wrong; after too many wrong ones from the same address, without logging further ones. A valid token
   * always works: sharing an address with somebody who guesses, as behind a proxy, must not lock a user out.
   */
  signIn(request: FastifyRequest, token: string): User {
    const user = this.#userOfToken(token);
    if (user !== undefined) return user;
    const waitMs = this.#failures.waitMsOf(request.ip);
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000);
      throw new ConsoleError(
        'ELANE_TOO_MANY_ATTEMPTS',
        `too many wrong tokens from ${request.ip}, and this one is wrong, too: try again in ${seconds} s`,
        {
          retryAfter: seconds,
        },
      );
    }
    this.#failures.failed(request.ip);
    this.#onRefused(request);
    throw new ConsoleError('ELANE_UNAUTHENTICATED', 'no account has this token: ask whoever runs the console for one');
  }

  /** Throws if the user lacks the role that a route requires, or if the route declares none. */
  #expect(user: User | undefined, access: Access | undefined): void {
    if (!isAccess(access)) throw new ConsoleError('ELANE_FORBIDDEN', 'this route does not say who may use it, so nobody may');
    if (access === 'anyone') return;
    if (user === undefined) throw new ConsoleError('ELANE_UNAUTHENTICATED', 'sign in first: POST /api/session, or Authorization: Bearer <token>');
    if (access === 'editor' && user.role !== 'editor') {
      throw new ConsoleError('ELANE_FORBIDDEN', `${user.name} is a viewer and can't change anything: ask an editor`);
    }
  }
}

/** The value of the session's cookie. */
export function sessionOf(request: FastifyRequest): string | undefined {
  return parseCookie(request.headers.cookie ?? '')[SESSION_COOKIE];
}
