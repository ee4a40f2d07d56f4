import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileRe2, MAX_REGEX_INPUT } from './matchers.js';
import { regexWork } from './regex-work.js';

/** How often the engine has looked at an instruction when it has searched all of these. */
function looksAt(source: string, ignoreCase: boolean, values: readonly string[]): number {
  const pattern = compileRe2(source, ignoreCase);
  const { prog } = pattern.re2() as { prog: { getInst(at: number): unknown } };
  const { getInst } = prog;
  let looks = 0;
  prog.getInst = (at) => {
    looks++;
    return getInst.call(prog, at);
  };
  let most = 0;
  for (const value of values) {
    looks = 0;
    pattern.matcher(value).find();
    most = Math.max(most, looks);
  }
  return most;
}

describe('the steps of a regular expression', () => {
  const atom = fc.constantFrom(
    'a',
    'b',
    'ab',
    '[ab]',
    '[^a]',
    '.',
    'k',
    '(?i:k)',
    '\\x{212a}',
    '[\\x{2100}-\\x{2200}]',
    '\\b',
    '^',
    '$',
    '(?m:^)',
    '\\pL',
    's',
  );
  const expression = fc.letrec<{ one: string }>((tie) => ({
    one: fc.oneof(
      { maxDepth: 4 },
      atom,
      fc.tuple(tie('one'), tie('one')).map(([a, b]) => `${a}${b}`),
      fc.tuple(tie('one'), tie('one')).map(([a, b]) => `(?:${a}|${b})`),
      fc.tuple(tie('one'), fc.constantFrom('*', '+', '?', '*?', '{3}', '{0,4}', '{2,}')).map(([a, times]) => `(${a})${times}`),
    ),
  })).one;
  const value = fc.string({ unit: fc.constantFrom('a', 'b', 'k', 'K', '\u212a', 's', '\u017f', '\n', ' ', '\u2150', '\u{1f600}'), maxLength: 40 });

  test('are at least as many as the engine takes, for any value', () => {
    fc.assert(
      fc.property(expression, fc.boolean(), fc.array(value, { minLength: 5, maxLength: 5 }), (source, ignoreCase, values) => {
        const filled = values.map((text) => text.repeat(MAX_REGEX_INPUT).slice(0, MAX_REGEX_INPUT));
        const { steps } = regexWork(source, ignoreCase, Infinity);
        // An instruction that may go on in two ways is looked at three times; each place is begun with one look.
        expect(looksAt(source, ignoreCase, [...values, ...filled])).toBeLessThanOrEqual(3 * steps + MAX_REGEX_INPUT + 1);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    // Of 16 instructions those of the beginning, and what a letter leads to.
    ['[a-z]+@example[.]com', 5],
    ['(?:alice|bob)@www\\.example\\.com$', 7],
    ['.*', 3],
    ['\\d+-\\d+$', 7],
  ])('of %s follow the states that can be alive at once, some %i per character', (source, perCharacter) => {
    const { steps } = regexWork(source, false, Infinity);
    expect(steps).toBeLessThanOrEqual(perCharacter * (MAX_REGEX_INPUT + 1));
  });

  test.each(['^(?:alice|bob)@www\\.example\\.com$', '^/api/v[0-9]/users', '^a{40}b?$'])('of %s end where nothing can match any more', (source) => {
    expect(regexWork(source, false, Infinity).steps).toBeLessThan(150);
  });

  test('are bounded by all instructions if counting them would take long', () => {
    const distinct = Array.from({ length: 900 }, (_, i) => String.fromCharCode(0x4e00 + i)).join('');
    for (const source of ['(a?){500}a{500}$', `(?:${distinct})+`, Array.from({ length: 12 }, (_, i) => `(${'abcdefghijkl'[i]}.{900})?`).join('')]) {
      const { steps } = regexWork(source, false, 25_000);
      expect(steps).toBe(compileRe2(source, false).programSize() * (MAX_REGEX_INPUT + 1));
    }
  });

  test('are none for a plain text, which is searched for', () => {
    expect(regexWork('iPhone', false, Infinity)).toEqual({ steps: 0, scans: 1 });
    expect(regexWork('(iPhone)', false, Infinity).steps).toBeGreaterThan(0);
  });

  test('are not the whole cost: texts that a match must contain are searched for first', () => {
    expect(regexWork('^(?:ab|cd)(?:ef|gh)x', false, Infinity).scans).toBeGreaterThanOrEqual(2);
    expect(regexWork('^[ab]', false, Infinity).scans).toBe(0);
  });
});
