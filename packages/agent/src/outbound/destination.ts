/**
 * Where a call goes: service names are resolved, and addresses of instances in the wrong lane are corrected. Shared by all
 * clients; each brings its own way of changing the address.
 */
import {
  isInRightLane,
  LaneUnavailableError,
  pick,
  type Decision,
  type Instance,
  type Reason,
  type ServiceKey,
  type ServiceTables,
  type Tag,
} from '@lane/core/model';

/** How a call came to its destination, for metrics and explanations. */
export type Outcome = Reason | 'corrected';

/** What is known of hosts that are service names: all that the request path asks of a registry, whichever it is (LANE_REGISTRY). */
export interface ServiceNames {
  /** The service of a host and port, or undefined. */
  find(host: string, port: number): ServiceKey | undefined;
  hasNames(): boolean;
  /** Whether a host is part of the call chain, and may have the tag, by its name alone. */
  isInternal(host: string): boolean;
  /** The group of this very service, where the registry says. */
  groupOfOwn(): string | undefined;
  /** Learns a service that no table holds yet: resolves when it is known or can't be, never rejects. undefined: nobody to ask. */
  learn(key: ServiceKey): Promise<void> | undefined;
}

/** Another address to go to. */
export interface Redirected {
  readonly instance: Instance;
  /** The host was a service name, which stays the logical name of the peer (Host header, TLS). */
  readonly byName: boolean;
  readonly outcome: Outcome;
  readonly service: string;
}

/** Nothing to change; another address; an error for the caller; or wait until the service is known, then ask again. */
export type Destination = undefined | Redirected | LaneUnavailableError | Promise<void>;

/** Chooses destinations. */
export interface Destinations {
  /** Whether anything is known that could change a destination: asked first, on each request. */
  readonly isEmpty: boolean;
  /** `retry`: the service has been waited for; take what is known. */
  choose(host: string, port: number, tag: Tag | undefined, retry?: boolean): Destination;
  /** What became of a call for which this destination was chosen, in words of its span; undefined: not to a known service. */
  explain(host: string, port: number, tag: Tag | undefined, destination: Destination): CallRoute | undefined;
}

/** How a call came to its destination, as its span says it. */
export interface CallRoute {
  readonly route: 'lane' | 'base' | 'fallback' | 'corrected';
  readonly service: string;
}

/** Outcomes in the words of spans and figures; none for `none`. */
export const ROUTES: Partial<Record<Outcome, CallRoute['route']>> = {
  base: 'base',
  'in-lane': 'lane',
  'fell-back-to-base': 'fallback',
  'lane-not-here': 'fallback',
  corrected: 'corrected',
};

/** Makes the chooser. `count` is told of each decision. */
export function createDestinations(tables: ServiceTables, names: ServiceNames, count: (outcome: Outcome) => void): Destinations {
  function byDecision(key: ServiceKey, decision: Decision, tag: Tag | undefined, byName: boolean): Redirected | LaneUnavailableError {
    const instance = pick(decision, Math.random);
    if (instance === undefined) {
      count('none');
      return new LaneUnavailableError(key, tag);
    }
    const outcome = byName ? decision.reason : 'corrected';
    count(outcome);
    return { instance, byName, outcome, service: key.name };
  }

  return {
    get isEmpty() {
      return tables.isEmpty && !names.hasNames();
    },
    choose(host, port, tag, retry = false) {
      const known = tables.findByAddress(host, port);
      if (known !== undefined) {
        const decision = tables.route(known.table.key, tag) as Decision;
        return isInRightLane(known, decision, tag) ? undefined : byDecision(known.table.key, decision, tag, false);
      }
      const key = names.find(host, port);
      if (key === undefined) return undefined;
      const decision = tables.route(key, tag);
      if (decision !== undefined) return byDecision(key, decision, tag, true);
      // Nobody knows the service: after waiting in vain the name goes the way it would go without us (DNS).
      return retry ? undefined : names.learn(key);
    },
    explain(host, port, tag, destination) {
      if (destination instanceof Promise || destination instanceof LaneUnavailableError) return undefined;
      if (destination !== undefined) return routeOf(destination.outcome, destination.service);
      const known = tables.findByAddress(host, port);
      return known === undefined ? undefined : routeOf(tables.route(known.table.key, tag)?.reason, known.table.key.name);
    },
  };
}

function routeOf(outcome: Outcome | undefined, service: string): CallRoute | undefined {
  const route = outcome === undefined ? undefined : ROUTES[outcome];
  return route === undefined ? undefined : { route, service };
}
