/**
 * Calls whose destination the agent has chosen, until they are connected. A failed connection has carried nothing, so the
 * call is tried on the next instance of its lane, and then on base if the lane's fallback allows it, before its caller gets the error.
 * Sockets (routed-sockets.ts), dispatches of undici and channels of gRPC each ask an {@link Attempt} where to go next; nobody else decides it.
 */
import type { AgentOptions } from '@lane/core/agent';
import { laneOfAddress } from '@lane/core/model';
import type { Instance, Reason, Redirect, Router, ServiceKey, ServiceTables } from '@lane/core/model';
import type { AgentLog } from '../../boot/log.js';
import { hearUndiciAnswers } from './answers.js';
import { LaneProbes } from './lane-probes.js';
import { TryBudget } from './try-budget.js';
import { followUndiciSockets } from './undici-sockets.js';

/** How many instances of a lane one call tries, and then as many of base. */
export const MAX_TRIES = 3;
/** How many refusing addresses are remembered: beyond that, the oldest goes. Of that many that failed, gone ones go. */
const MAX_REFUSED = 1_000;

/** Where an instance listens. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

/** What is known about instances, and learnt as calls connect to them. */
export type Known = Pick<ServiceTables, 'isEmpty' | 'findByAddress' | 'get' | 'refused' | 'answered' | 'hasSuspects' | 'responded'>;

/** Connects all calls of this process. */
export class Connecting {
  readonly #router: Router;
  readonly #tables: Known;
  readonly #log: AgentLog;
  readonly #now: () => number;
  readonly #budgets = new Map<string, TryBudget>();
  readonly #refused = new Set<string>();
  /** Whether answers can eject instances. */
  readonly judgesAnswers: boolean;
  readonly #correctsAll: boolean;
  readonly #probes: Pick<LaneProbes, 'watch'>;
  /** Whether node:http2 sessions to addresses that the app chose try other instances; nobody else depends on where they are. */
  movesSessions = true;
  #hearsUndici = false;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(
    router: Router,
    tables: Known,
    log: AgentLog,
    now: () => number,
    options: Pick<AgentOptions, 'corrects' | 'outlier'>,
    probes: Pick<LaneProbes, 'watch'> = new LaneProbes(tables),
  ) {
    this.judgesAnswers = options.outlier.serverErrors > 0;
    this.#correctsAll = options.corrects === 'all';
    this.#probes = probes;
    this.#router = router;
    this.#tables = tables;
    this.#log = log;
    this.#now = now;
  }

  /** Once for all copies of undici: they share their channels. */
  hearUndici(): void {
    if (this.#hearsUndici) return;
    this.#hearsUndici = true;
    if (this.judgesAnswers) hearUndiciAnswers(this);
    if (this.#correctsAll) followUndiciSockets();
  }

  /** Starts a call to the instance of a verdict. */
  begin(verdict: Redirect): Attempt {
    const { name } = verdict.service;
    let budget = this.#budgets.get(name);
    if (budget === undefined) this.#budgets.set(name, (budget = new TryBudget()));
    budget.call(this.#now());
    return new Attempt(this.#router, budget, this.#now, verdict);
  }

  /**
   * Starts a call to an instance whose address the app chose, in the right lane; undefined: it stays there. The caller is in
   * the instance's lane, because other calls have been redirected before. That does not hold for an address whose instance is long gone.
   */
  beginAt(host: string, port: number): Attempt | undefined {
    const known = this.#correctsAll ? this.#tables.findByAddress(host, port) : undefined;
    if (known === undefined || known.gone?.isRecent === false) return undefined;
    const tag = laneOfAddress(known);
    const reason = tag === undefined ? 'base' : 'in-lane';
    return this.begin({ kind: 'redirect', service: known.table.key, reason, instance: known.instance, tag, byName: false });
  }

  /** The service with an instance at this address, or with the last one there, if it is exactly one. */
  serviceAt(host: string, port: number): ServiceKey | undefined {
    return this.#tables.isEmpty ? undefined : this.#tables.findByAddress(host, port)?.table.key;
  }

  /** A connection was refused: nobody listens there, or there is no route. Logged once per address. `isKept`: the app has kept the address. */
  refused(service: ServiceKey, { ip, port }: Address, error: Error, isKept = false): void {
    const key = `${ip}:${port}`;
    this.#refused.add(key);
    if (this.#refused.size > MAX_REFUSED) this.#refused.delete(this.#refused.values().next().value as string);
    this.#tables.refused(service, ip, port);
    this.#probes.watch(service);
    const told = `refused ${key}`;
    const why = { error: error.message };
    if (this.#tables.findByAddress(ip, port)?.gone === undefined)
      this.#log.once(
        told,
        'warn',
        `${service.name} at ${key} is registered but can't be connected to: other instances are preferred for a while`,
        why,
      );
    else if (isKept)
      this.#log.once(
        told,
        'warn',
        `${service.name} at ${key} left the registry but is still called: list instances before each call, or call by name`,
        why,
      );
  }

  /** A connection succeeded. */
  answered(service: ServiceKey, { ip, port }: Address): void {
    if (this.#refused.size > 0) this.#refused.delete(`${ip}:${port}`);
    this.#tables.answered(service, ip, port);
  }

  /**
   * Whether an answer with this status can matter. On the request path, change with care. 1xx are not final answers, except 101, though undici
   * reports them, too (`undici:request:headers`, 6 and 7).
   */
  minds(status: number): boolean {
    return status >= 500 || ((status >= 200 || status === 101) && this.#tables.hasSuspects);
  }

  /** An address answered a call with this status. */
  responded(host: string, port: number, status: number): void {
    const service = this.serviceAt(host, port);
    if (service !== undefined) this.#tables.responded(service, host, port, status);
  }

  /** Whether the last known event of an address is a refusal. */
  isRefused({ ip, port }: Address): boolean {
    return this.#refused.has(`${ip}:${port}`);
  }
}

/** One call, from its first instance to where it is connected. */
export class Attempt {
  readonly service: ServiceKey;
  /** See {@link Redirect}. */
  readonly byName: boolean;
  /** The instance being tried. */
  instance: Instance;
  readonly #router: Router;
  readonly #budget: TryBudget;
  readonly #now: () => number;
  readonly #verdict: Redirect;
  readonly #tried: Instance[] = [];
  #laneTries = 0;
  #baseTries = 0;
  #isTaken = false;

  constructor(router: Router, budget: TryBudget, now: () => number, verdict: Redirect) {
    this.service = verdict.service;
    this.byName = verdict.byName;
    this.instance = verdict.instance;
    this.#router = router;
    this.#budget = budget;
    this.#now = now;
    this.#verdict = verdict;
    this.#count(verdict.reason);
  }

  /**
   * The attempt for a connection: this one the first time, then a new one that starts at the same instance. An agent of node:http makes the sockets
   * of requests that have waited for one with the options of the socket before (`removeSocket` of lib/_http_agent.js).
   */
  take(): Attempt {
    if (this.#isTaken) return new Attempt(this.#router, this.#budget, this.#now, this.#verdict).take();
    this.#isTaken = true;
    return this;
  }

  /**
   * The connection to the instance failed: returns the next one not yet tried for this call. undefined: there is none, or the service
   * has used up its extra tries.
   */
  next(): Instance | undefined {
    this.#tried.push(this.instance);
    if (this.#baseTries >= MAX_TRIES) return undefined;
    const isTried = ({ ip, port }: Instance): boolean => this.#tried.some((one) => one.ip === ip && one.port === port);
    const candidate = this.#router.next(this.service, this.#verdict.tag, isTried, this.#laneTries >= MAX_TRIES);
    if (candidate === undefined || !this.#budget.take(this.#now())) return undefined;
    this.#count(candidate.reason);
    return (this.instance = candidate.instance);
  }

  #count(reason: Reason): void {
    if (reason === 'in-lane') this.#laneTries++;
    else this.#baseTries++;
  }
}
