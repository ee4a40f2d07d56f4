/** What is known of a service's instances where the registry may have forgotten them. */
import type { Instance } from '@lane/core/model';

/** How long instances that have all but gone at once are kept: Nacos' clients come back to one that has been started anew within 5 to 15 s. */
const DOUBT_MS = 30_000;

/** What holds after a list has come. */
export interface Remembered {
  readonly instances: readonly Instance[];
  /** How many of them the registry does not list any more. */
  readonly kept: number;
  /** When to ask again whether they are still kept, in milliseconds; undefined: at the next list. */
  readonly againInMs: number | undefined;
}

/**
 * The instances of one service. A registry that was started anew, empty, tells of no instance, then of some, then of all: so an empty list
 * is not believed at all (whoever asks would get nothing instead of what is there most probably), and one that lacks more than half of
 * what was known is so after a while. What goes one by one, as instances that drain do, goes at once.
 */
export class InstanceMemory {
  #known = new Map<string, Instance>();
  #listed: readonly Instance[] = [];
  #doubtedSinceMs: number | undefined;

  /** Takes a list, and says what holds. */
  take(list: readonly Instance[] | undefined, nowMs: number): Remembered {
    this.#listed = list ?? [];
    return this.look(nowMs);
  }

  /** Says what holds now. */
  look(nowMs: number): Remembered {
    const listed = new Map(this.#listed.map((instance) => [`${instance.ip} ${instance.port}`, instance]));
    const gone = [...this.#known].filter(([address]) => !listed.has(address));
    // The time runs from the first list with something in it.
    if (gone.length === 0 || listed.size === 0) this.#doubtedSinceMs = undefined;
    else if (gone.length > this.#known.size / 2) this.#doubtedSinceMs ??= nowMs;
    const doubtEndsMs = this.#doubtedSinceMs === undefined ? nowMs : this.#doubtedSinceMs + DOUBT_MS;
    const isKept = gone.length > 0 && (listed.size === 0 || nowMs < doubtEndsMs);
    if (isKept) for (const [address, instance] of gone) listed.set(address, instance);
    else this.#doubtedSinceMs = undefined;
    this.#known = listed;
    return {
      instances: [...listed.values()],
      kept: isKept ? gone.length : 0,
      againInMs: isKept && this.#listed.length > 0 ? doubtEndsMs - nowMs : undefined,
    };
  }
}
