/** Gathers events within a second, for logs that report them in one line. */
import type { Clock } from './service-tables.js';

/** Services or instances named in one line. */
const MAX_NAMED = 3;
/** How long events are gathered: a registry forgets many services at once, and failures affect many. */
const GATHER_MS = 1_000;

/** Passes items to `tell`, all of one second together. */
export function gathering<T>(clock: Clock, tell: (gathered: readonly T[]) => void): (item: T) => void {
  let gathered: T[] = [];
  return (item) => {
    if (gathered.length === 0)
      clock.after(GATHER_MS, () => {
        const told = gathered;
        gathered = [];
        tell(told);
      });
    gathered.push(item);
  };
}

/** The first items of a list in words, and how many more there are, phrased by `more`. */
export function listed<T>(all: readonly T[], tell: (item: T) => string, more: (count: number) => string): string {
  const told = all.slice(0, MAX_NAMED).map(tell).join(', ');
  return all.length > MAX_NAMED ? `${told}, and ${more(all.length - MAX_NAMED)}` : told;
}
