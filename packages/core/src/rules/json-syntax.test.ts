import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findJsonError, lineAndColumn } from './json-syntax.js';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('findJsonError', () => {
  test.each<[text: string, at: string, message: RegExp]>([
    ['', '1:1', /ends where a value is expected/],
    ['  \n', '2:1', /ends where a value is expected/],
    ['{"a": 1,\n}', '2:1', /^} is found where a field name .* comma before it is one too many/],
    ['[1,\n2,\n]', '3:1', /^] is found where a value .* comma before it is one too many/],
    ['{"a": 1\n "b": 2}', '2:2', /^" is found where a comma or } is expected/],
    ['[1 2]', '1:4', /^2 is found where a comma or ] is expected/],
    ['{"a" 1}', '1:6', /^1 is found where a colon is expected/],
    ['{a: 1}', '1:2', /^a is found where a field name in double quotes, or } is expected/],
    ["{'a': 1}", '1:2', /^' is found where a field name in double quotes/],
    ['{"a": 1} // done', '1:10', /^\/ is found where nothing more is expected/],
    ['{"a": True}', '1:7', /^True is found where a value is expected/],
    ['{"a": \u00a01}', '1:7', /^U\+00A0 is found where a value is expected/],
    ['[01]', '1:3', /^1 is found where a comma or ]/],
    ['["a\nb"]', '1:4', /over the end of its line/],
    ['["\\x"]', '1:3', /backslash is followed by what is no escape/],
    ['["a', '1:4', /closing double quote is expected/],
    ['{"a": [1, 2', '1:12', /ends where a comma or ] is expected/],
    ['\r\n{\r\n"a":\rx', '4:1', /^x is found where a value/],
    ['🦓', '1:1', /^🦓 is found/],
  ])('%j stops being JSON at %s', (text, at, message) => {
    const error = findJsonError(text);
    expect(error?.message).toMatch(message);
    const { line, column } = lineAndColumn(text, error?.index ?? NaN);
    expect(`${line}:${column}`).toBe(at);
  });

  test('handles any nesting depth', () => {
    expect(findJsonError('['.repeat(500_000))?.index).toBe(500_000);
    expect(findJsonError('[{"a":'.repeat(100_000) + '1' + '}]'.repeat(100_000))).toBeUndefined();
  });

  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"\\u00e9"',
    '"',
    '\\',
    'true',
    'null',
    'fals',
    '0',
    '-1',
    '-',
    '1.5e+3',
    '1.',
    '.5',
    '1e',
    ' ',
    '\n',
    '\u00a0',
    '\u0000',
    'é',
  );

  test('finds an error exactly where JSON.parse does', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
          fc.json(),
          fc.string(),
        ),
        (text) => {
          expect(findJsonError(text) === undefined).toBe(isJson(text));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test('finds it in valid JSON that lost or got a character, and the text before it is a prefix of valid JSON', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom('', ',', '}', ']', '"', 'x', '1'), (json, place, put) => {
        const at = place % (json.length + 1);
        const text = json.slice(0, at) + put + json.slice(put === '' ? at + 1 : at);
        const error = findJsonError(text);
        expect(error === undefined).toBe(isJson(text));
        // A cut text errs only where it ends: all before the place of an error is sound.
        if (error !== undefined && error.index > 0) expect(findJsonError(text.slice(0, error.index))?.index ?? error.index).toBe(error.index);
      }),
      { numRuns: 2_000 },
    );
  });
});
