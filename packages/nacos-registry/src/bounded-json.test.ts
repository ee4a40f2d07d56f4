import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from './bounded-json.js';

const nested = (levels: number, inside = ''): string => `${'['.repeat(levels)}${inside}${']'.repeat(levels)}`;

test('parses like JSON.parse', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      expect(parseJson(text)).toEqual(JSON.parse(text));
    }),
  );
});

test.each(['', '{', '"', '"\\', '"\\"', '[1,]', 'x'])('invalid text gives undefined: %s', (text) => expect(parseJson(text)).toBe(undefined));

test('limits brackets to 64 levels, and ignores those in strings, however written', () => {
  expect(parseJson(nested(64))).toBeDefined();
  expect(parseJson(nested(65))).toBe(undefined);
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('\\', '"', '[', '{', 'a') }), fc.integer({ min: 1, max: 70 }), (text, levels) => {
      const inside = `${JSON.stringify(text)},${JSON.stringify(`${text}${'['.repeat(80)}`)}`;
      expect(parseJson(nested(levels, inside)) !== undefined).toBe(levels <= 64);
    }),
  );
});
