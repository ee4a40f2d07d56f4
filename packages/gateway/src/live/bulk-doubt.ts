/**
 * What holds of a service's instances for those who only write configuration, and see no connection refused: core's instance memory, which
 * agents and the gateway go by, ends its doubt by refusals, and may so doubt that a single lane is gone. Here that is believed at once, as a
 * canary that is taken away would else be asked for as long as the registry is doubted. Whether those that are kept are still there is
 * looked at by whoever keeps them.
 */
import type { Instance } from '@lane/core/model';

/** What holds after a list has come. */
export interface Held {
  readonly instances: readonly Instance[];
  /** Those of them that the registry does not list any more. */
  readonly kept: readonly Instance[];
  /** When to look again, in milliseconds; undefined: at the next list. */
  readonly againInMs: number | undefined;
}

/**
 * The usable instances of one service. A registry that was started anew, empty, tells of no instance, then of some, then of all: so an empty
 * list is not believed at all (requests would have nowhere else to go), and one that lacks more than half of what was known, or anything
 * soon after trouble with the registry, not before it has said so for a while. What goes one by one, as instances that drain do, goes at once.
 */
export class BulkDoubt {
  #known = new Map<string, Instance>();
  #listed: readonly Instance[] = [];
  #doubtedSinceMs: number | undefined;
  #troubleAtMs = -Infinity;

  /** `holdMs`: so long a registry has to say that instances are gone until that is believed. */
  constructor(private readonly holdMs: number) {}

  /** Takes a list, and says what holds. */
  take(list: readonly Instance[], nowMs: number): Held {
    this.#listed = list;
    return this.look(nowMs);
  }

  /** The registry stopped answering, or answers again. */
  trouble(nowMs: number): void {
    this.#troubleAtMs = nowMs;
  }

  /** An instance that is not listed refused a connection, and is gone for certain. */
  refused({ ip, port }: Instance): void {
    this.#known.delete(`${ip} ${port}`);
  }

  /** Says what holds now. */
  look(nowMs: number): Held {
    const listed = new Map(this.#listed.map((instance) => [`${instance.ip} ${instance.port}`, instance]));
    const gone = [...this.#known].filter(([address]) => !listed.has(address));
    // The time runs from the first list with something in it.
    if (gone.length === 0 || listed.size === 0) this.#doubtedSinceMs = undefined;
    else if (gone.length > this.#known.size / 2 || nowMs - this.#troubleAtMs < this.holdMs) this.#doubtedSinceMs ??= nowMs;
    const doubtEndsMs = this.#doubtedSinceMs === undefined ? nowMs : this.#doubtedSinceMs + this.holdMs;
    const isKept = gone.length > 0 && (listed.size === 0 || nowMs < doubtEndsMs);
    if (isKept) for (const [address, instance] of gone) listed.set(address, instance);
    else this.#doubtedSinceMs = undefined;
    this.#known = listed;
    return {
      instances: [...listed.values()],
      kept: isKept ? gone.map(([, instance]) => instance) : [],
      againInMs: isKept && this.#listed.length > 0 ? doubtEndsMs - nowMs : undefined,
    };
  }
}
