/**
 * Where a call goes, and why: one verdict from one look-up, which clients act upon, and of which figures, spans, decisions and explanations
 * speak. Names of services are resolved; addresses of instances in the wrong lane are corrected.
 */
import { nextCandidate, type Candidate } from './candidates.js';
import { currentCarried } from '../context.js';
import { tagOfService } from '../wire/json-carriers.js';
import type { Instance } from './instance.js';
import { pick, route, type Decision, type Reason } from './lane-index.js';
import type { ServiceNames } from './registry.js';
import { isInRightLane, type ServiceKey, type ServiceTable, type ServiceTables } from './service-tables.js';
import type { Tag } from '../names/tag.js';

/**
 * What becomes of a call. A closed set:
 * - `unknown`: not to a service that is known; it goes where the app sends it
 * - `as-is`: to an instance that may serve it; nothing to change
 * - `redirect`: to another instance than the one addressed, or to one of the service named
 * - `unavailable`: no instance may serve it; the caller gets an error
 * - `wait`: to a service that is being learnt, or to what may be one; ask again once that is known
 */
export type VerdictKind = 'unknown' | 'as-is' | 'redirect' | 'unavailable' | 'wait';

/** What becomes of a call. */
export type Verdict = Unknown | AsIs | Redirect | Unavailable | Wait;

/** A verdict that can be acted upon. */
export type SettledVerdict = Exclude<Verdict, Wait>;

/** The call is none of ours. */
export interface Unknown {
  readonly kind: 'unknown';
  readonly service: undefined;
  readonly reason: undefined;
  readonly instance: undefined;
}

/** The call is right as it is. */
export interface AsIs {
  readonly kind: 'as-is';
  readonly service: ServiceKey;
  /** `none`: nothing usable is there to go to instead, and the instance addressed is base. */
  readonly reason: Reason;
  readonly instance: Instance;
}

/** The call goes to another address. */
export interface Redirect {
  readonly kind: 'redirect';
  readonly service: ServiceKey;
  readonly reason: Reason;
  readonly instance: Instance;
  /** The tag that was decided for: where a request names one for each service, that of this one. */
  readonly tag: Tag | undefined;
  /** The host is a service's name, and stays the logical name of the peer (Host header, TLS); else an address of the wrong lane is corrected. */
  readonly byName: boolean;
}

/** The call goes nowhere. */
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly service: ServiceKey;
  readonly reason: 'none';
  readonly instance: undefined;
  readonly tag: Tag | undefined;
}

/** The call waits. */
export interface Wait {
  readonly kind: 'wait';
  /** undefined: it is not known yet whether the host is one. */
  readonly service: ServiceKey | undefined;
  readonly reason: undefined;
  readonly instance: undefined;
  /** Settles when the service is known, or can't be. Never rejects. */
  readonly until: Promise<void>;
}

/** The verdict on what is not known. */
export const UNKNOWN: Unknown = Object.freeze({ kind: 'unknown', service: undefined, reason: undefined, instance: undefined });

/** Gives verdicts. */
export interface Router {
  /** Whether nothing is known that could change a destination: asked first, on each request. */
  readonly isEmpty: boolean;
  /**
   * What becomes of a call. `waited`: the service has been waited for; take what is known. `isCall` false: whether it is a call to a service shows
   * later. On the request path, change with care.
   */
  judge(host: string, port: number, tag: Tag | undefined, waited?: boolean, isCall?: boolean): Verdict;
  /** Where a call goes that could not be connected, as {@link nextCandidate}; `tag` is that of its verdict. */
  next(service: ServiceKey, tag: Tag | undefined, isTried: (instance: Instance) => boolean, isLaneSpent: boolean): Candidate | undefined;
}

/**
 * Makes a router. `learn` begins to learn a service that no table holds yet, and gives a promise that settles when it is known or can't
 * be; undefined: there is nobody to ask, or the service is known not to be there.
 */
export function createRouter(tables: ServiceTables, names: ServiceNames, learn: (key: ServiceKey) => Promise<void> | undefined): Router {
  function untilNamed(host: string, port: number): Verdict {
    const pending = names.pending?.(host);
    if (pending === undefined) return UNKNOWN;
    const until = pending.then(() => {
      const key = names.find(host, port);
      return key === undefined || tables.get(key) !== undefined ? undefined : learn(key);
    });
    return waitFor(undefined, until);
  }

  return {
    get isEmpty() {
      return tables.isEmpty && names.isEmpty;
    },
    judge(host, port, tag, waited = false, isCall = true) {
      const known = tables.findByAddress(host, port);
      if (known !== undefined) {
        const { table, instance } = known;
        const wanted = tagFor(table.key.name, tag);
        const decision = route(table.index, wanted);
        if (isInRightLane(known, decision, wanted)) return { kind: 'as-is', service: table.key, reason: decision.reason, instance };
        return verdictOf(table.key, decision, wanted, false);
      }
      const key = names.find(host, port, isCall);
      // Of what is no call for sure, nothing has to wait.
      if (key === undefined) return waited || !isCall ? UNKNOWN : untilNamed(host, port);
      const table = tables.get(key);
      if (table !== undefined) return judgeByName(table, tag);
      // Nobody knows the service: after waiting in vain the name goes the way it would go without us (DNS).
      if (waited) return UNKNOWN;
      const until = learn(key);
      return until === undefined ? UNKNOWN : waitFor(key, until);
    },
    next(service, tag, isTried, isLaneSpent) {
      const table = tables.get(service);
      return table === undefined ? undefined : nextCandidate(table.index, tag, isTried, isLaneSpent, Math.random);
    },
  };
}

function waitFor(service: ServiceKey | undefined, until: Promise<void>): Wait {
  return { kind: 'wait', service, reason: undefined, instance: undefined, until };
}

/** What becomes of a call by name to a service that is known. */
export function judgeByName(table: ServiceTable, tag: Tag | undefined): Redirect | Unavailable {
  const wanted = tagFor(table.key.name, tag);
  return verdictOf(table.key, route(table.index, wanted), wanted, true);
}

/** The tag of a call to a service: that of its request, unless the request names one for each service. */
function tagFor(service: string, tag: Tag | undefined): Tag | undefined {
  const carried = currentCarried();
  return carried === undefined ? tag : tagOfService(carried.tags, service);
}

function verdictOf(service: ServiceKey, decision: Decision, tag: Tag | undefined, byName: boolean): Redirect | Unavailable {
  const instance = pick(decision, Math.random);
  return instance === undefined
    ? { kind: 'unavailable', service, reason: 'none', instance: undefined, tag }
    : { kind: 'redirect', service, reason: decision.reason, instance, tag, byName };
}
