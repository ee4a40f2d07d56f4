/**
 * Chance for choosing among instances: the generator sfc32 (Chris Doty-Humphrey, PractRand; public domain), seeded by the engine's own. What is
 * chosen is no secret.
 */
const state = Uint32Array.from({ length: 4 }, () => Math.random() * 2 ** 32);

/**
 * A number in [0, 1). `Math.random` puts each of its numbers into the heap where compiled code calls it; this one is compiled into its caller. Its
 * first 32 bits are the generator's; those behind, by which an instance of a very small weight gets its share, are of its state.
 */
export function chance(): number {
  const a = state[0] as number;
  const b = state[1] as number;
  const c = state[2] as number;
  const count = state[3] as number;
  const sum = (a + b + count) | 0;
  const mixed = b ^ (b >>> 9);
  state[0] = mixed;
  state[1] = (c + (c << 3)) | 0;
  state[2] = (((c << 21) | (c >>> 11)) + sum) | 0;
  state[3] = (count + 1) | 0;
  return ((sum >>> 0) * 2 ** 21 + (mixed >>> 11)) / 2 ** 53;
}
