/** What tests of this package share. */
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Log, LogFields } from '@lane/core/model';

/** Values as they come, to be waited for. */
export class Received<T> {
  readonly all: T[] = [];
  readonly #came = new EventEmitter().setMaxListeners(100);

  readonly push = (value: T): void => {
    this.all.push(value);
    this.#came.emit('value');
  };

  get last(): T | undefined {
    return this.all.at(-1);
  }

  /** The latest value as soon as it is as wanted. */
  async until(isWanted: (value: T) => boolean): Promise<T> {
    for (;;) {
      if (this.all.length > 0 && isWanted(this.last as T)) return this.last as T;
      await once(this.#came, 'value');
    }
  }
}

/** A log that remembers, and can be waited for. */
export class RecordingLog implements Log {
  readonly lines: string[] = [];
  readonly #came = new EventEmitter();

  error = (message: string, fields?: LogFields): void => this.#add('error', message, fields);
  warn = (message: string, fields?: LogFields): void => this.#add('warn', message, fields);
  info = (message: string, fields?: LogFields): void => this.#add('info', message, fields);
  debug = (message: string, fields?: LogFields): void => this.#add('debug', message, fields);

  /** Lines that begin with a level, or hold a text. */
  matching(pattern: RegExp): string[] {
    return this.lines.filter((line) => pattern.test(line));
  }

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

/** Calls `attempt` until it neither throws nor rejects; for what sends no event. */
export async function eventually<T>(attempt: () => T | Promise<T>, timeoutMs = 15_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Closes something when the test is over. */
export function closing<T extends { close(): unknown }>(value: T): T {
  onTestFinished(async () => {
    await value.close();
  });
  return value;
}

/** A folder of the test's own. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lane-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
