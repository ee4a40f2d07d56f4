/** The name that was probably meant. */

/**
 * The nearest of some names by the words it is made of: one that is mistyped costs its letters, one too many or missing its length.
 * Of equals the one with the same ending: that is where names tell base from gray. Undefined where none is near.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: { name: string; distance: number; ending: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    const ending = commonEnding(name, candidate);
    if (distance > Math.max(name.length, candidate.length) / 2) continue;
    if (best === undefined || distance < best.distance || (distance === best.distance && ending > best.ending))
      best = { name: candidate, distance, ending };
  }
  return best?.name;
}

function commonEnding(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a.charAt(a.length - 1 - length) === b.charAt(b.length - 1 - length)) length++;
  return length;
}

/** How many letters are wrong, missing or too many (V. Levenshtein 1965). */
function editDistance(a: string, b: string): number {
  let before = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (before[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, (before[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    before = row;
  }
  return before[b.length] as number;
}
