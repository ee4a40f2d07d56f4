/** Who may use the console, and as what. */
import { ConsoleError } from '../console-error.js';

/** A viewer sees everything; an editor may also change it. */
export type Role = 'viewer' | 'editor';

/** The role that a route requires. `anyone`: no account. */
export type Access = Role | 'anyone';

/** A user of the console. */
export interface User {
  readonly name: string;
  readonly role: Role;
}

/** A user with the token that identifies them. */
export interface Account extends User {
  readonly token: string;
}

/** Shorter tokens could be guessed. */
export const MIN_TOKEN_LENGTH = 16;

const ROLES: readonly string[] = ['viewer', 'editor'] satisfies Role[];
const NAME = /^[\p{L}\p{N}._@-]{1,64}$/u;

/** The account of the single token of `--token` or LANE_CONSOLE_TOKEN. */
export function accountOfToken(token: string): Account {
  const account: Account = { name: 'editor', role: 'editor', token };
  checkToken(token, 'the token of --token or LANE_CONSOLE_TOKEN');
  return account;
}

/**
 * Parses a tokens file: one account a line, `name role token`, separated by blanks; `#` begins a comment. Errors name the line's number
 * but never quote the line, which may contain a token.
 */
export function parseAccounts(text: string, file: string): Account[] {
  const accounts: Account[] = [];
  text.split(/\r?\n/).forEach((line, i) => {
    const content = line.trim();
    if (content === '' || content.startsWith('#')) return;
    const where = `line ${i + 1} of ${file}`;
    const fields = content.split(/\s+/);
    const [name = '', role = '', token = ''] = fields;
    if (fields.length !== 3) throw new ConsoleError('ELANE_CONSOLE_TOKENS', `${where} has ${fields.length} words, not three: name role token`);
    if (!NAME.test(name)) throw new ConsoleError('ELANE_CONSOLE_TOKENS', `the name in ${where} may have only letters, digits and . _ @ -`);
    if (!ROLES.includes(role)) throw new ConsoleError('ELANE_CONSOLE_TOKENS', `the role in ${where} is neither viewer nor editor`);
    if (accounts.some((other) => other.name === name))
      throw new ConsoleError('ELANE_CONSOLE_TOKENS', `the name in ${where} is that of an earlier line`);
    checkToken(token, `the token in ${where}`);
    if (accounts.some((other) => other.token === token)) {
      throw new ConsoleError('ELANE_CONSOLE_TOKENS', `the token in ${where} is that of another account: the log could not tell them apart`);
    }
    accounts.push({ name, role: role as Role, token });
  });
  if (accounts.length === 0) throw new ConsoleError('ELANE_CONSOLE_TOKENS', `${file} has no account: add a line such as "alice editor <token>"`);
  return accounts;
}

function checkToken(token: string, what: string): void {
  if (token.length >= MIN_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(token)) return;
  throw new ConsoleError(
    'ELANE_CONSOLE_TOKENS',
    `${what} must have at least ${MIN_TOKEN_LENGTH} printable ASCII characters: generate one with \`openssl rand -hex 24\``,
  );
}
