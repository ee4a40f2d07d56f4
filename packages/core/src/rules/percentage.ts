/** Percentages have steps of 0.01. */
const STEPS = 10_000;

/** Whether a percentage is a whole number of steps. */
export function isWholeSteps(percent: number): boolean {
  // Not by the remainder: 0.29 * 100 is 28.999999999999996.
  return Math.round(percent * 100) / 100 === percent;
}

/** A text whose beginning has been hashed. */
interface Hashing {
  readonly hash: number;
  /** A code unit that still lacks its other half; -1: none. */
  readonly odd: number;
  readonly length: number;
}

/**
 * MurmurHash3, x86, 32 bit (Austin Appleby, public domain: https://github.com/aappleby/smhasher), over the UTF-16 code units of a
 * text, low byte first. The test has the published values that UTF-16 can express.
 */
export function hashText(text: string, seed = 0): number {
  return finish({ hash: seed, odd: -1, length: 0 }, text);
}

function begin(text: string): Hashing {
  const { length } = text;
  let hash = 0;
  for (let i = 0; i + 1 < length; i += 2) hash = mixBlock(hash, text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
  return { hash, odd: length % 2 === 0 ? -1 : text.charCodeAt(length - 1), length };
}

/** The hash of a text whose beginning has been hashed, and whose rest this is. */
function finish({ hash: begun, odd, length }: Hashing, rest: string): number {
  let hash = begun;
  let last = odd;
  let i = 0;
  if (odd !== -1 && rest.length > 0) {
    hash = mixBlock(hash, odd | (rest.charCodeAt(0) << 16));
    last = -1;
    i = 1;
  }
  for (; i + 1 < rest.length; i += 2) hash = mixBlock(hash, rest.charCodeAt(i) | (rest.charCodeAt(i + 1) << 16));
  if (i < rest.length) last = rest.charCodeAt(i);
  if (last !== -1) hash ^= scramble(last);
  hash ^= (length + rest.length) * 2;
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

/** Longer keys are first hashed once for all rules: otherwise a client could make each of a thousand rules hash a whole header. */
export const MAX_KEY_LENGTH = 64;

/** The part of a key that is hashed for each rule. */
export function condensedKey(key: string): string {
  return key.length > MAX_KEY_LENGTH ? hashText(key).toString(16) : key;
}

/** The position of keys among all keys for rules of one name. The name is hashed when the rules are compiled. */
export class KeyShares {
  readonly #begun: Hashing;

  constructor(rule: string) {
    // A zero between the two: rule "ab" with key "c" differs from rule "a" with key "bc".
    this.#begun = begin(`${rule}\0`);
  }

  /**
   * Whether a key, given as {@link condensedKey}, is in the first `percent` of all keys. The same in every process and in every version of
   * ours (the test has golden values); raising the percentage never takes a key out.
   */
  isWithin(percent: number, key: string): boolean {
    return this.#stepOf(key) < Math.round(percent * 100);
  }

  /** 0 to 99.99: it is within every percentage above that. */
  shareOf(key: string): number {
    return this.#stepOf(key) / 100;
  }

  #stepOf(key: string): number {
    return finish(this.#begun, key) % STEPS;
  }
}

/** Whether a key is in the first `percent` of all keys for rules of this name. */
export function isKeyWithin(percent: number, rule: string, key: string): boolean {
  return new KeyShares(rule).isWithin(percent, condensedKey(key));
}

/** The position of a key among all keys for rules of this name, 0 to 99.99: it is within every percentage above that. */
export function shareOfKey(rule: string, key: string): number {
  return new KeyShares(rule).shareOf(condensedKey(key));
}

/** Whether a random request is within `percent`, in the same steps. `random` gives a number in [0, 1). */
export function isRandomWithin(percent: number, random: () => number): boolean {
  return random() * STEPS < Math.round(percent * 100);
}
