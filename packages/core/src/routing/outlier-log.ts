import type { Log } from '../log.js';
import { gathering, listed } from './gathered.js';
import { BROKEN_OFF } from './outlier.js';
import { SYSTEM_CLOCK, type Clock, type Ejection } from './service-tables.js';

/** Logs which instances are ejected, and which are back. */
export class OutlierLog {
  readonly #log: Log;
  /** Notes that an instance is ejected, or back. Logs at most one line a second, however many instances fail. */
  readonly note: (ejection: Ejection) => void;

  constructor(log: Log, clock: Clock = SYSTEM_CLOCK) {
    this.#log = log;
    this.note = gathering(clock, (gathered) => this.#tell(gathered));
  }

  #tell(gathered: readonly Ejection[]): void {
    const ejected = gathered.filter(({ kind }) => kind === 'ejected');
    const back = gathered.filter(({ kind }) => kind === 'back');
    if (ejected.length > 0) this.#log.warn(`ejected for server errors, while others in the lane answer: ${listed(ejected, reasonOf, more)}`);
    if (back.length > 0) this.#log.info(`answers again and gets its share of calls: ${listed(back, nameOf, more)}`);
  }
}

function more(count: number): string {
  return `${count} more`;
}

function nameOf({ key, ip, port, tag }: Ejection): string {
  return `${key.name} at ${ip.includes(':') ? `[${ip}]` : ip}:${port} (${tag === undefined ? 'base' : `lane ${tag}`})`;
}

function reasonOf(ejection: Ejection): string {
  const { forMs, failures, status, others } = ejection;
  const last = status === BROKEN_OFF ? 'a broken connection' : status;
  const inARow = failures === 1 ? `${last} on probation` : `${failures} in a row, ${last} the last`;
  return `${nameOf(ejection)} for ${forMs / 1_000} s (${inARow}; others: ${Math.round(others.bad)} of ${Math.round(others.good + others.bad)})`;
}
