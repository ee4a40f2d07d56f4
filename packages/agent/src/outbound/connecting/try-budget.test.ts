import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ALWAYS_ALLOWED, EXTRA_SHARE, TryBudget } from './try-budget.js';

const WINDOW_MS = 10_000;

test('retries of a dead service add at most a fifth of its calls, beyond the few that are always allowed', () => {
  const budget = new TryBudget();
  let taken = 0;
  for (let call = 0; call < 10_000; call++) {
    budget.call(0);
    for (let extra = 0; extra < 5; extra++) if (budget.take(0)) taken++;
  }
  expect(taken).toBe(ALWAYS_ALLOWED + 10_000 * EXTRA_SHARE);
});

test('neither retries nor calls count after ten seconds', () => {
  const budget = new TryBudget();
  const take = (now: number): number => {
    let taken = 0;
    while (budget.take(now)) taken++;
    return taken;
  };
  for (let call = 0; call < 100; call++) budget.call(500);
  expect(take(500)).toBe(ALWAYS_ALLOWED + 20);
  expect(take(9_999)).toBe(0);
  expect(take(10_000)).toBe(ALWAYS_ALLOWED);
  // However long nothing happened.
  expect(take(10_000 + 3_600_000)).toBe(ALWAYS_ALLOWED);
});

test('each window grants exactly as many retries as its calls and the floor allow', () => {
  const step = fc.record({ pass: fc.nat(2_500), calls: fc.nat(30), tries: fc.nat(60) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const budget = new TryBudget();
      const calls: number[] = [];
      const taken: number[] = [];
      let now = 0;
      for (const { pass, calls: made, tries } of steps) {
        now += pass;
        // The window is of whole seconds: that of now, and nine before.
        const from = Math.floor(now / 1_000) * 1_000 - (WINDOW_MS - 1_000);
        for (let i = 0; i < made; i++) {
          budget.call(now);
          calls.push(now);
        }
        const allowed = ALWAYS_ALLOWED + calls.filter((at) => at >= from).length * EXTRA_SHARE;
        for (let i = 0; i < tries; i++) {
          const isLeft = taken.filter((at) => at >= from).length + 1 <= allowed;
          expect(budget.take(now)).toBe(isLeft);
          if (isLeft) taken.push(now);
        }
      }
    }),
  );
});
