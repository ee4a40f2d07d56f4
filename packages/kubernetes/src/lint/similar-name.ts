import { distance } from 'fastest-levenshtein';

/** At least so much of two names has to be the same for one to be taken for the other mistyped. */
const SIMILAR = 0.6;

/**
 * The name that is most like another, word by word (`spring-clud-a-base-gray` is `spring-cloud-a-gray` rather than
 * `spring-cloud-a-base`: the last word says what it is); undefined where none is like it.
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
  const left = [...theirs];
  let same = 0;
  for (const word of mine) {
    const found = left.findIndex((other) => isSameWord(word, other));
    if (found === -1) continue;
    left.splice(found, 1);
    same++;
  }
  const endsAlike = mine.at(-1) === theirs.at(-1) ? 0.01 : 0;
  const wholeDistance = 1 - distance(a, b) / Math.max(a.length, b.length);
  return Math.max(same / Math.max(mine.length, theirs.length), wholeDistance) + endsAlike;
}

function wordsOf(name: string): string[] {
  return name.toLowerCase().split(/[-._]/);
}

/** One letter wrong in four. */
function isSameWord(a: string, b: string): boolean {
  return a === b || (Math.max(a.length, b.length) >= 4 && distance(a, b) * 4 <= Math.max(a.length, b.length));
}
