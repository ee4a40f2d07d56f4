/**
 * A service's instances in force for code that only writes configuration, and sees no refused connections. core's instance memory, which
 * agents and the gateway use, ends a doubt at a refusal, so it can doubt that a single lane is gone. Here that is believed at once, because a
 * removed canary would otherwise get requests for as long as the doubt lasts. The caller checks whether kept instances still
 * exist.
 */
import type { Instance } from '@lane/core/model';

/** The state after a list. */
export interface Held {
  readonly instances: readonly Instance[];
  /** Those that the registry no longer lists. */
  readonly kept: readonly Instance[];
  /** When to check again, in milliseconds; undefined: at the next list. */
  readonly againInMs: number | undefined;
}

/**
 * The usable instances of one service. A registry that restarted empty lists no instance, then some, then all. So an empty
 * list is never believed (requests would have nowhere else to go), and one that lacks more than half of the known instances, or any
 * soon after trouble with the registry, only after a while. Instances that go one by one, such as draining ones, go at once.
 */
export class BulkDoubt {
  #known = new Map<string, Instance>();
  #listed: readonly Instance[] = [];
  #doubtedSinceMs: number | undefined;
  #troubleAtMs = -Infinity;

  /** `holdMs`: how long a registry must report instances as gone before that is believed. */
  constructor(private readonly holdMs: number) {}

  /** Takes a list, and returns the state. */
  take(list: readonly Instance[], nowMs: number): Held {
    this.#listed = list;
    return this.look(nowMs);
  }

  /** The registry stopped answering, or answers again. */
  trouble(nowMs: number): void {
    this.#troubleAtMs = nowMs;
  }

  /** An unlisted instance refused a connection, so it is certainly gone. */
  refused({ ip, port }: Instance): void {
    this.#known.delete(`${ip} ${port}`);
  }

  /** The current state. */
  look(nowMs: number): Held {
    const listed = new Map(this.#listed.map((instance) => [`${instance.ip} ${instance.port}`, instance]));
    const gone = [...this.#known].filter(([address]) => !listed.has(address));
    // The time starts with the first non-empty list.
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
