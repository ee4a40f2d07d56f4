import type { Log } from '../log.js';
import { gathering, listed } from './gathered.js';
import { SYSTEM_CLOCK, type Clock, type ServiceDoubts } from './service-tables.js';

/** Logs, in one line for all services, when a registry drops instances in bulk, and when that is over. */
export class DoubtLog {
  readonly #log: Log;
  readonly #holdMs: () => number;
  readonly #open = new Set<string>();
  /** Notes that a service is in doubt, or no longer. */
  readonly note: (doubts: ServiceDoubts) => void;

  constructor(log: Log, holdMs: () => number, clock: Clock = SYSTEM_CLOCK) {
    this.#log = log;
    this.#holdMs = holdMs;
    this.note = gathering(clock, (gathered) => this.#tell(gathered));
  }

  #tell(gathered: readonly ServiceDoubts[]): void {
    // The latest state of each.
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
        `the registry dropped many instances at once: ${listed(begun, ({ key, doubted, of }) => `${doubted} of ${of} of ${key.name}`, others)}. ` +
          `It may have lost them: they stay in use until it has omitted them for ${this.#holdMs() / 1_000} s, or until they refuse connections`,
      );
    }
    if (over.length > 0)
      this.#log.info(`the registry lists all instances in use again: ${listed(over, ({ key, of }) => `${of} instances of ${key.name}`, others)}`);
  }
}

function others(count: number): string {
  return `of ${count} other services`;
}
