import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Account, User } from './accounts.js';

/** Finds the account of a token, in a time that tells nothing about the tokens there are. */
export function createTokenCheck(accounts: readonly Account[]): (token: string) => User | undefined {
  // Digests under a key of this process have one length, and what they look like can't be chosen from outside.
  const key = randomBytes(32);
  const digestOf = (token: string): Buffer => createHmac('sha256', key).update(token).digest();
  const known = accounts.map(({ name, role, token }) => ({ user: { name, role }, digest: digestOf(token) }));
  return (token) => {
    const digest = digestOf(token);
    let found: User | undefined;
    // All of them, whichever it is.
    for (const account of known) if (timingSafeEqual(account.digest, digest)) found = account.user;
    return found;
  };
}
