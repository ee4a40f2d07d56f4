/**
 * What of a client's baggage an exported entry lets through. Services decode and trim keys each in its own way (core's baggage.ts), which the
 * languages of proxies can't follow: a member goes on only if its key is plain, the same to whoever reads it, and is not ours. Keys with `%`,
 * `+`, `;` or anything beyond visible ASCII may be a lane's in another spelling, and are dropped.
 */
import { escapeRegex } from './condition.js';

/** A regular expression of PCRE for a member that is dropped, from its start on. */
export function droppedMember(ownKeys: readonly string[]): string {
  const ours = `[ \\t]*(?:${ownKeys.map(escapeRegex).join('|')})[ \\t]*=`;
  const notPlain = '[^=,]*[^\\t\\x20-\\x24\\x26-\\x2a\\x2c-\\x3a\\x3c-\\x7e]';
  return `(?:${ours}|${notPlain})[^,]*`;
}

/** A pattern of Lua for a member with a plain key, which it captures. */
export const LUA_PLAIN_MEMBER = "^[ \t]*([A-Za-z0-9!#$&'*.^_`|~-]+)[ \t]*=";
