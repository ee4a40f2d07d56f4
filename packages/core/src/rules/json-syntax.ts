/** A syntax error in JSON, and its place. */
export interface JsonError {
  /** In UTF-16 code units from the start. */
  readonly index: number;
  readonly message: string;
}

/** What may come next. */
type Expected = keyof typeof EXPECTED;

const EXPECTED = {
  value: 'a value',
  item: 'a value (the comma before it is one too many if the list ends here)',
  'first item': 'a value or ]',
  'first field': 'a field name in double quotes, or }',
  field: 'a field name in double quotes (the comma before it is one too many if the object ends here)',
  colon: 'a colon',
  'end of object': 'a comma or }',
  'end of list': 'a comma or ]',
  end: 'nothing more',
} as const;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

/**
 * Finds where a text stops being JSON (RFC 8259); undefined if it is valid. JSON.parse reports that too, but in different words in each
 * version of Node, and often without the place.
 */
export function findJsonError(text: string): JsonError | undefined {
  /** Open brackets. A list, not recursion: a text may nest deeper than the stack. */
  const open: string[] = [];
  let expected: Expected = 'value';
  let at = 0;
  const afterValue = (): Expected => (open.length === 0 ? 'end' : open.at(-1) === '{' ? 'end of object' : 'end of list');

  for (;;) {
    while (' \t\n\r'.includes(text[at] ?? '?')) at++;
    const character = text[at];
    if (character === undefined) return expected === 'end' ? undefined : { index: at, message: `it ends where ${EXPECTED[expected]} is expected` };

    if (expected === 'end') return unexpected(text, at, expected);
    const isField: boolean = expected === 'field' || expected === 'first field';
    if (expected === 'colon') {
      if (character !== ':') return unexpected(text, at, expected);
      at++;
      expected = 'value';
    } else if (expected === 'end of object' || expected === 'end of list') {
      if (character === ',') expected = expected === 'end of object' ? 'field' : 'item';
      else if (character === (expected === 'end of object' ? '}' : ']')) {
        open.pop();
        expected = afterValue();
      } else return unexpected(text, at, expected);
      at++;
    } else if ((expected === 'first field' && character === '}') || (expected === 'first item' && character === ']')) {
      open.pop();
      at++;
      expected = afterValue();
    } else if (character === '"') {
      const string = endOfString(text, at);
      if (typeof string !== 'number') return string;
      at = string;
      expected = isField ? 'colon' : afterValue();
    } else if (isField) return unexpected(text, at, expected);
    else if (character === '{' || character === '[') {
      open.push(character);
      at++;
      expected = character === '{' ? 'first field' : 'first item';
    } else {
      const end = endOf(NUMBER, text, at) ?? endOf(WORD, text, at);
      if (end === undefined) return unexpected(text, at, expected);
      at = end;
      expected = afterValue();
    }
  }
}

/** Line and column of a place, both from 1. */
export function lineAndColumn(text: string, index: number): { readonly line: number; readonly column: number } {
  const lines = text.slice(0, index).split(/\r\n|\n|\r/);
  return { line: lines.length, column: (lines.at(-1) as string).length + 1 };
}

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function endOfString(text: string, start: number): number | JsonError {
  let at = start + 1;
  for (;;) {
    const code = text.charCodeAt(at);
    if (Number.isNaN(code)) return { index: at, message: 'it ends within a text: the closing double quote is expected' };
    if (code === 0x22) return at + 1;
    if (code < 0x20)
      return { index: at, message: 'a text goes over the end of its line, or has a control character: \\n, \\t or \\u00.. is expected' };
    if (code === 0x5c) {
      const end = endOf(ESCAPE, text, at);
      if (end === undefined)
        return {
          index: at,
          message: 'a backslash is followed by what is no escape: \\\\, \\", \\/, \\b, \\f, \\n, \\r, \\t or \\u and four hex digits is expected',
        };
      at = end;
    } else at++;
  }
}

function unexpected(text: string, index: number, expected: Expected): JsonError {
  // A whole word, or one character, by its code if it is invisible.
  const word = /[\w$.+-]{1,20}/y;
  word.lastIndex = index;
  const code = text.codePointAt(index) as number;
  const character = String.fromCodePoint(code);
  const found = word.exec(text)?.[0] ?? (/[\p{C}\p{Z}]/u.test(character) ? `U+${code.toString(16).toUpperCase().padStart(4, '0')}` : character);
  return { index, message: `${found} is found where ${EXPECTED[expected]} is expected` };
}
