/**
 * Calls whose destination the agent has chosen, until they are connected. A connection that comes about nowhere has carried nothing, so the
 * call is tried on the next instance of its lane, and then on base where the lane's fallback allows it, before its caller gets the error.
 * Sockets (routed-sockets.ts), dispatches of undici and channels of gRPC each ask an {@link Attempt} where to go next; nobody else decides it.
 */
import type { Avoided, Instance, Reason, Redirect, Router, ServiceKey, ServiceTables, Tag } from '@lane/core/model';
import type { AgentLog } from '../../boot/log.js';
import { Refusals, type Address } from './refusals.js';
import { TryBudget } from './try-budget.js';

/** Instances of a lane that one call is tried on, and then as many of base. */
export const MAX_TRIES = 3;

/** What is remembered of instances by connecting to them. */
export interface InstanceMemory extends Avoided {
  /** A connection was refused: nobody listens there, or no way leads there. */
  refused(service: ServiceKey, address: Address): void;
  /** A connection came about. */
  answered(address: Address): void;
  /** Whether a refusal is the last that is known of the address. */
  isRefused(address: Address): boolean;
}

/** An {@link InstanceMemory} of this process alone. `now`: milliseconds of a monotonic clock. */
export function createInstanceMemory(now: () => number): InstanceMemory {
  const refusals = new Refusals();
  return {
    get isEmpty() {
      return refusals.isEmpty;
    },
    has: (instance) => refusals.avoids(instance, now()),
    refused: (_, address) => refusals.refused(address, now()),
    answered: (address) => refusals.answered(address),
    isRefused: (address) => refusals.isRefused(address),
  };
}

/** What {@link Connecting} needs. */
export interface ConnectingParts {
  readonly router: Router;
  readonly tables: Pick<ServiceTables, 'isEmpty' | 'findByAddress'>;
  readonly memory: InstanceMemory;
  readonly log: AgentLog;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/** Connecting of all calls of this process. */
export class Connecting {
  readonly parts: ConnectingParts;
  readonly #budgets = new Map<string, TryBudget>();

  constructor(parts: ConnectingParts) {
    this.parts = parts;
  }

  /** A call goes to the instance of a verdict. */
  begin(verdict: Redirect, tag: Tag | undefined): Attempt {
    const { name } = verdict.service;
    let budget = this.#budgets.get(name);
    if (budget === undefined) this.#budgets.set(name, (budget = new TryBudget()));
    budget.call(this.parts.now());
    return new Attempt(this.parts, budget, verdict, tag);
  }

  /** The service that has an instance at this address, if exactly one has. */
  serviceAt(host: string, port: number): ServiceKey | undefined {
    return this.parts.tables.findByAddress(host, port)?.table.key;
  }

  /** A connection was refused. Said once an address. */
  refused(service: ServiceKey, address: Address, error: Error): void {
    const { memory, log } = this.parts;
    memory.refused(service, address);
    log.once(
      `refused ${address.ip} ${address.port}`,
      'warn',
      `${service.name} at ${address.ip}:${address.port} is registered, but can't be connected to: it is passed over for a while where there are others`,
      { error: error.message },
    );
  }

  /** A connection came about. */
  answered(address: Address): void {
    const { memory } = this.parts;
    if (!memory.isEmpty) memory.answered(address);
  }

  /** Whether a refusal is the last that is known of an address. */
  isRefused(address: Address): boolean {
    return this.parts.memory.isRefused(address);
  }
}

/** One call, from its first instance to where it is connected. */
export class Attempt {
  readonly service: ServiceKey;
  /** See {@link Redirect}. */
  readonly byName: boolean;
  /** The instance that is tried now. */
  instance: Instance;
  readonly #parts: ConnectingParts;
  readonly #budget: TryBudget;
  readonly #tag: Tag | undefined;
  readonly #tried: Instance[] = [];
  #laneTries = 0;
  #baseTries = 0;

  constructor(parts: ConnectingParts, budget: TryBudget, verdict: Redirect, tag: Tag | undefined) {
    this.service = verdict.service;
    this.byName = verdict.byName;
    this.instance = verdict.instance;
    this.#parts = parts;
    this.#budget = budget;
    this.#tag = tag;
    this.#count(verdict.reason);
  }

  /**
   * The instance could not be connected to: gives the next one, which has not been tried for this call. Those that are avoided come last.
   * undefined: there is none, or the service has had its extra tries.
   */
  next(): Instance | undefined {
    this.#tried.push(this.instance);
    if (this.#baseTries >= MAX_TRIES) return undefined;
    const { router, memory, now } = this.#parts;
    const isLaneSpent = this.#laneTries >= MAX_TRIES;
    const find = (skipped: Avoided): ReturnType<Router['next']> => router.next(this.service, this.#tag, skipped, isLaneSpent);
    const isTried = (instance: Instance): boolean => this.#tried.some(({ ip, port }) => ip === instance.ip && port === instance.port);
    const candidate =
      find({ isEmpty: false, has: (instance) => isTried(instance) || memory.has(instance) }) ?? find({ isEmpty: false, has: isTried });
    if (candidate === undefined || !this.#budget.take(now())) return undefined;
    this.#count(candidate.reason);
    return (this.instance = candidate.instance);
  }

  #count(reason: Reason): void {
    if (reason === 'in-lane') this.#laneTries++;
    else this.#baseTries++;
  }
}
