/**
 * Which of a client's baggage members an exported entry forwards. Services decode and trim keys differently (core's baggage.ts), and proxy
 * languages can't reproduce that. So a member passes only if its key is plain, which everybody reads alike, and is not ours. Keys with `%`,
 * `+`, `;`, blanks or anything beyond visible ASCII may spell a lane's, and are dropped. So is a member that may yield another one after
 * a `;`: with an escape after it, an escape of `;` or of `%`, or a broken one.
 */
import { escapeRegex } from './condition.js';

/** A PCRE expression for a dropped member, from its start on. Linear time. */
export function droppedMember(ownKeys: readonly string[]): string {
  const ours = `[ \\t]*(?:${ownKeys.map(escapeRegex).join('|')})[ \\t]*=`;
  const notPlain = '[^=,]*[^\\t\\x20-\\x24\\x26-\\x2a\\x2c-\\x3a\\x3c-\\x7e]';
  const withBlank = '[ \\t]*[^=, \\t]+[ \\t]+[^=, \\t]';
  const hiding = '[^,\\x3b]*\\x3b[^,\\x25]*\\x25|[^,]*\\x25(?:25|3[bB]|[0-9a-fA-F]?\\x25)';
  return `(?:${ours}|${notPlain}|${withBlank}|${hiding})[^,]*`;
}

/** A Lua pattern for a member with a plain key, which it captures. */
export const LUA_PLAIN_MEMBER = "^[ \t]*([A-Za-z0-9!#$&'*.^_`|~-]+)[ \t]*=";

/** Lua patterns for members that may yield another one. */
const LUA_HIDING_MEMBERS = ['^[^;]*;[^%%]*%%', '%%25', '%%3[bB]', '%%%x?%%'];

/** Lua: whether the one in the variable `member` may yield another member. */
export const LUA_HIDES = `(${LUA_HIDING_MEMBERS.map((pattern) => `string.find(member, "${pattern}")`).join(' or ')})`;
