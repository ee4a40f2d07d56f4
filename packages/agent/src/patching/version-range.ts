/**
 * Ranges of versions, in the few forms of them that the table of instrumentations needs: `2.x`, `0.8`, `>=7`, `5 - 8`, and several with `||`. A
 * package for it would be the agent's only one at start. They mean the same as in npm (https://github.com/npm/node-semver#ranges), except
 * pre-releases, which count as the version they precede: `8.0.0-rc.1` is an 8.
 */

/**
 * Whether a version is in a range; a part that the range leaves out may be anything, so that `5 - 8` has all of 8.x. Undefined if the
 * version is malformed. Throws a TypeError if the range has none of those forms.
 */
export function isInRange(version: string, range: string): boolean | undefined {
  const found = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version.trim());
  const parts = found?.slice(1).map(Number);
  let isIn = false;
  for (const alternative of range.split('||')) {
    const [, from = '', to] = /^\s*(\S+?)(?:\s+-\s+(\S+))?\s*$/.exec(alternative) ?? [];
    const isAtLeast = from.startsWith('>=');
    const low = partsOf(isAtLeast && to === undefined ? from.slice(2) : from, range);
    const high = to === undefined ? low : partsOf(to, range);
    if (parts !== undefined && compare(parts, low) >= 0 && (isAtLeast || compare(parts, high) <= 0)) isIn = true;
  }
  return parts === undefined ? undefined : isIn;
}

/** The parts that are given: `2.x` has one. */
function partsOf(text: string, range: string): number[] {
  if (!/^\d+(\.\d+){0,2}(\.x)?$/.test(text))
    throw new TypeError(`${JSON.stringify(range)} is not a version range: must be 2.x, 0.8, >=7, 5 - 8, or several of these with ||`);
  return text
    .split('.')
    .filter((part) => part !== 'x')
    .map(Number);
}

/** Compares as many parts as `bound` has. */
function compare(parts: readonly number[], bound: readonly number[]): number {
  for (let i = 0; i < bound.length; i++) {
    const difference = (parts[i] ?? 0) - (bound[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
