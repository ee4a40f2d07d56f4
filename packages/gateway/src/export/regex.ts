/** RE2 regular expressions for other languages. */

/** A regular expression for other languages. */
export interface PortableRegex {
  /** Without names of groups: nginx would turn them into variables, and Java's syntax differs. */
  readonly text: string;
  /** The part that means something else to PCRE or Java, or nothing; undefined: all agree. */
  readonly onlyRe2: string | undefined;
}

/** Examines a valid regular expression in RE2 syntax (https://github.com/google/re2/wiki/Syntax). */
export function portableRegex(source: string): PortableRegex {
  let text = '';
  let onlyRe2: string | undefined;
  const tell = (what: string): void => void (onlyRe2 ??= what);
  let inClass = false;
  for (let i = 0; i < source.length;) {
    const rest = source.slice(i);
    const taken = tokenOf(rest, inClass);
    i += taken.length;
    if (/[^\x20-\x7e]/.test(taken)) tell('a character that is not in ASCII');
    if (taken.startsWith('\\')) {
      if (taken === '\\Q' && !inClass) {
        const end = source.indexOf('\\E', i);
        text += escapeRegex(source.slice(i, end === -1 ? undefined : end));
        i = end === -1 ? source.length : end + 2;
        continue;
      }
      if (taken.startsWith('\\x{') && parseInt(taken.slice(3), 16) > 0xff) tell('a code point above FF');
      else if (/^\\[pP]\{\^?.{3,}/.test(taken)) tell('a script of Unicode');
      // \v is a class in PCRE; \C is no character in Java.
      else if (/^\\[vC]/.test(taken)) tell(taken);
    } else if (inClass) {
      if (taken === ']') inClass = false;
      else if (taken.startsWith('[')) tell('a bracket in a class');
      else if (taken === '&' && source.startsWith('&', i)) tell('&& in a class');
    } else if (taken.startsWith('[')) inClass = true;
    else if (/^\(\?P?</.test(taken)) {
      text += '(';
      continue;
    } else if (/^\(\?[a-zA-Z-]*U/.test(taken)) tell('the flag U');
    text += taken;
  }
  return { text, onlyRe2 };
}

/** The next indivisible piece. */
function tokenOf(rest: string, inClass: boolean): string {
  const pattern = inClass
    ? /^(?:\\x\{[0-9A-Fa-f]*\}|\\[pP]\{[^}]*\}|\\[\s\S]|\[:\^?\w+:\]|[\s\S])/
    : /^(?:\\x\{[0-9A-Fa-f]*\}|\\[pP]\{[^}]*\}|\\[\s\S]|\[\^?\]?|\(\?P?<\w+>|\(\?[a-zA-Z-]+|[\s\S])/;
  return pattern.exec(rest)?.[0] ?? rest.charAt(0);
}

/** A text as a regular expression. */
export function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
