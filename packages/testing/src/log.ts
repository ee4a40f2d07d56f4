/** Captures log lines of the code under test. */
import { EventEmitter, once } from 'node:events';
import type { Log, LogFields } from '@lane/core/model';

/** A log that records its lines and can be awaited. */
export class RecordingLog implements Log {
  readonly lines: string[] = [];
  readonly #came = new EventEmitter();

  error = (message: string, fields?: LogFields): void => this.#add('error', message, fields);
  warn = (message: string, fields?: LogFields): void => this.#add('warn', message, fields);
  info = (message: string, fields?: LogFields): void => this.#add('info', message, fields);
  debug = (message: string, fields?: LogFields): void => this.#add('debug', message, fields);

  /** Lines that begin with a level, or contain a text. */
  matching(pattern: RegExp): string[] {
    return this.lines.filter((line) => pattern.test(line));
  }

  /** Resolves with the first matching line. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const [found] = this.matching(pattern);
      if (found !== undefined) return found;
      await once(this.#came, 'line');
    }
  }

  #add(level: string, message: string, fields: LogFields | undefined): void {
    this.lines.push(`${level}: ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`);
    this.#came.emit('line');
  }
}
