import type { CallRoute } from '../outbound/destination.js';

/** Where calls went, kept for their spans; there only under LANE_TRACES. */
export class CallRoutes {
  readonly #ofRequests = new WeakMap<object, CallRoute>();
  #current: CallRoute | undefined;

  /** Keeps the route of a request. */
  note(request: object, route: CallRoute | undefined): void {
    if (route !== undefined) this.#ofRequests.set(request, route);
  }

  /** Makes a request whose object nobody can have yet; its span is started meanwhile. */
  during<R>(route: CallRoute | undefined, make: () => R): R {
    this.#current = route;
    try {
      return make();
    } finally {
      this.#current = undefined;
    }
  }

  /** The route of a request that was noted, or is being made. */
  of(request: object): CallRoute | undefined {
    return this.#ofRequests.get(request) ?? this.#current;
  }
}
