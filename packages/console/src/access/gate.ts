/**
 * Who may ask for what: every request passes here first, once it has been routed. What decides is the route that was found and what it
 * declares, never the request's path: that would be a second reading of it beside the router's.
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

/** Whoever uses a console that asks for no token: it listens on loopback only. */
const LOCAL_USER: User = { name: 'local', role: 'editor' };

/** Decides who is who. */
export class Gate {
  readonly sessions = new Sessions();
  readonly #failures = new FailedAttempts();
  readonly #userOfToken: (token: string) => User | undefined;
  readonly #asksForToken: boolean;
  readonly #onRefused: (request: FastifyRequest) => void;

  /** `onRefused` is told of each wrong token. */
  constructor(accounts: readonly Account[], onRefused: (request: FastifyRequest) => void) {
    this.#asksForToken = accounts.length > 0;
    this.#userOfToken = createTokenCheck(accounts);
    this.#onRefused = onRefused;
  }

  get authentication(): 'none' | 'token' {
    return this.#asksForToken ? 'token' : 'none';
  }

  /** Lets a request in, with its user, or throws. */
  admit(request: FastifyRequest): void {
    request.user = this.#identify(request);
    // Whoever asks for what there is not learns no more than whoever asks for what there is.
    this.#expect(request.user, request.is404 ? 'viewer' : request.routeOptions.config.access);
  }

  /** Who asks; undefined where nobody has signed in. Throws for a wrong token, and for requests that another site may have made. */
  #identify(request: FastifyRequest): User | undefined {
    if (isForeignBody(request.headers)) {
      throw new ConsoleError('ELANE_MEDIA_TYPE', 'the API takes JSON only: send content-type: application/json');
    }
    const bearer = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
    // A browser adds cookies by itself, and never this header.
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
   * The user of a token. Throws where it is wrong; where there were too many wrong ones from there, without a further trace. A valid one
   * is taken all the same: who shares an address with somebody who guesses, as behind a proxy, must not be locked out by that.
   */
  signIn(request: FastifyRequest, token: string): User {
    const user = this.#userOfToken(token);
    if (user !== undefined) return user;
    const waitMs = this.#failures.waitMsOf(request.ip);
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000);
      throw new ConsoleError(
        'ELANE_TOO_MANY_ATTEMPTS',
        `too many wrong tokens from ${request.ip}, and this is none either: try again in ${seconds} s`,
        {
          retryAfter: seconds,
        },
      );
    }
    this.#failures.failed(request.ip);
    this.#onRefused(request);
    throw new ConsoleError('ELANE_UNAUTHENTICATED', 'no account has this token: ask whoever runs the console for one');
  }

  /** Throws where a user may not do what a route needs, and where the route does not say what that is. */
  #expect(user: User | undefined, access: Access | undefined): void {
    if (!isAccess(access)) throw new ConsoleError('ELANE_FORBIDDEN', 'this route does not say who may use it, so nobody may');
    if (access === 'anyone') return;
    if (user === undefined) throw new ConsoleError('ELANE_UNAUTHENTICATED', 'sign in first: POST /api/session, or Authorization: Bearer <token>');
    if (access === 'editor' && user.role !== 'editor') {
      throw new ConsoleError('ELANE_FORBIDDEN', `${user.name} is a viewer, and this changes something: ask an editor`);
    }
  }
}

/** The value of the session's cookie. */
export function sessionOf(request: FastifyRequest): string | undefined {
  return parseCookie(request.headers.cookie ?? '')[SESSION_COOKIE];
}
