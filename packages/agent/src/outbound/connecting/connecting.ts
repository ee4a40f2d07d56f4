/**
 * Calls whose destination the agent has chosen, until they are connected. A connection that comes about nowhere has carried nothing, so the
 * call is tried on the next instance of its lane, and then on base where the lane's fallback allows it, before its caller gets the error.
 * Sockets (routed-sockets.ts), dispatches of undici and channels of gRPC each ask an {@link Attempt} where to go next; nobody else decides it.
 */
import { isServerError } from '@lane/core/model';
import type { Instance, Reason, Redirect, Router, ServiceKey, ServiceTables } from '@lane/core/model';
import type { AgentLog } from '../../boot/log.js';
import { hearUndiciAnswers } from './answers.js';
import { TryBudget } from './try-budget.js';

/** Instances of a lane that one call is tried on, and then as many of base. */
export const MAX_TRIES = 3;
/** More addresses that refused are not kept in mind: the oldest goes. Of so many that failed, those that are gone do. */
const MAX_REFUSED = 1_000;

/** Where an instance listens. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

/** What is known of instances, and remembered of them as they are connected to. */
export type Known = Pick<ServiceTables, 'isEmpty' | 'findByAddress' | 'refused' | 'answered' | 'responded'>;

/** Connecting of all calls of this process. */
export class Connecting {
  readonly #router: Router;
  readonly #tables: Known;
  readonly #log: AgentLog;
  readonly #now: () => number;
  readonly #budgets = new Map<string, TryBudget>();
  readonly #refused = new Set<string>();
  /** Addresses that have answered server errors, until a good answer changes nothing any more: only theirs have to be looked at when all is well. */
  readonly #failing = new Set<string>();

  /** Whether anybody is ejected for what is answered. */
  readonly judgesAnswers: boolean;
  #hearsUndici = false;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(router: Router, tables: Known, log: AgentLog, now: () => number, judgesAnswers = false) {
    this.judgesAnswers = judgesAnswers;
    this.#router = router;
    this.#tables = tables;
    this.#log = log;
    this.#now = now;
  }

  /** Once, whatever copies of undici come: they share their channels. */
  hearUndici(): void {
    if (this.#hearsUndici || !this.judgesAnswers) return;
    this.#hearsUndici = true;
    hearUndiciAnswers(this);
  }

  /** A call goes to the instance of a verdict. */
  begin(verdict: Redirect): Attempt {
    const { name } = verdict.service;
    let budget = this.#budgets.get(name);
    if (budget === undefined) this.#budgets.set(name, (budget = new TryBudget()));
    budget.call(this.#now());
    return new Attempt(this.#router, budget, this.#now, verdict);
  }

  /** The service that has an instance at this address, if exactly one has. */
  serviceAt(host: string, port: number): ServiceKey | undefined {
    return this.#tables.isEmpty ? undefined : this.#tables.findByAddress(host, port)?.table.key;
  }

  /** A connection was refused: nobody listens there, or no way leads there. Said once an address. */
  refused(service: ServiceKey, { ip, port }: Address, error: Error): void {
    const key = `${ip}:${port}`;
    this.#refused.add(key);
    if (this.#refused.size > MAX_REFUSED) this.#refused.delete(this.#refused.values().next().value as string);
    this.#tables.refused(service, ip, port);
    this.#log.once(
      `refused ${key}`,
      'warn',
      `${service.name} at ${key} is registered, but can't be connected to: it is passed over for a while where there are others`,
      { error: error.message },
    );
  }

  /** A connection came about. */
  answered(service: ServiceKey, { ip, port }: Address): void {
    if (this.#refused.size > 0) this.#refused.delete(`${ip}:${port}`);
    this.#tables.answered(service, ip, port);
  }

  /**
   * Whether an answer of this status can change anything: on the request path, change with care. 1xx announce an answer, and are none; undici tells
   * of them, too (`undici:request:headers`, 6 and 7).
   */
  minds(status: number): boolean {
    return status >= 500 || (this.#failing.size > 0 && status >= 200);
  }

  /** Whoever listens at an address answered a call with this status. */
  responded(host: string, port: number, status: number): void {
    const key = `${host}:${port}`;
    if (isServerError(status)) {
      const service = this.serviceAt(host, port);
      if (service === undefined) return;
      if (!this.#failing.has(key)) this.#keepInMind(key);
      this.#tables.responded(service, host, port, status);
    } else if (this.#failing.has(key)) {
      const service = this.serviceAt(host, port);
      // While it is ejected, answers to calls of before still come; the one that ends its probation is yet to come.
      if (service === undefined || !this.#tables.responded(service, host, port, status)) this.#failing.delete(key);
    }
  }

  /** As many as there are instances; those that are gone are forgotten once they are many. */
  #keepInMind(address: string): void {
    if (this.#failing.size >= MAX_REFUSED)
      for (const one of this.#failing) {
        const colon = one.lastIndexOf(':');
        if (this.serviceAt(one.slice(0, colon), Number(one.slice(colon + 1))) === undefined) this.#failing.delete(one);
      }
    this.#failing.add(address);
  }

  /** Whether a refusal is the last that is known of an address. */
  isRefused({ ip, port }: Address): boolean {
    return this.#refused.has(`${ip}:${port}`);
  }
}

/** One call, from its first instance to where it is connected. */
export class Attempt {
  readonly service: ServiceKey;
  /** See {@link Redirect}. */
  readonly byName: boolean;
  /** The instance that is tried now. */
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
   * For a connection: this one the first time, then a new one from the same instance on. An agent of node:http makes the sockets of requests that
   * have waited for one with the options of the socket before (`removeSocket` of lib/_http_agent.js).
   */
  take(): Attempt {
    if (this.#isTaken) return new Attempt(this.#router, this.#budget, this.#now, this.#verdict).take();
    this.#isTaken = true;
    return this;
  }

  /**
   * The instance could not be connected to: gives the next one, which has not been tried for this call. undefined: there is none, or the service
   * has had its extra tries.
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
