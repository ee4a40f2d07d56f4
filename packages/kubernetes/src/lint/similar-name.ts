import { distance } from 'fastest-levenshtein';

/** At least so much of two names has to be the same for one to be taken for the other mistyped. */
const SIMILAR = 0.6;

/**
 * The name that another was most likely meant to be; undefined where none is like it.
 *
 * Word by word, since that is how services are named: `spring-clud-a-base-gray` is `spring-cloud-a-gray` rather than
 * `spring-cloud-a-base`, as the last word says what it is. A word that is mistyped is a mistake; names that differ by whole words alone
 * (`shop-orders` and `shop-users`, `web-v1` and `web-v2`, `cd-server` and `cd-dex-server`) are two names, and both may exist.
 */
export function similarName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestLikeness = SIMILAR;
  for (const candidate of known) {
    const likeness = likenessOf(name, candidate);
    if (likeness > bestLikeness) [best, bestLikeness] = [candidate, likeness];
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
  return name.toLowerCase().split(/[-._/]/);
}

/** One letter wrong in four, or two that have changed places; a first letter or a digit is seldom mistyped, and often what tells two names apart. */
function isMistyped(a: string, b: string): boolean {
  const length = Math.max(a.length, b.length);
  if (length < 4 || a[0] !== b[0] || digitsOf(a) !== digitsOf(b)) return false;
  const wrong = distance(a, b);
  return wrong * 4 <= length || (wrong === 2 && sorted(a) === sorted(b));
}

const digitsOf = (word: string): string => word.replace(/\D/g, '');
const sorted = (word: string): string => [...word].sort().join('');
