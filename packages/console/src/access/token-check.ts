import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Account, User } from './accounts.js';

/** Finds the account of a token in constant time, which reveals nothing about the tokens. */
export function createTokenCheck(accounts: readonly Account[]): (token: string) => User | undefined {
  // Digests keyed per process have equal length, and clients can't choose their contents.
  const key = randomBytes(32);
  const digestOf = (token: string): Buffer => createHmac('sha256', key).update(token).digest();
  const known = accounts.map(({ name, role, token }) => ({ user: { name, role }, digest: digestOf(token) }));
  return (token) => {
    const digest = digestOf(token);
    let found: User | undefined;
    // Always compare all of them.
    for (const account of known) if (timingSafeEqual(account.digest, digest)) found = account.user;
    return found;
  };
}
