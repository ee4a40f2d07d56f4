import { type Log, messageOf } from '@lane/core/model';
import { NacosError } from './nacos-error.js';

/** A server with a different error each time must fill neither memory nor log. */
const MAX_COMPLAINTS = 100;

/** Logs each problem of Nacos once, except outages, which have their own line. */
export class Complaints {
  readonly #log: Log;
  readonly #said = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  say(error: unknown): void {
    if (error instanceof NacosError && error.code === 'ELANE_NACOS_UNREACHABLE') return;
    const message = messageOf(error);
    if (this.#said.has(message) || this.#said.size >= MAX_COMPLAINTS) return;
    this.#said.add(message);
    this.#log.warn(message);
  }
}
