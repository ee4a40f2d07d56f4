/**
 * The fuzz targets without Jazzer.js: replays the saved corpus, and mutations of it by fast-check. Inputs found by
 * `npm run fuzz` go into the corpus, so they are replayed here forever.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const FUZZ = join(__dirname, '../fuzz');
/** Inputs per target: cheap targets get the default, which is more. */
const RUNS: Readonly<Record<string, number>> = { 'gateway-requests': 150, 'gateway-answers': 150, 'lane-groups': 200, manifests: 200 };

/** The same inputs in each run: a test fails by what has changed, and `npm run fuzz` looks for further ones. */
const SEED = 1;

type Fuzz = (data: Buffer) => unknown;
type Change = (bytes: Buffer) => Buffer;

/** A mutation: removes, doubles, moves or replaces some bytes. `at` and `length` are clamped to the input. */
const change: fc.Arbitrary<Change> = fc
  .tuple(fc.nat(), fc.nat({ max: 16 }), fc.constantFrom('cut', 'double', 'swap', 'write'), fc.uint8Array({ minLength: 1, maxLength: 4 }))
  .map(([from, length, how, bytes]) => (input) => {
    const at = input.length === 0 ? 0 : from % input.length;
    const [before, part, after] = [input.subarray(0, at), input.subarray(at, at + length), input.subarray(at + length)];
    if (how === 'cut') return Buffer.concat([before, after]);
    if (how === 'double') return Buffer.concat([before, part, part, after]);
    if (how === 'swap') return Buffer.concat([part, before, after]);
    return Buffer.concat([before, bytes, after]);
  });

describe.each(readdirSync(join(FUZZ, 'corpus')))('%s', (name) => {
  const { fuzz } = require(join(FUZZ, 'targets', `${name}.cjs`)) as { fuzz: Fuzz };
  const folder = join(FUZZ, 'corpus', name);
  const inputs = readdirSync(folder).map((file) => readFileSync(join(folder, file)));

  test('the corpus', async () => {
    expect(inputs.length).toBeGreaterThan(0);
    for (const input of inputs) await fuzz(input);
  });

  test('mutations of the corpus', async () => {
    const changed = fc.tuple(fc.constantFrom(...inputs), fc.array(change, { minLength: 1, maxLength: 4 }));
    await fc.assert(
      fc.asyncProperty(changed, async ([input, changes]) => {
        await fuzz(changes.reduce<Buffer>((bytes, one) => one(bytes), input));
      }),
      { numRuns: RUNS[name] ?? 2_000, seed: SEED },
    );
  });
});
