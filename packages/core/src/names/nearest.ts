/** Longer words are compared by their beginnings. */
const MAX_COMPARED_LENGTH = 60;
/** How much of two names must be equal for one to count as the other mistyped. */
const SIMILAR = 0.6;

/** How sure one has to be. */
export interface NearestOptions {
  /** Only a name with a mistyped word, perhaps plus an extra one: for callers who change something, or report an error. */
  readonly surely?: boolean;
}

/**
 * The known name that was most likely meant; undefined if none is similar.
 *
 * Names are compared word by word first: `spring-clud-a-base-gray` is `spring-cloud-a-gray` rather than
 * `spring-cloud-a-base`, because the last word says what it is. A mistyped word is a mistake; names that differ only by whole words
 * (`shop-orders` and `shop-users`, `web-v1` and `web-v2`, `cd-server` and `cd-dex-server`) are two names, and both may exist. Unless it
 * has to be sure, it also accepts a name that differs by two letters in total, or is the other one truncated.
 */
export function nearest(name: string, known: Iterable<string>, { surely = false }: NearestOptions = {}): string | undefined {
  let best: string | undefined;
  let bestLikeness = SIMILAR;
  for (const candidate of known) {
    const likeness = likenessOf(name, candidate);
    if (likeness > bestLikeness) [best, bestLikeness] = [candidate, likeness];
  }
  return best ?? (surely ? undefined : nearestAsAWhole(name, known));
}

function nearestAsAWhole(name: string, known: Iterable<string>): string | undefined {
  const meant = name.slice(0, MAX_COMPARED_LENGTH).toLowerCase();
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of known) {
    const other = candidate.toLowerCase();
    const begins = Math.min(meant.length, other.length) >= 3 && (meant.startsWith(other) || other.startsWith(meant));
    const distance = editDistance(meant, other);
    const isNear = begins || distance <= (other.length <= 4 ? 1 : 2);
    if (isNear && distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function likenessOf(a: string, b: string): number {
  const [mine, theirs] = [wordsOf(a), wordsOf(b)];
  if (mine.join('') === theirs.join('')) return 1;
  const left = [...theirs];
  let same = 0;
  let mistyped = 0;
  for (const word of mine) {
    const found = left.includes(word) ? left.indexOf(word) : left.findIndex((other) => isMistyped(word, other));
    if (found === -1) continue;
    if (left[found] !== word) mistyped++;
    left.splice(found, 1);
    same++;
  }
  const isReplaced = same < mine.length && same < theirs.length;
  const isOtherName = mistyped === 0 && mine.length !== theirs.length;
  if (isReplaced || isOtherName) return 0;
  const endsAlike = mine.at(-1) === theirs.at(-1) ? 0.01 : 0;
  return same / Math.max(mine.length, theirs.length) + endsAlike;
}

function wordsOf(name: string): string[] {
  return name
    .slice(0, MAX_COMPARED_LENGTH)
    .toLowerCase()
    .split(/[-._/]/);
}

/** One letter wrong in four, or two that have changed places; a first letter or a digit is seldom mistyped, and often what tells two names apart. */
function isMistyped(a: string, b: string): boolean {
  const length = Math.max(a.length, b.length);
  if (length < 4 || a[0] !== b[0] || digitsOf(a) !== digitsOf(b)) return false;
  const wrong = editDistance(a, b);
  return wrong * 4 <= length || (wrong === 2 && sorted(a) === sorted(b));
}

const digitsOf = (word: string): string => word.replace(/\D/g, '');
const sorted = (word: string): string => [...word].sort().join('');

/** How many letters are wrong, missing, too many, or swapped with the next (the optimal string alignment distance). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] as number;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (isSame ? 0 : 1)));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(at(i, j), at(i - 2, j - 2) + 1);
    }
  }
  return at(a.length, b.length);
}
