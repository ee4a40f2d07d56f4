import type { Log } from '../log.js';
import { SYSTEM_CLOCK, type Clock, type ServiceDoubts } from './service-tables.js';

/** Services named in one line. */
const MAX_NAMED = 3;
/** A registry that forgets forgets of many services at once: so long is gathered what one line tells. */
const GATHER_MS = 1_000;

/** Says in the log, one line for all services together, when a registry takes instances away in bulk, and when that is over. */
export class DoubtLog {
  readonly #log: Log;
  readonly #holdMs: () => number;
  readonly #clock: Clock;
  readonly #open = new Set<string>();
  #gathered: ServiceDoubts[] = [];

  constructor(log: Log, holdMs: () => number, clock: Clock = SYSTEM_CLOCK) {
    this.#log = log;
    this.#holdMs = holdMs;
    this.#clock = clock;
  }

  /** Takes note of a service of which something is in doubt, or nothing any more. */
  note(doubts: ServiceDoubts): void {
    if (this.#gathered.length === 0) this.#clock.after(GATHER_MS, () => this.#tell());
    this.#gathered.push(doubts);
  }

  #tell(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    // The last word on each.
    const last = new Map(gathered.map((doubts) => [doubts.key.name, doubts]));
    const begun: ServiceDoubts[] = [];
    const over: ServiceDoubts[] = [];
    for (const [name, doubts] of last) {
      if (doubts.doubted > 0 && !this.#open.has(name)) begun.push(doubts);
      if (doubts.doubted === 0 && this.#open.delete(name)) over.push(doubts);
    }
    for (const { key } of begun) this.#open.add(key.name);
    if (begun.length > 0) {
      this.#log.warn(
        `the registry takes away many instances at once: ${listed(begun, ({ key, doubted, of }) => `${doubted} of ${of} of ${key.name}`)}. ` +
          `It may have forgotten them: they stay in use until it has said so for ${this.#holdMs() / 1_000} s, or they refuse connections`,
      );
    }
    if (over.length > 0)
      this.#log.info(`the registry and what is in use agree again: ${listed(over, ({ key, of }) => `${of} instances of ${key.name}`)}`);
  }
}

function listed(all: readonly ServiceDoubts[], tell: (doubts: ServiceDoubts) => string): string {
  const told = all.slice(0, MAX_NAMED).map(tell).join(', ');
  return all.length > MAX_NAMED ? `${told}, and of ${all.length - MAX_NAMED} other services` : told;
}
