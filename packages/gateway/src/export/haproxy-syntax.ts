/** HAProxy's grammar (its configuration manual, 2.2 and 2.4; log-format, 8.2.6): words, arguments of fetches, and formats. */

/** Patterns per line: HAProxy accepts 64 words (MAX_LINE_ARGS). */
export const MAX_PATTERNS = 40;

/** One word, in weak quotes if necessary. */
export function word(text: string): string {
  if (/^[\w./:@=-]+$/.test(text)) return text;
  const escaped = text
    .replace(/[\\"$]/g, '\\$&')
    .replace(/\p{Cc}/gu, (character) => (character < '\u0080' ? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}` : character));
  return `"${escaped}"`;
}

/** A text in strong quotes, as an argument of a fetch or converter; the whole of it still has to be a {@link word}. */
export function argument(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A text in a log-format, where `%` begins a variable; the whole of it still has to be a {@link word}. */
export function formatText(text: string): string {
  return text.replaceAll('%', '%%');
}
