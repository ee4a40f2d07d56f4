/** Longer words are compared by their beginnings. */
const MAX_COMPARED_LENGTH = 60;

/** The known word that was probably meant: one mistyped, or shorter or longer. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const meant = word.slice(0, MAX_COMPARED_LENGTH).toLowerCase();
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
