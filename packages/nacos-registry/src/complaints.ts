import { type Log, messageOf } from '@lane/core/model';
import { NacosError } from './nacos-error.js';

/** A server that says something else each time must fill neither memory nor log. */
const MAX_COMPLAINTS = 100;

/** Says once what is wrong with Nacos beyond an outage, which has its own line. */
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
