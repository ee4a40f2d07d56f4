/** Who may ask for what: every request to the API passes here first. */
import type { FastifyRequest } from 'fastify';
import { parseCookie } from 'cookie';
import { ConsoleError } from '../console-error.js';
import type { Account, Role, User } from './accounts.js';
import { CONSOLE_HEADER, isCrossSite } from './cross-site.js';
import { FailedAttempts } from './failed-attempts.js';
import { SESSION_COOKIE, Sessions } from './sessions.js';
import { createTokenCheck } from './token-check.js';

/** Whoever uses a console that asks for no token: it listens on loopback only. */
const LOCAL_USER: User = { name: 'local', role: 'editor' };

/** What a route needs. `anyone`: no account. */
export type Access = Role | 'anyone';

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

  /** Who asks; undefined where nobody has signed in. Throws for a wrong token, and for requests that another site may have made. */
  identify(request: FastifyRequest): User | undefined {
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

  /** The user of a token. Throws where it is wrong, or where there were too many wrong ones from there. */
  signIn(request: FastifyRequest, token: string): User {
    const waitMs = this.#failures.waitMsOf(request.ip);
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000);
      throw new ConsoleError('ELANE_TOO_MANY_ATTEMPTS', `too many wrong tokens from ${request.ip}: try again in ${seconds} s`, {
        retryAfter: seconds,
      });
    }
    const user = this.#userOfToken(token);
    if (user !== undefined) return user;
    this.#failures.failed(request.ip);
    this.#onRefused(request);
    throw new ConsoleError('ELANE_UNAUTHENTICATED', 'no account has this token: ask whoever runs the console for one');
  }

  /** Throws where a user may not do what a route needs. */
  expect(user: User | undefined, access: Access): void {
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
