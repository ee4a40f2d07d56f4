/**
 * Names that DNS can't resolve although the registry has a service of that name. Neither a lane group nor LANE_SERVICES names it, so the call goes
 * where it would without the agent, and fails. We add the cause and the remedy to the error's message; its code and everything else stay. gRPC
 * resolves names itself and swallows the DNS error: `instrumentations/grpc-client.ts` changes the status of the call.
 */
import type dns from 'node:dns';
import { isIP } from 'node:net';
import { AwakeTimer, type ServiceKey } from '@lane/core/model';
import type { AgentLog } from '../boot/log.js';
import type { ObservedRegistry } from '../discovery/learner.js';
import { safely } from '../patching/safely.js';
import { beforeSocketConnects, type SocketOptions } from '../patching/socket-hook.js';

/** How long an error waits for the registry's answer, in milliseconds. */
const ASK_TIMEOUT_MS = 1_000;
/** How long an answer is valid, in milliseconds. */
const ANSWER_MS = 10_000;
/** How many names are remembered; beyond that all answers are dropped. */
const MAX_NAMES = 500;
/** Codes of getaddrinfo(3) for a name that does not exist, and for one that no DNS server could answer. */
const UNRESOLVED: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'EAI_AGAIN']);

interface Answer {
  /** `performance.now()`. */
  readonly at: number;
  readonly remedy: Promise<string | undefined>;
}

/** Asks the registry about names that DNS does not know. */
export class UnresolvedNames {
  readonly #registry: ObservedRegistry;
  readonly #isDeclared: (host: string) => boolean;
  readonly #log: AgentLog;
  readonly #answers = new Map<string, Answer>();

  /** `isDeclared`: whether the agent already treats the host as a service, so that declaring it would not help. */
  constructor(registry: ObservedRegistry, isDeclared: (host: string) => boolean, log: AgentLog) {
    this.#registry = registry;
    this.#isDeclared = isDeclared;
    this.#log = log;
  }

  /** Whether there is a registry whose services have to be declared. */
  get canAsk(): boolean {
    return this.#registry.names === undefined && this.#registry.list !== undefined;
  }

  /** The remedy for a name; resolves to undefined if the registry has no such service, never rejects. undefined: there is no registry. */
  remedyFor(host: string): Promise<string | undefined> | undefined {
    const { state } = this.#registry;
    // The registry's own host would have to be looked up there.
    if (!this.canAsk || state?.reachable !== true || state.addresses.some((one) => one.host === host) || this.#isDeclared(host)) return undefined;
    const known = this.#answers.get(host);
    if (known !== undefined && performance.now() - known.at < ANSWER_MS) return known.remedy;
    if (this.#answers.size >= MAX_NAMES) this.#answers.clear();
    const remedy = this.#ask({ name: host, group: this.#registry.defaultGroup });
    this.#answers.set(host, { at: performance.now(), remedy });
    return remedy;
  }

  #ask(key: ServiceKey): Promise<string | undefined> {
    return new Promise((resolve) => {
      // Holds the process: nothing else does until the app gets its error.
      const impatient = new AwakeTimer(ASK_TIMEOUT_MS, () => resolve(undefined));
      const answer = (count: number): void => {
        impatient.clear();
        resolve(count === 0 ? undefined : this.#tell(key));
      };
      const asked = (async () => this.#registry.list?.(key) ?? [])();
      asked.then(
        (instances) => answer(instances.length),
        () => answer(0),
      );
    });
  }

  #tell({ name }: ServiceKey): string {
    const remedy = `the registry has a service ${name}, but no lane group and no LANE_SERVICES names it, so the call went to DNS: set LANE_SERVICES=${name}, or add it to a lane group`;
    this.#log.once(`unresolved ${name}`, 'warn', `${name} can't be resolved: ${remedy}`);
    return remedy;
  }
}

type LookedUp = (error: Error | null, ...addresses: unknown[]) => void;
type Lookup = (host: string, options: object, done: LookedUp) => void;

/** From now on, errors of unresolvable names include the remedy, if there is one. */
export function tellOfUnresolvedNames(unresolved: UnresolvedNames): void {
  beforeSocketConnects((_, options: (SocketOptions & { lookup?: unknown }) | undefined) => {
    if (options === undefined || !unresolved.canAsk || typeof options.host !== 'string' || isIP(options.host) !== 0) return undefined;
    const { lookup } = options;
    // Node reports an invalid one.
    if (lookup === undefined || typeof lookup === 'function') options.lookup = lookupTelling(unresolved, lookup as Lookup | undefined);
    return undefined;
  });
}

/** The app's look-up, whose errors include the remedy. */
function lookupTelling(unresolved: UnresolvedNames, lookup: Lookup | undefined): Lookup {
  return (host, options, done) => {
    (lookup ?? ((require('node:dns') as typeof dns).lookup as Lookup))(host, options, (error, ...addresses) => {
      const remedy = UNRESOLVED.has((error as NodeJS.ErrnoException | null)?.code) ? ask(unresolved, host) : undefined;
      if (remedy === undefined) {
        done(error, ...addresses);
        return;
      }
      void remedy.then((told) => {
        if (told !== undefined) amend(error as Error, told);
        // Not in the promise: what is thrown there is a rejection.
        process.nextTick(done, error, ...addresses);
      });
    });
  };
}

const ask = safely('unresolved names', (unresolved: UnresolvedNames, host: string) => unresolved.remedyFor(host));

const amend = safely('unresolved names', (error: Error, remedy: string) => {
  const { message, stack } = error;
  // An app's own look-up may report one error twice.
  if (message.includes(remedy)) return;
  error.message = `${message} (${remedy})`;
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
});
