import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isTag, MAX_TAG_LENGTH } from './tag.js';

describe('isTag', () => {
  test.each([
    ['one character', 'g'],
    ['a word', 'gray'],
    ['first and last of each range', 'azAZ09'],
    ['the three marks', '._-'],
    ['a mark in front', '-gray'],
    ['digits alone', '42'],
    ['the longest', 'x'.repeat(MAX_TAG_LENGTH)],
  ])('accepts %s', (_, value) => {
    expect(isTag(value)).toBe(true);
  });

  test.each([
    ['nothing', ''],
    ['one character too many', 'x'.repeat(MAX_TAG_LENGTH + 1)],
    ['a blank within', 'gr ay'],
    ['a blank at the end', 'gray '],
    ['a tab', 'gray\t'],
    ['a line feed at the end', 'gray\n'],
    ['a NUL', 'gray\0'],
    ['a list', 'gray,blue'],
    ['a property', 'gray;p=1'],
    ['a percent-encoded character', 'gr%61y'],
    ['a slash', 'shop/gray'],
    ['letters with accents', 'gräu'],
    ['Chinese', '灰度'],
    ['a full-width letter', '\uff47ray'],
    ['a surrogate pair', '🦓'],
  ])('rejects %s', (_, value) => {
    expect(isTag(value)).toBe(false);
  });

  test.each([undefined, null, 42, true, ['gray'], { length: 4 }, new String('gray')])('rejects a value that is not a string: %j', (value) => {
    expect(isTag(value)).toBe(false);
  });

  test('accepts exactly the 65 characters of the rule', () => {
    const accepted = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code)).filter((character) => isTag(character));
    expect(accepted.join('')).toBe('-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz');
  });

  test('agrees with the rule as a regular expression', () => {
    const character = fc.oneof(fc.constantFrom(...'azAZ09._-@[`{/:^,;= %'), fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }));
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 70 }), (value) => {
        expect(isTag(value)).toBe(/^[A-Za-z0-9._-]{1,64}$(?!\n)/.test(value));
      }),
    );
  });
});
