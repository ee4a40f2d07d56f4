import { createHash, randomBytes } from 'node:crypto';
import type { User } from './accounts.js';

/** The cookie of a session. */
export const SESSION_COOKIE = 'lane_session';

const LIFETIME_MS = 12 * 60 * 60_000;
const MAX_SESSIONS = 1_000;

interface Session {
  readonly user: User;
  readonly untilMs: number;
}

/** Sessions, in memory: a restart ends them all. Stores only digests of their ids, so that a memory dump opens no session. */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Begins a session and returns the value of its cookie. */
  begin(user: User): string {
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value as string);
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(digestOf(id), { user, untilMs: this.#nowMs() + LIFETIME_MS });
    return id;
  }

  userOf(id: string | undefined): User | undefined {
    if (id === undefined) return undefined;
    const digest = digestOf(id);
    const session = this.#sessions.get(digest);
    if (session === undefined || session.untilMs > this.#nowMs()) return session?.user;
    this.#sessions.delete(digest);
    return undefined;
  }

  end(id: string | undefined): void {
    if (id !== undefined) this.#sessions.delete(digestOf(id));
  }
}

function digestOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url');
}
