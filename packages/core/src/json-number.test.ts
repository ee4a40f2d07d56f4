import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonNumber } from './json-number.js';

test('any JSON value is a number or none', () => {
  expect([5, '5', '0.5', ' 7 ', '', 'x', null, true, [5], {}].map(jsonNumber)).toEqual([5, 5, 0.5, 7, 0, NaN, NaN, NaN, NaN, NaN]);
  expect(jsonNumber(JSON.parse('{"toString":1,"valueOf":1}'))).toBeNaN();
  fc.assert(fc.property(fc.jsonValue(), (value) => typeof jsonNumber(value) === 'number'));
});
