/** Percentages are told in steps of 0.01. */
const STEPS = 10_000;

/** Whether a percentage is told in whole steps. */
export function isWholeSteps(percent: number): boolean {
  // Not by the remainder: 0.29 * 100 is 28.999999999999996.
  return Math.round(percent * 100) / 100 === percent;
}

/**
 * MurmurHash3, x86, 32 bit (Austin Appleby, public domain: https://github.com/aappleby/smhasher), over the UTF-16 code units of a
 * text, low byte first. The test has the published values that can be told in UTF-16.
 */
export function hashText(text: string, seed = 0): number {
  let hash = seed;
  let i = 0;
  for (; i + 1 < text.length; i += 2) hash = mixBlock(hash, text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
  if (i < text.length) hash ^= scramble(text.charCodeAt(i));
  hash ^= text.length * 2;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return hash >>> 0;
}

function mixBlock(hash: number, block: number): number {
  const mixed = hash ^ scramble(block);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function scramble(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

/**
 * Whether a key is in the first `percent` of all keys for rules of this name. The same in every process and in every version of
 * ours (the test has golden values); raising the percentage never takes a key out.
 */
export function isKeyWithin(percent: number, rule: string, key: string): boolean {
  return stepOfKey(rule, key) < Math.round(percent * 100);
}

/** Of longer keys the beginning counts: a client could make each of a thousand rules hash all that a header holds. */
export const MAX_KEY_LENGTH = 256;

function stepOfKey(rule: string, key: string): number {
  // A zero between the two: rule "ab" with key "c" is another thing than rule "a" with key "bc".
  return hashText(`${rule}\0${key.length > MAX_KEY_LENGTH ? key.slice(0, MAX_KEY_LENGTH) : key}`) % STEPS;
}

/** Where a key is among all keys for rules of this name, 0 to 99.99: it is within every percentage above that. */
export function shareOfKey(rule: string, key: string): number {
  return stepOfKey(rule, key) / 100;
}

/** Whether a random request is within `percent`, in the same steps. `random` gives a number in [0, 1). */
export function isRandomWithin(percent: number, random: () => number): boolean {
  return random() * STEPS < Math.round(percent * 100);
}
