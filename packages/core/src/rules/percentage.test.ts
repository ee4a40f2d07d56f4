import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashText, isKeyWithin, isRandomWithin, isWholeSteps } from './percentage.js';

describe('the hash', () => {
  // Published for MurmurHash3_x86_32 (Wikipedia's table, and https://stackoverflow.com/a/31929528): those of an even number of bytes.
  test.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['\0\0\0\0', 0, 0x2362f9de],
    ['\0\0', 0, 0x30f4c306],
    ['\xff\xff\xff\xff', 0, 0x76293b50],
    ['!Ce\x87', 0, 0xf55b516b],
    ['!Ce\x87', 0x5082edee, 0x2362f9de],
    ['!C', 0, 0xa0f7b07a],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['aa', 0x9747b28c, 0x5d211726],
    ['abcd', 0x9747b28c, 0xf0478627],
    ['ab', 0x9747b28c, 0x74875592],
    ['test', 0, 0xba6bd213],
    ['test', 0x9747b28c, 0x704b81dc],
    [Buffer.from('ππππππππ').toString('latin1'), 0x9747b28c, 0xd58063c1],
  ])('of the bytes %j with seed %d is that of MurmurHash3', (bytes, seed, hash) => {
    expect(hashText(Buffer.from(bytes, 'latin1').toString('utf16le'), seed)).toBe(hash);
  });
});

describe('a percentage', () => {
  // Changing one of these moves users from lane to lane at an upgrade.
  test.each([
    ['five-percent', 'alice', 72.46],
    ['five-percent', 'bob', 81.15],
    ['five-percent', '10.0.0.1', 13.12],
    ['five-percent', '灰度', 66.16],
    ['五', 'alice', 23],
    ['r', '', 74.46],
    // The longest that is taken as it is, and the shortest that is condensed.
    ['r', 'a'.repeat(64), 37.39],
    ['r', 'a'.repeat(65), 74.98],
  ])('of rule %j includes the key %j above %d, in every process and version', (rule, key, from) => {
    expect([isKeyWithin(from, rule, key), isKeyWithin(Math.round(from * 100 + 1) / 100, rule, key)]).toEqual([false, true]);
  });

  test('never loses a key when it is raised; 0 includes none, 100 all', () => {
    const percent = fc.integer({ min: 0, max: 10_000 }).map((steps) => steps / 100);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), percent, percent, (rule, key, a, b) => {
        if (isKeyWithin(Math.min(a, b), rule, key)) expect(isKeyWithin(Math.max(a, b), rule, key)).toBe(true);
        expect([isKeyWithin(0, rule, key), isKeyWithin(100, rule, key)]).toEqual([false, true]);
      }),
    );
  });

  test.each([0.01, 0.5, 5, 37.25, 90, 99.99])('of %d has that share of the keys, whatever the rule', (percent) => {
    for (const rule of ['five-percent', 'another']) {
      let within = 0;
      for (let i = 0; i < 100_000; i++) if (isKeyWithin(percent, rule, `user-${i}`)) within++;
      // Six standard deviations. The keys are always the same, and so is the count.
      const deviation = Math.sqrt(percent * (100 - percent) * 10) * 6;
      expect(Math.abs(within - percent * 1000)).toBeLessThan(deviation);
    }
  });

  test('selects different keys for different rules', () => {
    let both = 0;
    for (let i = 0; i < 100_000; i++) if (isKeyWithin(50, 'one', `user-${i}`) && isKeyWithin(50, 'two', `user-${i}`)) both++;
    expect(Math.abs(both - 25_000)).toBeLessThan(1_000);
  });

  test('includes each key at its own step, to the last digit', () => {
    for (let i = 0; i < 5_000; i++) {
      const step = hashText(`r\0user-${i}`) % 10_000;
      expect([isKeyWithin(step / 100, 'r', `user-${i}`), isKeyWithin((step + 1) / 100, 'r', `user-${i}`)]).toEqual([false, true]);
    }
  });

  test('distinguishes rule and key', () => {
    const numbers = Array.from({ length: 200 }, (_, i) => i);
    expect(numbers.filter((i) => isKeyWithin(50, `a${i}`, 'b'))).not.toEqual(numbers.filter((i) => isKeyWithin(50, 'a', `${i}b`)));
  });

  test.each<[percent: number, last: number, first: number]>([
    [50, 0.49999, 0.5],
    [0.01, 0.000099, 0.0001],
    [99.99, 0.99989, 0.9999],
  ])('of %d without a key takes chances up to %d, and not %d', (percent, last, first) => {
    expect([isRandomWithin(percent, () => last), isRandomWithin(percent, () => first)]).toEqual([true, false]);
  });

  test('without a key takes none at 0 and all at 100', () => {
    expect([isRandomWithin(0, () => 0), isRandomWithin(100, () => 1 - Number.EPSILON / 2)]).toEqual([false, true]);
  });

  test('has whole steps for exactly the 10,001 numbers with two decimals', () => {
    for (let steps = 0; steps <= 10_000; steps++) {
      const percent = Number(`${Math.floor(steps / 100)}.${String(steps % 100).padStart(2, '0')}`);
      expect(isWholeSteps(percent)).toBe(true);
      expect(isWholeSteps(percent + 0.005)).toBe(false);
    }
    expect([0.001, 0.009, 33.333, 99.999, 5e-324].map(isWholeSteps)).toEqual([false, false, false, false, false]);
  });
});

test('all of a key counts, however long it is', () => {
  const keys = Array.from({ length: 1_000 }, (_, i) => `${'k'.repeat(8_000)}${i}`);
  // Six standard deviations.
  expect(Math.abs(keys.filter((key) => isKeyWithin(50, 'rule', key)).length - 500)).toBeLessThan(95);
  expect(keys.filter((key) => isKeyWithin(50, 'rule', key))).not.toEqual(keys.filter((key) => isKeyWithin(50, 'another', key)));
});
