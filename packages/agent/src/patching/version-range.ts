/**
 * Ranges of versions, in the few forms of them that the table of instrumentations needs: `2.x`, `0.8`, `>=7`, `5 - 8`, and several with
 * `||`. A package for it would be the agent's only one at start. They mean what they mean to npm
 * (https://github.com/npm/node-semver#ranges), but for pre-releases, which count as what they come before: `8.0.0-rc.1` is an 8.
 */

/**
 * Whether a version is in a range; a part that the range leaves out may be anything, so that `5 - 8` has all of 8.x. Undefined where the
 * version is none. Throws a TypeError where the range is none of those forms.
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
    throw new TypeError(`${JSON.stringify(range)} is no range of versions: accepted are 2.x, 0.8, >=7, 5 - 8, and several with ||`);
  return text
    .split('.')
    .filter((part) => part !== 'x')
    .map(Number);
}

/** By as many parts as `bound` has. */
function compare(parts: readonly number[], bound: readonly number[]): number {
  for (let i = 0; i < bound.length; i++) {
    const difference = (parts[i] ?? 0) - (bound[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
