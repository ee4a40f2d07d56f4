/** Assigns colours to lanes. styles.css defines them as `.lane-0` and so on. */

/** The number of colours, and of lanes that can be told apart by colour. */
export const COLORS = 12;
/** Step from a taken colour to a quite different one; coprime to {@link COLORS}, so that it reaches all of them. */
const STEP = 5;

/**
 * Gives each tag a colour. Up to {@link COLORS} tags get different ones; with more, as few as possible share one. A tag gets the colour of its name
 * unless another tag has it already: one in `known`, which keep theirs, or else the first by name.
 */
export function colorsOf(tags: Iterable<string>, known: ReadonlyMap<string, number> = new Map()): ReadonlyMap<string, number> {
  const colors = new Map<string, number>();
  const taken = Array.from({ length: COLORS }, () => 0);
  const own = (tag: string): number => known.get(tag) ?? colorOfName(tag);
  let rest = [...new Set(tags)].toSorted((a, b) => Number(known.has(b)) - Number(known.has(a)) || (a < b ? -1 : 1));
  for (let most = 1; rest.length > 0; most++) {
    const takes = (tag: string, color: number): boolean => {
      const count = taken[color] ?? 0;
      if (count >= most) return false;
      taken[color] = count + 1;
      colors.set(tag, color);
      return true;
    };
    // First give tags their own colours, then the remaining colours to the rest.
    rest = rest.filter((tag) => !takes(tag, own(tag)));
    rest = rest.filter((tag) => !Array.from({ length: COLORS }, (_, i) => (own(tag) + i * STEP) % COLORS).some((color) => takes(tag, color)));
  }
  return colors;
}

/** The colour of a tag, if no other tag has it. */
export function colorOfName(tag: string): number {
  // FNV-1a; any hash that spreads short texts will do.
  let hash = 0x811c9dc5;
  for (let i = 0; i < tag.length; i++) hash = Math.imul(hash ^ tag.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % COLORS;
}
