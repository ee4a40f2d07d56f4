/** Far above Nacos' answers (a list of instances has three levels), and far below what a value of brackets alone would cost. */
const MAX_DEPTH = 64;

/** The value of a JSON text; undefined if it is invalid, or nested more than 64 levels deep: four million brackets take 100 MB. */
export function parseJson(text: string): unknown {
  if (isDeep(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function isDeep(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      // Most of an answer is in strings: the engine finds their ends several times as fast.
      i = endOfString(text, i);
      if (i === -1) return false;
    }
    // { and [, } and ]: each pair differs in one bit.
    else if ((code | 0x20) === 0x7b) {
      if (++depth > MAX_DEPTH) return true;
    } else if ((code | 0x20) === 0x7d) depth--;
  }
  return false;
}

/** Where the string that begins at `start` ends; -1: nowhere. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let first = end;
    while (text.charCodeAt(first - 1) === BACKSLASH) first--;
    if ((end - first) % 2 === 0) return end;
  }
  return -1;
}
