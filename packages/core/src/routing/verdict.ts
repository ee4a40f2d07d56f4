/**
 * Where a call goes, and why: one verdict from one look-up. Clients act upon it; metrics, spans, decisions and explanations report
 * it. Names of services are resolved; addresses of instances that are in the wrong lane or gone are corrected.
 */
import { nextCandidate, type Candidate } from './candidates.js';
import { chance } from './chance.js';
import { currentCarried } from '../context.js';
import { tagOfService } from '../wire/json-carriers.js';
import type { Instance } from './instance.js';
import { pick, route, type Decision, type Reason } from './lane-index.js';
import type { ServiceNames } from './registry.js';
import { isInRightLane, type GoneInstance, type KnownAddress, type ServiceKey, type ServiceTable, type ServiceTables } from './service-tables.js';
import type { Tag } from '../names/tag.js';

/**
 * What to do with a call. A closed set:
 * - `unknown`: not to a known service; it goes where the app sends it
 * - `as-is`: to an instance that may serve it; nothing to change
 * - `redirect`: to another instance than the one addressed, or to one of the service named
 * - `unavailable`: no instance may serve it; the caller gets an error
 * - `wait`: to a service, or possible service, that is being learnt; ask again once it is known
 */
export type VerdictKind = 'unknown' | 'as-is' | 'redirect' | 'unavailable' | 'wait';

/** A verdict on a call. */
export type Verdict = Unknown | AsIs | Redirect | Unavailable | Wait;

/** A verdict that can be acted upon. */
export type SettledVerdict = Exclude<Verdict, Wait>;

/** The call is not ours. */
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
  /** `none`: there is no usable alternative, and the addressed instance is base. */
  readonly reason: Reason;
  readonly instance: Instance;
}

/** The call goes to another address. */
export interface Redirect {
  readonly kind: 'redirect';
  readonly service: ServiceKey;
  readonly reason: Reason;
  readonly instance: Instance;
  /** The tag of the decision: if a request names one for each service, that of this service. */
  readonly tag: Tag | undefined;
  /** The host is a service's name, and remains the peer's logical name (Host header, TLS); otherwise an address is corrected. */
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
  /** undefined: not known yet whether the host is a service. */
  readonly service: ServiceKey | undefined;
  readonly reason: undefined;
  readonly instance: undefined;
  /** Settles when the service is known, or can't be. Never rejects. */
  readonly until: Promise<void>;
}

/**
 * Which addresses that an app chose itself are corrected. A closed set:
 * - `all`: those of the wrong lane, and those whose instance is gone or can't be reached
 * - `lanes`: those of the wrong lane only
 */
export type Corrects = 'all' | 'lanes';

/** The verdict on an unknown host. */
export const UNKNOWN: Unknown = Object.freeze({ kind: 'unknown', service: undefined, reason: undefined, instance: undefined });

/** Gives verdicts. */
export interface Router {
  /** Whether nothing known could change a destination: checked first, on each request. */
  readonly isEmpty: boolean;
  /**
   * The verdict on a call. `waited`: the wait for the service is over; use what is known. `isCall` false: whether it is a call to a service shows
   * later. On the request path, change with care.
   */
  judge(host: string, port: number, tag: Tag | undefined, waited?: boolean, isCall?: boolean): Verdict;
  /** Where a call goes after a failed connection, as {@link nextCandidate}; `tag` is its verdict's. */
  next(service: ServiceKey, tag: Tag | undefined, isTried: (instance: Instance) => boolean, isLaneSpent: boolean): Candidate | undefined;
}

/**
 * Creates a router. `learn` starts learning a service without a table, and returns a promise that settles when it is known or can't
 * be; undefined: there is no registry, or the service is known not to exist.
 */
export function createRouter(
  tables: ServiceTables,
  names: ServiceNames,
  learn: (key: ServiceKey) => Promise<void> | undefined,
  corrects: Corrects = 'all',
): Router {
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
        if (known.gone !== undefined) return judgeGone(known, known.gone, decision, wanted, corrects);
        if (isInRightLane(known, decision, wanted) && (instance.healthy || isLeft(instance, decision, corrects)))
          return { kind: 'as-is', service: table.key, reason: decision.reason, instance };
        return verdictOf(table.key, decision, wanted, false);
      }
      const key = names.find(host, port, isCall);
      // Only certain calls wait.
      if (key === undefined) return waited || !isCall ? UNKNOWN : untilNamed(host, port);
      const table = tables.get(key);
      if (table !== undefined) return judgeByName(table, tag);
      // Nobody knows the service: after waiting in vain, the name goes to DNS, as without us.
      if (waited) return UNKNOWN;
      const until = learn(key);
      return until === undefined ? UNKNOWN : waitFor(key, until);
    },
    next(service, tag, isTried, isLaneSpent) {
      const table = tables.get(service);
      return table === undefined ? undefined : nextCandidate(table.index, tag, isTried, isLaneSpent, chance);
    },
  };
}

/** Whether an unhealthy instance keeps the calls to its address: there is no alternative, or it is alive and answers errors. */
function isLeft({ ejected }: Instance, { reason }: Decision, corrects: Corrects): boolean {
  return corrects === 'lanes' || reason === 'none' || ejected === true;
}

/** The verdict on a call to an address whose instance is gone. An instance missing from all lists may still live: without an alternative, it is tried. */
function judgeGone(known: KnownAddress, gone: GoneInstance, decision: Decision, tag: Tag | undefined, corrects: Corrects): Verdict {
  const { table, instance } = known;
  const isRight = isInRightLane(known, decision, tag);
  // An instance of the wrong lane may be back at its address: the registry would have told, but not while it is away.
  const isItsOwn = gone.isRecent || (!isRight && gone.isUntold);
  if (decision.reason === 'none') return known.tag === tag || !isItsOwn ? UNKNOWN : verdictOf(table.key, decision, tag, false);
  if (corrects === 'lanes' && isRight) return UNKNOWN;
  if (isItsOwn || gone.hasRefused) return verdictOf(table.key, decision, tag, false);
  // By now the address may belong to something else, which is tried first.
  return { kind: 'redirect', service: table.key, reason: decision.reason, instance, tag, byName: false };
}

function waitFor(service: ServiceKey | undefined, until: Promise<void>): Wait {
  return { kind: 'wait', service, reason: undefined, instance: undefined, until };
}

/** The verdict on a call by name to a known service. */
export function judgeByName(table: ServiceTable, tag: Tag | undefined): Redirect | Unavailable {
  const wanted = tagFor(table.key.name, tag);
  return verdictOf(table.key, route(table.index, wanted), wanted, true);
}

/** The tag of a call to a service: its request's, unless that names one for each service. */
function tagFor(service: string, tag: Tag | undefined): Tag | undefined {
  const carried = currentCarried();
  return carried === undefined ? tag : tagOfService(carried.tags, service);
}

function verdictOf(service: ServiceKey, decision: Decision, tag: Tag | undefined, byName: boolean): Redirect | Unavailable {
  const instance = pick(decision, chance);
  return instance === undefined
    ? { kind: 'unavailable', service, reason: 'none', instance: undefined, tag }
    : { kind: 'redirect', service, reason: decision.reason, instance, tag, byName };
}
