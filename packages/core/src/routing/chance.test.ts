import { expect, test } from 'vitest';
import { chance } from './chance.js';

test('is evenly spread over [0, 1), each number alone and together with its predecessor', () => {
  const draws = 400_000;
  const cells = 16;
  const single = new Uint32Array(cells);
  const pairs = new Uint32Array(cells * cells);
  const fine = new Uint32Array(cells);
  const count = (counts: Uint32Array, cell: number): void => void (counts[cell] = (counts[cell] ?? 0) + 1);
  let before = 0;
  let isWithin = true;
  for (let i = 0; i < draws; i++) {
    const number = chance();
    isWithin &&= number >= 0 && number < 1;
    const cell = Math.floor(number * cells);
    count(single, cell);
    count(pairs, before * cells + cell);
    // The bits behind the first 32.
    count(fine, Math.floor(((number * 2 ** 32) % 1) * cells));
    before = cell;
  }
  const chiSquare = (counts: Uint32Array): number =>
    counts.reduce((sum, found) => sum + (found - draws / counts.length) ** 2 / (draws / counts.length), 0);
  expect(isWithin).toBe(true);
  // More than that comes once in some hundred million runs: 15 and 255 degrees of freedom.
  expect(chiSquare(single)).toBeLessThan(70);
  expect(chiSquare(fine)).toBeLessThan(70);
  expect(chiSquare(pairs)).toBeLessThan(400);
});
