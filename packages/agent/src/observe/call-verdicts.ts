import type { SettledVerdict } from '@lane/core/model';

/** The verdicts on calls, kept for their spans; only under LANE_TRACES. */
export class CallVerdicts {
  readonly #ofRequests = new WeakMap<object, SettledVerdict>();
  #current: SettledVerdict | undefined;

  /** Keeps the verdict on a request. */
  note(request: object, verdict: SettledVerdict): void {
    this.#ofRequests.set(request, verdict);
  }

  /** Creates a request whose object nobody has yet; its span starts meanwhile. */
  during<R>(verdict: SettledVerdict, make: () => R): R {
    this.#current = verdict;
    try {
      return make();
    } finally {
      this.#current = undefined;
    }
  }

  /** The verdict on a request that was noted, or is being created. */
  of(request: object): SettledVerdict | undefined {
    return this.#ofRequests.get(request) ?? this.#current;
  }
}
