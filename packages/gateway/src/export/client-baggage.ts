/**
 * What of a client's baggage an exported entry lets through. Services decode and trim keys each in its own way (core's baggage.ts), which the
 * languages of proxies can't follow: a member goes on only if its key is plain, the same to whoever reads it, and is not ours. Keys with `%`,
 * `+`, `;`, blanks or anything beyond visible ASCII may be a lane's in another spelling, and are dropped; so is a member of which another one may
 * come out, behind a `;`: with an escape behind it, an escape of `;` or of `%`, or a broken one.
 */
import { escapeRegex } from './condition.js';

/** A regular expression of PCRE for a member that is dropped, from its start on. Takes time in proportion to the member. */
export function droppedMember(ownKeys: readonly string[]): string {
  const ours = `[ \\t]*(?:${ownKeys.map(escapeRegex).join('|')})[ \\t]*=`;
  const notPlain = '[^=,]*[^\\t\\x20-\\x24\\x26-\\x2a\\x2c-\\x3a\\x3c-\\x7e]';
  const withBlank = '[ \\t]*[^=, \\t]+[ \\t]+[^=, \\t]';
  const hiding = '[^,\\x3b]*\\x3b[^,\\x25]*\\x25|[^,]*\\x25(?:25|3[bB]|[0-9a-fA-F]?\\x25)';
  return `(?:${ours}|${notPlain}|${withBlank}|${hiding})[^,]*`;
}

/** A pattern of Lua for a member with a plain key, which it captures. */
export const LUA_PLAIN_MEMBER = "^[ \t]*([A-Za-z0-9!#$&'*.^_`|~-]+)[ \t]*=";

/** Patterns of Lua for members of which another one may come out. */
const LUA_HIDING_MEMBERS = ['^[^;]*;[^%%]*%%', '%%25', '%%3[bB]', '%%%x?%%'];

/** Lua: whether another member may come out of the one that stands in the variable `member`. */
export const LUA_HIDES = `(${LUA_HIDING_MEMBERS.map((pattern) => `string.find(member, "${pattern}")`).join(' or ')})`;
